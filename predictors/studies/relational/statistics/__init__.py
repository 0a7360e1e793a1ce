"""Statistics of errors over (C, L): bins, tests, sweet spots, controls."""
