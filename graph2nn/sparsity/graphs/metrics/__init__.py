"""Measures of multipartite graphs, on listed edges or without making any."""
