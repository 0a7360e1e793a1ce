"""Graphs of pruned networks: unrolled, rolled, rolled-channel; correct, or as published."""
