"""Graphs beside other graphs and other programs: differences, DOT, exported programs, ONNX."""
