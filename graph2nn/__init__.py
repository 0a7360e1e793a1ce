"""Neural networks as graphs: graphs of networks, networks from graphs, image data, training."""

__version__ = "0.1.0"

__all__ = ["__version__"]
