"""Features of whole networks: how large their operations are, and where they stand."""
