"""Pictures of graphs: layout in layers, colours of operations, drawing."""
