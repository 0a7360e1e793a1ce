"""Measures of multipartite graphs."""
