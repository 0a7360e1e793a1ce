"""Wirings as graphs: nodes, measures, counts."""
