"""Sparse networks as modules: the published models, pruning."""
