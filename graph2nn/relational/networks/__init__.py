"""The networks of the relational-graph experiments."""

from graph2nn.relational.networks.base import RelationalNetwork
from graph2nn.relational.networks.padding import padded_template
from graph2nn.relational.networks.registry import MODELS, build_model, relational_mlp

__all__ = ["MODELS", "RelationalNetwork", "build_model", "padded_template", "relational_mlp"]
