"""Grids of pruned networks: what they are, how a network is made, tables and figures of them."""
