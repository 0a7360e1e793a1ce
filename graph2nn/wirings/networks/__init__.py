"""The networks whose wirings are learned."""
