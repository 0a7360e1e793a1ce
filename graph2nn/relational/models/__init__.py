"""The networks of the relational-graph experiments."""

from graph2nn.relational.models.base import RelationalNetwork
from graph2nn.relational.models.padding import padded_template
from graph2nn.relational.models.registry import MODELS, build_model, relational_mlp

__all__ = ["MODELS", "RelationalNetwork", "build_model", "padded_template", "relational_mlp"]
