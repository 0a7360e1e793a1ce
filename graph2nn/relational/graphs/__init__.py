"""Relational graphs: generators, measures, sweeps, thinning, published sets."""
