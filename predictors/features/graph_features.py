"""`GraphFeatures`: a list of `ArchGraph`s as a table of numbers, for any regressor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError

from graph2nn.archgraph import ArchGraph
from predictors.checks import check_graphs
from predictors.features.attributes import AttributeScaler
from predictors.features.live import (
    depth_block,
    flow_block,
    live_block,
    merge_block,
    pairs_block,
    paths_block,
    stages_block,
)
from predictors.features.networks.blocks import blocks_columns, levels_columns, with_levels
from predictors.features.networks.nodes import warn_of_unknown_sizes
from predictors.features.networks.sizes import maps_columns, sizes_columns, totals_columns
from predictors.features.operations import read_as_known
from predictors.features.operations.factored import factors_columns
from predictors.features.padded import ENDS, Padded, padded_batches
from predictors.features.places import places_columns
from predictors.features.raw_features import (
    adjacency_block,
    counts_block,
    graf_block,
    positions_block,
)
from predictors.features.shapes import shapes_columns
from predictors.features.signal import signal_block
from predictors.features.space import Columns, Space, space_of
from predictors.features.undirected import RELATIONAL_OP, is_relational, relational_columns
from predictors.saving import Saveable

__all__ = ["BLOCKS", "STANDARD_BLOCKS", "GraphFeatures"]

_DAG: dict[str, Callable[[Padded, Space], Columns]] = {
    "counts": counts_block,
    "graf": graf_block,
    "positions": positions_block,
    "adjacency": adjacency_block,
    "paths": paths_block,
    "live": live_block,
    "merge": merge_block,
    "flow": flow_block,
    "pairs": pairs_block,
    "stages": stages_block,
    "depth": depth_block,
    "signal": signal_block,
}

_NETWORK: dict[str, Callable[[Sequence[ArchGraph], Space], Columns]] = {
    "places": places_columns,
    "totals": totals_columns,
    "sizes": sizes_columns,
    "maps": maps_columns,
    "levels": levels_columns,
    "blocks": blocks_columns,
}

BLOCKS: tuple[str, ...] = (*_DAG, "shapes", *_NETWORK, "factors", "relational")
"""Blocks of columns: of graphs as given (the first four), of their living part, of the shapes of
parameters, of places from either end, of the sizes and places of operations where a graph knows how
many values they give out, of what operations are made of, and of undirected relational graphs."""

Tables = tuple[dict[str, np.ndarray], dict[str, list[str]]]
"""Values and names of columns of each block."""

STANDARD_BLOCKS = (
    *("paths", "live", "merge", "flow", "stages", "depth", "shapes", "relational"),
    *("sizes", "maps", "levels", "blocks", "factors"),
)
"""The default: all that does not depend on how a graph was written down."""


class GraphFeatures(Saveable, TransformerMixin, BaseEstimator):
    """Numbers that describe labelled DAGs and relational graphs, in milliseconds a graph.

    GRAF (arXiv:2404.16551) generalised: path lengths, degrees and counts over sets of operations,
    of any labelled DAG, as given or pruned and contracted. Blocks that do not apply to the graphs
    (shapes of cells, stages where there is one) add no columns. Relational graphs have the block
    `relational` only. Columns are learned in `fit` and stay.

    Args:
        blocks: Names from `BLOCKS`.
        attributes: Patterns of graph attributes to add as columns, such as `zc_*`.
        scale: Scale of the attributes, one of `SCALES`.
        ops: Further operations to expect; by default those of the graphs in `fit`.
        drop: Operations that give zeros.
        contract: Operations that are identities.

    Shapes:
        `transform`: N graphs -> (N, F) float64.

    Raises:
        ValueError: Unknown blocks; relational and other graphs mixed; sizes that differ where a
            block needs one.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> cells = [nb201_cell([0, 1, 2, 3, 4, 0]), nb201_cell([2, 2, 2, 1, 1, 3])]
        >>> GraphFeatures(blocks=("counts",)).fit_transform(cells).shape
        (2, 7)
    """

    def __init__(
        self,
        blocks: Sequence[str] = STANDARD_BLOCKS,
        *,
        attributes: Sequence[str] = (),
        scale: str = "rank",
        ops: Sequence[str] = (),
        drop: Sequence[str] = ("none",),
        contract: Sequence[str] = ("skip",),
    ) -> None:
        self.blocks = blocks
        self.attributes = attributes
        self.scale = scale
        self.ops = ops
        self.drop = drop
        self.contract = contract

    def fit(self, X: Sequence[ArchGraph], y: Any = None) -> GraphFeatures:
        """Learn the vocabulary, the columns and the scale of attributes.

        Warns:
            UnknownSizesWarning: Networks with parameters that know neither how many values their
                operations give out nor stages, so that places are missing.
        """
        unknown = [block for block in self.blocks if block not in BLOCKS]
        if unknown or not (self.blocks or self.attributes):
            raise ValueError(
                f"blocks: expected some of {', '.join(BLOCKS)}, got {', '.join(unknown) or 'none'}"
            )
        graphs = check_graphs(X)
        self.space_ = with_levels(space_of(graphs, self.ops, self.drop, self.contract), graphs)
        if self.space_.shaped and len(self.space_.stages) == 1:
            warn_of_unknown_sizes(graphs)
        self.relational_ = is_relational(graphs[0])
        self._check_kind(graphs)
        self.attributes_ = None
        if self.attributes:
            self.attributes_ = AttributeScaler(self.attributes, self.scale).fit(graphs)
        _, self.columns_ = self._structure(graphs[:1], graphs[:1])
        self.n_features_out_ = len(self.get_feature_names_out())
        if not self.n_features_out_:
            raise ValueError(
                f"the blocks {', '.join(self.blocks)} have no columns for these graphs; their "
                f"operations are {', '.join(self.space_.ops) or 'none'}"
            )
        return self

    def transform(self, X: Sequence[ArchGraph]) -> np.ndarray:
        """Compute the table: N graphs -> (N, F).

        Warns:
            UnknownOperationWarning: Operations that were not in `fit` nor in `ops`; they are read
                as those most like them.
            UnknownSizesWarning: Graphs that do not know how many values their operations give out,
                where those of `fit` did.
        """
        self._check_fitted()
        graphs = check_graphs(X)
        self._check_kind(graphs)
        known = read_as_known(graphs, (*self.space_.ops, *ENDS), "GraphFeatures")
        if self.space_.valued:
            warn_of_unknown_sizes(graphs)
        table, columns = self._structure(graphs, known)
        if columns != self.columns_:
            raise ValueError(
                "this GraphFeatures was fitted by a version of netwright with other columns: fit "
                "it again"
            )
        if self.attributes_ is None:
            return table
        return np.concatenate([table, self.attributes_.transform(graphs)], axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """List the names of the columns, `block: column`, (F,)."""
        self._check_fitted()
        names = [f"{block}: {name}" for block, labels in self.columns_.items() for name in labels]
        if self.attributes_ is not None:
            names += [f"attributes: {name}" for name in self.attributes_.columns()]
        return np.array(names, dtype=object)

    def groups(self) -> list[np.ndarray]:
        """List the columns of each block, (F_g,) each, for models that weigh blocks."""
        owners = [name.split(":")[0] for name in self.get_feature_names_out()]
        return [np.flatnonzero([o == owner for o in owners]) for owner in dict.fromkeys(owners)]

    def _structure(
        self, graphs: list[ArchGraph], known: list[ArchGraph]
    ) -> tuple[np.ndarray, dict[str, list[str]]]:
        """Columns that come from the graph, from the memory of the graphs where they are there.

        Factors of operations are read from the graphs as given, all else with known operations.
        """
        key = ("features", tuple(self.blocks), self.space_)
        missing = [k for k, graph in enumerate(graphs) if graph.recall(key) is None]
        if missing:
            fresh = [known[k] for k in missing]
            tables, columns = (self._relational if self.relational_ else self._labelled)(fresh)
            if "factors" in self.blocks and not self.relational_:
                given = [graphs[k] for k in missing]
                columns["factors"], tables["factors"] = factors_columns(given, self.space_)
            joined = np.concatenate([np.zeros((len(fresh), 0)), *tables.values()], axis=1)
            for k, row in zip(missing, joined):
                graphs[k].remember(key, partial(tuple, (row, columns)))
        found = [graph.recall(key) for graph in graphs]
        return np.array([row for row, _ in found]), found[0][1]

    def _labelled(self, graphs: list[ArchGraph]) -> Tables:
        tables: dict[str, np.ndarray] = {}
        columns: dict[str, list[str]] = {}
        for rows, batch in padded_batches(graphs, self.space_.ops):
            for block in self.blocks:
                if block in _DAG:
                    columns[block], values = _DAG[block](batch, self.space_)
                    table = tables.setdefault(block, np.zeros((len(graphs), values.shape[1])))
                    table[rows] = values
        if "shapes" in self.blocks and self.space_.shaped:
            columns["shapes"], tables["shapes"] = shapes_columns(graphs, self.space_.ops)
        for block in self.blocks:
            if block in _NETWORK:
                columns[block], tables[block] = _NETWORK[block](graphs, self.space_)
        return tables, columns

    def _relational(self, graphs: list[ArchGraph]) -> Tables:
        sizes = np.array([graph.num_nodes for graph in graphs])
        wanted = "relational" in self.blocks
        tables: dict[str, np.ndarray] = {}
        columns: dict[str, list[str]] = {}
        for size in np.unique(sizes) if wanted else ():
            rows = np.flatnonzero(sizes == size)
            for group, (names, values) in relational_columns([graphs[r] for r in rows]).items():
                columns[group] = names
                tables.setdefault(group, np.zeros((len(graphs), len(names))))[rows] = values
        if wanted:
            columns["size"], tables["size"] = ["log nodes"], np.log(sizes)[:, None]
        return tables, columns

    def _check_kind(self, graphs: list[ArchGraph]) -> None:
        if any(is_relational(graph) != self.relational_ for graph in graphs):
            raise ValueError(
                f"X mixes relational graphs (all operations {RELATIONAL_OP!r}) with others, or "
                "with those of fit; fit one GraphFeatures for each kind"
            )

    def _check_fitted(self) -> None:
        if not hasattr(self, "space_"):
            raise NotFittedError("this GraphFeatures is not fitted: call fit(graphs) first")
