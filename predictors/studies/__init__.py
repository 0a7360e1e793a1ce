"""Studies: what graphs tell of accuracy, with tables, figures and pages."""
