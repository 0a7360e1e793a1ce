"""The command `netwright`: graphs, summaries, parameters and accuracies of networks by name.

The libraries are `graph2nn`, `archtokens`, `ghn` and `predictors`; here is what calls them from a
shell.
"""
