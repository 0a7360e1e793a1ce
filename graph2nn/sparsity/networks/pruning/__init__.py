"""Masks by pruning at initialisation."""
