"""What belongs to the caller of a trace: networks, inputs, tensors, and how they are put back."""
