"""DeepNets-1M networks as modules: stems, cells, operations, heads."""
