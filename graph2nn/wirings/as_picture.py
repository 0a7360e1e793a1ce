"""What does a wiring look like? Blocks of channels in columns, edges as wide as their weights."""

from __future__ import annotations

import numpy as np

from graph2nn.archgraph.pictures.describing import describe
from graph2nn.archgraph.pictures.palette import Style
from graph2nn.archgraph.pictures.picture import Column, Picture
from graph2nn.archgraph.pictures.placing import in_columns, strongest
from graph2nn.wirings.graphs.graph import ROLES, WiringGraph

__all__ = ["wiring_picture"]

_MOST = 20_000  # edges, as of multipartite graphs
_COLOURS = ("#8c1515", "#2f6bff", "#1a9850")


@describe.register
def wiring_picture(graph: WiringGraph) -> Picture:
    """Describe a wiring for `draw`: a column a block of channels, strength as width.

    Of more than 20 000 edges the strongest are drawn; the title's numbers are those of all.
    """
    order = np.argsort(graph.block, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    sizes = np.bincount(graph.block)
    strength = np.abs(graph.weight).astype(np.float64)
    chosen, note = strongest(strength, _MOST)
    source, target = place[graph.source[chosen]], place[graph.target[chosen]]
    n = graph.num_nodes
    return Picture(
        title=graph.name or "wiring",
        subtitle=f"{n:,} channels, {graph.num_edges:,} edges",
        note=note,
        names=[str(k) for k in order.tolist()],
        looks=graph.role[order].astype(np.int64),
        styles=[Style(k, name, _COLOURS[k], "circle") for k, name in enumerate(ROLES)],
        edges=np.stack([source, target]),
        weight=strength[chosen] / max(strength.max(initial=0.0), 1e-12),
        places=in_columns(
            sizes.tolist(), [f"block {k}\n{size}" for k, size in enumerate(sizes.tolist())]
        ),
        columns=[
            Column(name="edges in", values=np.bincount(graph.target, minlength=n)[order], total=""),
            Column(
                name="edges out", values=np.bincount(graph.source, minlength=n)[order], total=""
            ),
        ],
    )
