"""`GraphNetPredictor`: what graph networks share, from graphs to node features and edges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.canonical import canonical
from predictors.features.attributes import AttributeScaler
from predictors.neural.base import NeuralPredictor
from predictors.neural.graph_tensors import DenseGraphs, SparseGraphs, stack_graphs
from predictors.neural.node_features import NodeFeatures, useful_features

__all__ = ["GraphNetPredictor"]


class GraphNetPredictor(NeuralPredictor):
    """A neural predictor whose module reads `DenseGraphs` or `SparseGraphs`.

    Args:
        canonical: Whether graphs are read pruned, contracted and in canonical order; by default as
            they are.
        node_features: Blocks of `NODE_FEATURES` beside the operation; `auto` takes those that say
            something on the training graphs (`useful_features`).
        virtual_edges: Distance up to which nodes are joined, with weight 1 / distance; 1 for none.
        undirected: Whether edges count both ways; by default where all nodes are alike, as in
            relational graphs.
        attributes: Patterns of the graphs' attributes that the readout sees too, such as `zc_*`.
        settings: Settings of `NeuralPredictor`.
    """

    DENSE: ClassVar[bool | None] = None
    """Whether the module reads dense graphs; None leaves it to their size."""

    def __init__(
        self,
        *,
        canonical: bool | None = None,
        node_features: str | Sequence[str] | None = None,
        virtual_edges: int | None = None,
        undirected: bool | None = None,
        attributes: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        super().__init__(**settings)
        self.canonical = canonical
        self.node_features = node_features
        self.virtual_edges = virtual_edges
        self.undirected = undirected
        self.attributes = attributes

    def _learn(self, graphs: list[ArchGraph]) -> None:
        super()._learn(graphs)
        blocks = self.setting("node_features", "auto")
        blocks = useful_features(graphs) if blocks == "auto" else tuple(blocks)
        self.features_ = NodeFeatures(self.ops_, blocks).fit(self._forms(graphs))
        alike = len({op for graph in graphs for op in graph.op_names()}) == 1
        self.undirected_ = bool(self.setting("undirected", alike))
        self.scaler_ = AttributeScaler(self.attributes).fit(graphs)

    def _prepare(self, graphs: list[ArchGraph]) -> DenseGraphs | SparseGraphs:
        return stack_graphs(
            self._forms(graphs),
            self.features_,
            virtual=self.setting("virtual_edges", 1),
            undirected=self.undirected_,
            dense=self.DENSE,
            given=self.scaler_.transform(graphs),
        )

    def _forms(self, graphs: list[ArchGraph]) -> list[ArchGraph]:
        return (
            [canonical(graph) for graph in graphs] if self.setting("canonical", False) else graphs
        )

    def _select(self, data: Any, index: Tensor) -> DenseGraphs | SparseGraphs:
        return data.select(index, self.device)
