"""Sparse networks as modules: the published models, masks, pruning."""
