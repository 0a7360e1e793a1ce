"""Predictors that are neural networks: one loop, several losses, GCN and message passing."""
