"""Sparse networks: pruning at initialisation, multipartite graphs, topometrics, studies."""
