"""From node states to parameters: targets, decoders, tiling."""
