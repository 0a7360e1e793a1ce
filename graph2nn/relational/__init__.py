"""Relational graphs: generators, measures, masked networks, width matching, sweeps, analysis."""
