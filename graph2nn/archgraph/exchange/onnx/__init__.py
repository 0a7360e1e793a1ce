"""Networks in ONNX files: what a file holds, and its nodes as calls of torch."""
