"""Graph networks of PyG: its models, convolutions of every kind, pooling, heterogeneous graphs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from libraries.case import Case, numbers

__all__ = ["GRAPH_NETWORKS"]

NODES, EDGES = 8, 20


def links() -> Tensor:
    """Edges among eight nodes, each node with at least one."""
    generator = torch.Generator().manual_seed(0)
    ring = torch.stack((torch.arange(NODES), (torch.arange(NODES) + 1) % NODES))
    more = torch.randint(NODES, (2, EDGES - NODES), generator=generator)
    return torch.cat((ring, more), 1)


def graph(**more: Any) -> Callable[[], dict[str, Any]]:
    """Features of nodes, edges and what else there is."""

    def input() -> dict[str, Any]:
        return {"x": numbers(NODES, 6), "edge_index": links(), **{k: v() for k, v in more.items()}}

    return input


def batch() -> Tensor:
    """Two graphs of four nodes."""
    return torch.arange(NODES) // 4


def attributes() -> Tensor:
    return numbers(EDGES, 3)


def kinds() -> Tensor:
    return torch.arange(EDGES) % 3


def molecule() -> dict[str, Any]:
    return {"z": torch.arange(1, NODES + 1), "pos": numbers(NODES, 3) * 2, "batch": batch()}


def data() -> Any:
    """One object that holds a graph, which networks often take whole."""
    from torch_geometric.data import Data

    return (Data(x=numbers(NODES, 6), edge_index=links(), batch=batch()),)


def papers() -> tuple[dict[str, Tensor], dict[tuple[str, str, str], Tensor]]:
    """Two kinds of nodes, three kinds of edges."""
    nodes = {"paper": numbers(NODES, 6), "author": numbers(NODES, 6)}
    names = (("paper", "cites", "paper"), ("author", "writes", "paper"))
    edges = {name: links() for name in (*names, ("paper", "has", "author"))}
    return nodes, edges


class Stack(nn.Module):
    """Two convolutions of one kind, pooling, a head: what a user writes."""

    def __init__(self, make: Callable[[int, int], nn.Module], width: int = 16) -> None:
        super().__init__()
        self.first, self.second = make(6, 8), make(width, 8)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor, edge_index: Tensor, *more: Tensor, **named: Tensor) -> Tensor:
        from torch_geometric.nn import global_mean_pool

        x = self.first(x, edge_index, *more, **named).relu()
        x = self.second(x, edge_index, *more, **named).relu()
        return self.head(global_mean_pool(x, torch.arange(len(x)) // 4))


class OnData(nn.Module):
    """Takes a graph as one object and writes its own features into it."""

    def __init__(self) -> None:
        super().__init__()
        from torch_geometric.nn import GATv2Conv, SAGPooling

        self.conv, self.pool = GATv2Conv(6, 8, heads=2), SAGPooling(16)
        self.head = nn.Linear(16, 10)

    def forward(self, data: Any) -> Tensor:
        from torch_geometric.nn import global_max_pool

        data.x = self.conv(data.x, data.edge_index).relu()
        x, _, _, batch, _, _ = self.pool(data.x, data.edge_index, batch=data.batch)
        return self.head(global_max_pool(x, batch, 2))


class Dense(nn.Module):
    """Hierarchical pooling of dense graphs (DiffPool)."""

    def __init__(self) -> None:
        super().__init__()
        from torch_geometric.nn import DenseGCNConv, DenseSAGEConv

        self.assign, self.embed = DenseGCNConv(6, 3), DenseSAGEConv(6, 8)
        self.last, self.head = DenseSAGEConv(8, 8), nn.Linear(8, 10)

    def forward(self, x: Tensor, adj: Tensor) -> Tensor:
        from torch_geometric.nn import dense_diff_pool

        x, adj, link, entropy = dense_diff_pool(self.embed(x, adj), adj, self.assign(x, adj))
        return self.head(self.last(x, adj).mean(1)) + link + entropy


def conv(name: str, width: int = 8, **sizes: Any) -> Callable[[], nn.Module]:
    """Two convolutions `name`."""

    def make() -> nn.Module:
        import torch_geometric.nn as library

        return Stack(lambda a, b: getattr(library, name)(a, b, **sizes), width)

    return make


def over(name: str, inner: Callable[[int, int], Any], **sizes: Any) -> Callable[[], nn.Module]:
    """Two convolutions `name` around a small network each."""

    def make() -> nn.Module:
        import torch_geometric.nn as library

        return Stack(lambda a, b: getattr(library, name)(inner(a, b), **sizes), 8)

    return make


def mlp(a: int, b: int) -> nn.Module:
    return nn.Sequential(nn.Linear(a, 8), nn.ReLU(), nn.Linear(8, b))


def edge_network(a: int, b: int, **sizes: Any) -> nn.Module:
    from torch_geometric.nn import NNConv

    return NNConv(a, b, nn.Linear(3, a * b), **sizes)


def hetero() -> nn.Module:
    from torch_geometric.nn import HGTConv

    nodes, edges = papers()
    return HGTConv(6, 8, (list(nodes), list(edges)), heads=2)


def to_hetero() -> nn.Module:
    from torch_geometric.nn import GraphSAGE
    from torch_geometric.nn import to_hetero as each_kind

    nodes, edges = papers()
    return each_kind(GraphSAGE((-1, -1), 8, 2, 4), (list(nodes), list(edges)))


def lazy_filled(make: Callable[[], nn.Module], input: Callable[[], Any]) -> nn.Module:
    """A network whose sizes come from its first input."""
    model, given = make(), input()
    with torch.no_grad():
        model(*given)
    return model


def model(name: str, *args: Any, **sizes: Any) -> Callable[[], nn.Module]:
    """A model of `torch_geometric.nn`."""

    def make() -> nn.Module:
        import torch_geometric.nn as library

        return getattr(library, name)(*args, **sizes)

    return make


def schnet() -> nn.Module:
    """All atoms are neighbours: finding near ones takes a compiled library."""
    from torch_geometric.nn import SchNet

    def everyone(pos: Tensor, batch: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.combinations(torch.arange(len(pos)), 2).T
        edges = torch.cat((both, both.flip(0)), 1)
        return edges, (pos[edges[0]] - pos[edges[1]]).norm(dim=-1)

    return SchNet(8, 8, 2, 6, interaction_graph=everyone)


def gps() -> nn.Module:
    from torch_geometric.nn import GINConv, GPSConv

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(6, 8)
            self.conv = GPSConv(8, GINConv(mlp(8, 8)), heads=2)
            self.head = nn.Linear(8, 10)

        def forward(self, x: Tensor, edge_index: Tensor, batch: Tensor) -> Tensor:
            return self.head(self.conv(self.inner(x), edge_index, batch))

    return Transformer()


def auto(name: str) -> Callable[[], nn.Module]:
    """An autoencoder of graphs, whose forward pass encodes and decodes."""

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            import torch_geometric.nn as library

            class Encoder(nn.Module):
                def __init__(self) -> None:
                    super().__init__()
                    self.mean, self.std = library.GCNConv(6, 4), library.GCNConv(6, 4)

                def forward(self, x: Tensor, edge_index: Tensor) -> Any:
                    mean = self.mean(x, edge_index)
                    return (mean, self.std(x, edge_index)) if name == "VGAE" else mean

            self.auto = getattr(library, name)(Encoder())

        def forward(self, x: Tensor, edge_index: Tensor) -> Tensor:
            return self.auto.decode(self.auto.encode(x, edge_index), edge_index)

    return Whole


def case(name: str, make: Callable[[], nn.Module], input: Callable[[], Any]) -> Case:
    return Case("torch_geometric", name, make, input)


GRAPH_NETWORKS: list[Case] = [
    *(
        case(name.lower(), model(name, 6, 8, 2, 10), graph())
        for name in ("GCN", "GraphSAGE", "GIN", "GAT", "EdgeCNN")
    ),
    case("pna", model("PNA", 6, 8, 2, 10, aggregators=["mean", "max", "std"],
         scalers=["identity", "amplification"], deg=torch.tensor([0, 3, 5])), graph()),
    case("jumping", model("GCN", 6, 8, 3, 10, jk="lstm"), graph()),
    case("unet", model("GraphUNet", 6, 8, 10, depth=2), graph()),
    case("attentive", model("AttentiveFP", 6, 8, 10, edge_dim=3, num_layers=2, num_timesteps=2),
         graph(edge_attr=attributes, batch=batch)),
    case("lightgcn", model("LightGCN", NODES, 8, 2), lambda: {"edge_index": links()}),
    case("linkx", model("LINKX", NODES, 6, 8, 10, 2), graph()),
    case("pmlp", model("PMLP", 6, 8, 10, 3), graph()),
    case("neural-fingerprint", model("NeuralFingerprint", 6, 8, 10, 2), graph(batch=batch)),
    case("rect", model("RECT_L", 6, 8), graph()),
    case("sgformer", model("SGFormer", 6, 8, 10), graph(batch=batch)),
    case("polynormer", model("Polynormer", 6, 8, 10, local_layers=1, global_layers=1),
         graph(batch=batch)),
    case("signed", model("SignedGCN", 6, 8, 2), lambda: (numbers(NODES, 6), links(), links())),
    case("schnet", schnet, molecule),
    case("chebyshev", conv("ChebConv", K=3), graph()),
    case("relational", conv("RGCNConv", num_relations=3), graph(edge_type=kinds)),
    case("relational-bases", conv("RGCNConv", num_relations=3, num_bases=2),
         graph(edge_type=kinds)),
    case("relational-attention", conv("RGATConv", num_relations=3), graph(edge_type=kinds)),
    case("transformer", conv("TransformerConv", 16, heads=2, edge_dim=3),
         graph(edge_attr=attributes)),
    case("gatv2", conv("GATv2Conv", 16, heads=2, edge_dim=3), graph(edge_attr=attributes)),
    case("film", conv("FiLMConv"), graph()),
    case("spline-free-gmm", conv("GMMConv", dim=3, kernel_size=2), graph(edge_attr=attributes)),
    case("supergat", conv("SuperGATConv", 16, heads=2), graph()),
    case("arma", conv("ARMAConv", num_stacks=2, num_layers=2), graph()),
    case("tag", conv("TAGConv"), graph()),
    case("gated", conv("ResGatedGraphConv"), graph()),
    case("crystal", conv("FeaStConv", heads=2), graph()),
    case("hypergraph", conv("HypergraphConv"), graph()),
    case("isomorphism-edges", lambda: Stack(lambda a, b: model(
        "GINEConv", mlp(a, b), edge_dim=3)(), 8), graph(edge_attr=attributes)),
    case("edge-network", lambda: Stack(edge_network, 8), graph(edge_attr=attributes)),
    case("dynamic-edges", over("EdgeConv", lambda a, b: mlp(2 * a, b)), graph()),
    case("gps", gps, graph(batch=batch)),
    case("gae", auto("GAE"), graph()),
    case("vgae", auto("VGAE"), graph()),
    case("data", OnData, data),
    case("diffpool", Dense, lambda: (numbers(2, 4, 6), numbers(2, 4, 4))),
    case("hgt", hetero, papers),
    case("to-hetero", partial(lazy_filled, to_hetero, papers), papers),
]  # fmt: skip
