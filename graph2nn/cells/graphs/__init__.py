"""Cells as labelled graphs: their operations, whole spaces, random ones, neighbours."""
