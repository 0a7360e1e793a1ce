"""Wirings as graphs: nodes, measures, multipartite form."""
