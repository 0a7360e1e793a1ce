"""What does a relational graph look like? Nodes on a circle, as in figure 1 of the paper."""

from __future__ import annotations

import numpy as np

from graph2nn.archgraph.pictures.describing import describe
from graph2nn.archgraph.pictures.palette import Style
from graph2nn.archgraph.pictures.picture import Column, Picture
from graph2nn.archgraph.pictures.placing import on_circle
from graph2nn.relational.graphs.graph import RelationalGraph

__all__ = ["relational_picture"]


@describe.register
def relational_picture(graph: RelationalGraph) -> Picture:
    """Describe a graph for `draw`: nodes on a circle, with their degrees (arXiv:2007.06559)."""
    n, degree = graph.num_nodes, graph.adjacency.sum(1)
    target, source = np.nonzero(graph.adjacency if graph.directed else np.tril(graph.adjacency))
    kind = "directed edges" if graph.directed else "edges"
    return Picture(
        title=graph.name or "relational graph",
        subtitle=f"{n} nodes, {graph.num_edges} {kind}, mean degree {degree.mean():.2f}",
        names=[str(k) for k in range(n)],
        looks=np.zeros(n, dtype=np.int64),
        styles=[Style(0, "node", "#2f6bff", "circle")],
        edges=np.stack([source, target]),
        places=on_circle(n, directed=graph.directed),
        columns=[Column(name="degree", values=degree.astype(np.int64), total="")],
    )
