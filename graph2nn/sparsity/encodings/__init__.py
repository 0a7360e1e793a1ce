"""Graphs of pruned networks."""
