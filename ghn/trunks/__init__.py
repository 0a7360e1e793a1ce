"""Trunks: from a batch of graphs to a state of each node."""
