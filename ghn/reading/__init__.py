"""What does a hypernetwork read of a network? Graphs, an example input, which layer classifies."""
