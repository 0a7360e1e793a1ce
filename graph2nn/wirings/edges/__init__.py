"""How a wiring chooses its edges: slots, selection, kinds, rewiring, tickets."""
