"""What metrics of sparse networks say about the accuracy that pruning costs."""
