"""From the graph of a network to its accuracy and other properties: scikit-learn estimators."""
