"""Views of a recorded network: every operation, the primitives, the published graphs."""
