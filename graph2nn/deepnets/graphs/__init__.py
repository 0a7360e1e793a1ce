"""DeepNets-1M networks as values: genotypes, configurations, rules of splits, published files."""
