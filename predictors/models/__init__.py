"""The predictors but for neural ones and TART."""
