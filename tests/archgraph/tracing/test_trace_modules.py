"""`trace` on small modules, one for every feature that has broken a tracer."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import pytest
import torch
from libraries.untouched import untouched
from torch import Tensor, nn

from graph2nn.archgraph import PRIMITIVES, coverage, replay, trace
from graph2nn.archgraph.tracing.caller.finding import tensors_in


def edges_by_op(graph) -> set[tuple[str, str]]:
    names = graph.op_names()
    return {(names[u], names[v]) for u, v in graph.edges.T.tolist()}


def edges_by_param(graph) -> set[tuple[str, str]]:
    label = [p[0] if p else op for p, op in zip(graph.params, graph.op_names())]
    return {(label[u], label[v]) for u, v in graph.edges.T.tolist()}


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.body = nn.Sequential(inner, nn.Sequential(nn.Conv2d(4, 4, 1, bias=False)))
        self.head = nn.Linear(4, 5)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, 6)
        self.b = nn.Linear(6, 6)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(torch.relu(self.a(x)))


class Reused(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(6, 6)

    def forward(self, x):
        return self.a(torch.relu(self.a(x)))


@dataclass
class Answer:
    logits: Tensor
    extra: Tensor


class Branches(nn.Module):
    def __init__(self, kind):
        super().__init__()
        self.a, self.b, self.kind = nn.Linear(6, 2), nn.Linear(6, 3), kind

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        return {"tuple": (a, b), "list": [a, b], "dict": {"a": a, "b": b}, "data": Answer(a, b)}[
            self.kind
        ]


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 5), nn.Linear(3, 5)

    def forward(self, x, y):
        return self.a(x) + self.b(y)


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x):
        h = self.a(x)
        h += self.b(h)
        return self.c(h.relu_())


class WritesIntoViews(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 3), nn.Linear(6, 3), nn.Linear(6, 2)

    def forward(self, x):
        out = torch.zeros(x.shape[0], 6, device=x.device)
        out[:, :3] = self.a(x)
        out[:, 3:].add_(self.b(x))
        return self.c(out)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.lstm = nn.LSTM(8, 6, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = nn.GRU(12, 5, batch_first=True)
        self.head = nn.Linear(5, 11)

    def forward(self, tokens):
        h, _ = self.lstm(self.embed(tokens))
        h, _ = self.gru(h)
        return self.head(h[:, -1])


class TokenNet(nn.Module):
    """Class token, position table, layer scale, attention."""

    def __init__(self, need_weights=False):
        super().__init__()
        self.cls = nn.Parameter(torch.zeros(1, 1, 8))
        self.pos = nn.Parameter(torch.zeros(1, 5, 8))
        self.norm = nn.LayerNorm(8)
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.scale = nn.Parameter(torch.ones(8))
        self.head = nn.Linear(8, 3)
        self.need_weights = need_weights

    def forward(self, x):
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.pos
        y = self.norm(x)
        x = x + self.scale * self.attn(y, y, y, need_weights=self.need_weights)[0]
        return self.head(x[:, 0])


class BiasTable(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.proj = nn.Linear(8, 24), nn.Linear(8, 8)
        self.table = nn.Parameter(torch.zeros(7, 2))
        self.register_buffer("index", torch.arange(16).reshape(4, 4) % 7)

    def forward(self, x):
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, 2, 4).permute(2, 0, 3, 1, 4)
        bias = self.table[self.index.reshape(-1)].reshape(n, n, 2).permute(2, 0, 1)
        a = (q @ k.transpose(-2, -1) + bias).softmax(-1)
        return self.proj((a @ v).transpose(1, 2).reshape(b, n, d))


class SqueezeExcite(nn.Module):
    """The gate of DeepNets-1M: Linear, ReLU, Linear, Hardswish, view, product."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc1, self.fc2 = nn.Linear(8, 4), nn.Linear(4, 8)
        self.gate = nn.Hardswish()
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.conv(x)
        b, c = x.shape[:2]
        y = self.fc2(torch.relu(self.fc1(x.reshape(b, c, -1).mean(dim=2))))
        x = x * self.gate(y).view(b, c, 1, 1)
        return self.head(x.mean((2, 3)))


def images(side=8):
    return torch.zeros(2, 3, side, side)


CASES = {
    "nested": (Nested(), images()),
    "tied": (Tied(), torch.zeros(2, 6)),
    "reused": (Reused(), torch.zeros(2, 6)),
    "branches": (Branches("dict"), torch.zeros(2, 6)),
    "two_inputs": (TwoInputs(), (torch.zeros(2, 4), torch.zeros(2, 3))),
    "in_place": (InPlace(), torch.zeros(2, 6)),
    "setitem": (WritesIntoViews(), torch.zeros(2, 6)),
    "recurrent": (Recurrent(), torch.zeros(2, 7, dtype=torch.long)),
    "tokens": (TokenNet(), torch.zeros(2, 4, 8)),
    "tokens_weights": (TokenNet(True), torch.zeros(2, 4, 8)),
    "bias_table": (BiasTable(), torch.zeros(2, 4, 8)),
    "squeeze_excite": (SqueezeExcite(), images()),
    "weight_norm": (
        nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), nn.Linear(3, 2)),
        torch.zeros(2, 4),
    ),
    "spectral_norm": (
        nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)), nn.Linear(3, 2)),
        torch.zeros(2, 4),
    ),
    "conv1d": (
        nn.Sequential(nn.Conv1d(3, 4, 3), nn.BatchNorm1d(4), nn.PReLU(4)),
        (torch.zeros(2, 3, 9),),
    ),
    "conv3d": (
        nn.Sequential(nn.Conv3d(3, 4, 3), nn.MaxPool3d(2), nn.GroupNorm(2, 4)),
        torch.zeros(2, 3, 8, 8, 8),
    ),
    "transposed": (
        nn.Sequential(nn.ConvTranspose2d(3, 4, 2, 2), nn.InstanceNorm2d(4, affine=True)),
        images(),
    ),
    "bilinear": (nn.Bilinear(3, 4, 5), (torch.zeros(2, 3), torch.zeros(2, 4))),
}


@pytest.mark.parametrize("view", ["full", "primitives"])
@pytest.mark.parametrize("name", CASES)
def test_every_parameter_has_a_node_that_reaches_the_output(name, view):
    model, input = CASES[name]
    graph = trace(model, input, view=view)
    report = coverage(graph, model)
    assert report.complete, str(report)
    assert report.reaching_output == report.total, str(report)
    carried = [n for names in graph.params for n in names]
    assert len(carried) == len(set(carried)), "a parameter is carried once"
    assert graph.note == ""
    if view == "primitives":
        assert graph.ops == PRIMITIVES


@pytest.mark.parametrize("view", ["ghn2", "ghn3"])
@pytest.mark.parametrize("name", CASES)
def test_published_views_read_every_module(name, view):
    model, input = CASES[name]
    graph = trace(model, input, view=view)
    assert graph.op_names()[0] == "input"
    assert set(graph.param_shapes) <= {n for n, _ in model.named_parameters()}


@pytest.mark.parametrize("view", ["full", "ghn3"])
@pytest.mark.parametrize("name", CASES)
def test_nothing_of_any_module_changes(name, view):
    model, input = CASES[name]
    with untouched(model, input):
        trace(model, input, view=view)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", CASES)
def test_recorded_calls_compute_the_same(name, training, no_fused_attention):
    model, input = CASES[name]
    filled = tuple(torch.rand(t.shape) if t.is_floating_point() else t for t in call(input))
    model.train(training)
    graph = trace(model, filled, calls=True, training=training)
    with untouched(model), torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        found = replay(graph, model, filled)
    torch.manual_seed(1)
    with torch.no_grad():
        wanted = copy.deepcopy(model)(*filled)
    pairs = list(zip(tensors_in(found), tensors_in(wanted), strict=True))
    assert pairs and all(torch.equal(a, b) for a, b in pairs)


def call(input):
    return input if isinstance(input, tuple) else (input,)


def test_nested_module_names_and_edges():
    model, input = CASES["nested"]
    graph = trace(model, input, view="ghn2")
    assert [p for p in graph.params if p] == [
        ("body.0.0.weight",),
        ("body.0.0.bias",),
        ("body.0.1.weight", "body.0.1.bias"),
        ("body.1.0.weight",),
        ("head.weight",),
        ("head.bias",),
    ]
    assert graph.num_edges == 6
    assert trace(model, input, view="ghn3").op_names()[-3:] == ["glob_avg", "conv", "bias"]


def test_full_view_names_operations_and_shapes():
    model, input = CASES["nested"]
    graph = trace(model, input)
    assert graph.op_names() == (
        ["input", "conv2d", "bias", "batch_norm", "relu", "conv2d", "mean", "linear", "bias"]
    )
    assert graph.shape[1].tolist() == [4, 3, 3, 3]
    assert graph.num_classes == 5


def test_tied_weight_is_carried_by_its_first_use():
    model, input = CASES["tied"]
    graph = trace(model, input, view="primitives")
    assert graph.op_names() == ["input", "conv", "bias", "conv", "bias"]
    assert graph.params[1:] == (("a.weight",), ("a.bias",), (), ("b.bias",))
    assert graph.shape[3].tolist() == [6, 6, 1, 1]


def test_reused_module_has_two_nodes():
    graph = trace(*CASES["reused"], view="primitives")
    assert graph.num_nodes == 5 and graph.params[3:] == ((), ())


@pytest.mark.parametrize("kind", ["tuple", "list", "dict", "data"])
def test_several_outputs(kind):
    model = Branches(kind)
    graph = trace(model, torch.zeros(2, 6), view="primitives")
    assert len(graph.outputs) == 2
    assert set(graph.param_shapes) == {"a.weight", "a.bias", "b.weight", "b.bias"}
    assert set(trace(model, torch.zeros(2, 6), view="ghn2").param_shapes) == {"a.weight", "a.bias"}


def test_inputs_by_name_and_by_position():
    model, (x, y) = CASES["two_inputs"]
    a = trace(model, (x, y), view="primitives")
    b = trace(model, {"x": x, "y": y}, view="primitives")
    assert a.op_names() == b.op_names() == ["input", "conv", "bias", "conv", "bias", "sum"]
    assert trace(model, (x, y)).op_names().count("input") == 2


def test_in_place_operations_lead_on():
    edges = edges_by_param(trace(*CASES["in_place"], view="primitives"))
    want = {("a.bias", "b.weight"), ("a.bias", "sum"), ("b.bias", "sum"), ("sum", "c.weight")}
    assert want <= edges


def test_writing_into_a_view_reaches_its_base():
    edges = edges_by_param(trace(*CASES["setitem"], view="ghn2"))
    targets = {u for u, v in edges if v in ("c.weight", "sum")}
    assert {"a.bias", "b.bias"} <= targets


def test_attention_projections_and_tables():
    graph = trace(*CASES["tokens"], view="primitives")
    edges = edges_by_param(graph)
    assert ("attn.in_proj_bias", "msa") in edges and ("msa", "attn.out_proj.weight") in edges
    ops = dict(zip([p[0] if p else "" for p in graph.params], graph.op_names()))
    assert ops["cls"] == ops["pos"] == "pos_enc" and ops["scale"] == "ln"
    assert ops["attn.in_proj_weight"] == "conv" and ops["attn.in_proj_bias"] == "bias"


def test_explicit_softmax_is_attention():
    graph = trace(*CASES["bias_table"], view="ghn3")
    assert graph.op_names() == ["input", "conv", "bias", "msa", "conv", "bias"]
    assert graph.num_edges == 5
    assert "table" not in graph.param_shapes
    every = trace(*CASES["bias_table"], view="primitives")
    assert every.op_names().count("pos_enc") == 1


def test_squeeze_excitation_of_deepnets_is_cse():
    graph = trace(*CASES["squeeze_excite"], view="ghn2")
    edges = edges_by_op(graph)
    assert graph.op_names().count("cse") == 1
    assert ("bias", "cse") in edges and ("cse", "conv") in edges
    assert graph.op_names().count("glob_avg") == 0  # neither mean keeps its axes


def test_computed_weights_stand_where_they_are_used():
    graph = trace(*CASES["weight_norm"], view="primitives")
    assert graph.op_names() == ["input", "ln", "conv", "bias", "conv", "bias"] or (
        graph.op_names() == ["input", "conv", "ln", "bias", "conv", "bias"]
    )
    assert graph.num_edges == 5


def test_frozen_parameters_are_seen():
    model = Nested()
    expected = trace(model, images(), view="ghn2")
    model.requires_grad_(False)
    frozen = trace(model, images(), view="ghn2")
    assert frozen.params == expected.params
    assert frozen.edges.tolist() == expected.edges.tolist()


def test_same_source_twice_makes_no_sum():
    class Doubles(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(4, 4), nn.Linear(8, 2)

        def forward(self, x):
            h = self.a(x)
            return self.b(torch.cat([h + h, h], 1))

    graph = trace(Doubles(), torch.zeros(2, 4), view="ghn2")
    assert graph.op_names() == ["input", "conv", "bias", "conv", "bias"]


def test_attention_repair_makes_no_cycle():
    class Loops(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2)

        def forward(self, x):
            h = self.a(x).softmax(-1)
            return self.c(self.b(h) + h)

    graph = trace(Loops(), torch.zeros(2, 4), view="ghn3")
    assert graph.op_names().count("msa") == 1 and "c.weight" in graph.param_shapes


def test_softmaxes_that_wait_for_each_other_make_no_cycle():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c, self.d = (nn.Linear(4, 4) for _ in range(4))
            self.last = nn.Linear(4, 2)

        def forward(self, x):
            one, other = self.a(x).softmax(-1), self.b(x).softmax(-1)
            return self.last(one * self.c(other) + other * self.d(one))

    for view in ("ghn3", "primitives"):
        graph = trace(Both(), torch.zeros(2, 3, 4), view=view)
        assert graph.op_names().count("msa") == 2
        assert coverage(graph, Both()).reaching_output == 10


def test_matrices_that_are_reshaped_or_applied_to_constants_first():
    class Relative(nn.Module):
        def __init__(self):
            super().__init__()
            self.query = nn.Parameter(torch.zeros(2, 3, 4))
            self.key = nn.Parameter(torch.zeros(6, 2, 4))
            self.register_buffer("places", torch.zeros(5, 6))

        def forward(self, x):
            q = torch.einsum("abci,io->abco", x, self.query.reshape(6, 4)).unsqueeze(-2)
            k = torch.einsum("lh,hnd->lnd", self.places, self.key)
            return torch.einsum("abcnd,lnd->abcl", q.expand(-1, -1, -1, 2, -1), k)

    graph = trace(Relative(), torch.zeros(1, 2, 3, 6), view="primitives")
    shapes = {name: tuple(graph.shape[node]) for node, name, _ in graph.parameters()}
    assert shapes == {"query": (4, 3, 1, 1), "key": (8, 6, 1, 1)}
