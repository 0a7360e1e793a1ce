"""What the measures tell."""
