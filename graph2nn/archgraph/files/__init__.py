"""Files that hold one graph, to be read by people and other programs."""
