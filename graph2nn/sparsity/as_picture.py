"""What does a multipartite graph look like? Layers in columns, edges as wide as their weights."""

from __future__ import annotations

import numpy as np

from graph2nn.archgraph.pictures.describing import describe
from graph2nn.archgraph.pictures.palette import Style
from graph2nn.archgraph.pictures.picture import Column, Picture
from graph2nn.archgraph.pictures.placing import in_columns, strongest
from graph2nn.sparsity.graphs.drawing import KINDS, MAX_EDGES, layer_caption, node_kinds
from graph2nn.sparsity.graphs.edges import edge_list
from graph2nn.sparsity.graphs.metrics.counting import degrees, strengths
from graph2nn.sparsity.graphs.multipartite import MultipartiteGraph

__all__ = ["multipartite_picture"]


@describe.register
def multipartite_picture(graph: MultipartiteGraph) -> Picture:
    """Describe a multipartite graph for `draw`: a column a layer, strength as width.

    An edge is as wide as its weight beside the largest of its layer. Kinds of nodes are those of
    `draw_multipartite`. Of more than 20 000 edges the strongest are drawn.
    """
    edges, ends, strong = edge_list(graph), degrees(graph), strengths(graph)
    layer = np.repeat(np.arange(len(graph.layers)), graph.dims)[edges.target]
    largest = np.zeros(len(graph.layers))
    np.maximum.at(largest, layer, edges.weight)
    share = edges.weight / np.maximum(largest[layer], 1e-12)
    chosen, note = strongest(share, MAX_EDGES)
    kinds = node_kinds(graph)
    looks = np.zeros(graph.num_nodes, dtype=np.int64)
    for number, nodes in enumerate(kinds.values()):
        looks[nodes] = number
    numbers = {
        "edges in": ends.incoming,
        "edges out": ends.outgoing,
        "strength in": strong.incoming,
        "strength out": strong.outgoing,
    }
    return Picture(
        title=graph.name or "sparse network",
        subtitle=f"{graph.num_nodes:,} nodes, {len(edges):,} edges, {graph.encoding}",
        note=note,
        names=[f"{part.name or 'input'} {k}" for part in graph.layers for k in range(part.size)],
        looks=looks,
        styles=[Style(k, name, KINDS[name], "circle") for k, name in enumerate(kinds)],
        edges=np.stack([edges.source[chosen], edges.target[chosen]]).astype(np.int64),
        weight=share[chosen],
        places=in_columns(graph.dims, [layer_caption(part) for part in graph.layers]),
        columns=[
            Column(name=name, values=np.asarray(values), total="")
            for name, values in numbers.items()
        ],
    )
