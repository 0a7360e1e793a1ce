"""Figures of matplotlib: every node, modules folded, nodes at places of their own."""
