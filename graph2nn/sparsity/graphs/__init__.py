"""Sparse networks as multipartite graphs: encodings, edges, metrics."""
