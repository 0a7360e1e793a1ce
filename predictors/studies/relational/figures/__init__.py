"""Figures of a study of relational graphs."""
