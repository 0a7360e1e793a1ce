"""What a sweep trains: networks of graphs, with their columns in tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from graph2nn.relational.graphs.graph_sets import GraphEntry, graph_set_index
from graph2nn.relational.networks.registry import build_model
from graph2nn.runs.campaign import Row
from graph2nn.vision import ImageData

__all__ = ["NetworkSpec", "build_network"]

_INDEXED = ("n64_52", "n64_449", "n64_3942", "n16_48")


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """One relational network and what a table of results says of it.

    Args:
        entry: The graph; the complete graph stands for the dense baseline.
        model: Name in `MODELS`.
        dims: Widths of the stages, as matched.
        options: Further arguments of `build_model` (`dim_first`, `depths`).
        transform: Published name of its blocks.
        params, flops: Number of trainable parameters, and multiply-adds of an image.
        data_dir: Folder with downloaded connectomes.
    """

    entry: GraphEntry
    model: str
    dims: tuple[int, ...]
    transform: str
    params: int
    flops: int
    options: tuple[tuple[str, Any], ...] = ()
    data_dir: str | None = None

    @property
    def is_baseline(self) -> bool:
        """Whether it is the dense baseline."""
        return self.entry.kind == "complete"

    @property
    def cost(self) -> int:
        """Number that grows with the work of a dense computation; orders and groups jobs."""
        return sum(width * width for width in self.dims)

    def columns(self) -> Row:
        """Return the published columns that do not depend on training.

        Parameters and multiply-adds have six decimals, published ones three: small networks need
        them.
        """
        graph = self.entry
        sparsity, p = round(graph.sparsity, 6), round(graph.p, 6)
        indices = {f"idx_in_{name}": graph_set_index(name).get(graph.graph_id) for name in _INDEXED}
        return {
            "n_nodes": graph.num_nodes,
            "k_degree": round(graph.num_nodes * graph.sparsity, 6),
            "sparsity": sparsity,
            "p": p,
            "graph_seed": graph.seed,
            "C": graph.C,
            "L": graph.L,
            "is_baseline": int(self.is_baseline),
            "transform": self.transform,
            "params_M": round(self.params / 1e6, 6),
            "gflops": round(self.flops / 1e9, 6),
            "dim0": self.dims[0],
            **indices,
            "graph_id": graph.graph_id,
        }


def build_network(
    spec: NetworkSpec, data: ImageData, seed: int, *, execution: str = "auto"
) -> nn.Module:
    """Build the network of `spec` for the images of `data`, its weights drawn from `seed`."""
    return build_model(
        spec.model,
        None if spec.is_baseline else spec.entry.graph(data_dir=spec.data_dir),
        dims=spec.dims,
        num_classes=data.num_classes,
        image_size=data.image_size,
        in_channels=data.channels,
        seed=seed,
        execution=execution,
        **dict(spec.options),
    )
