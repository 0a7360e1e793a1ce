"""`encode`: counts of the published networks, skips, state, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graph2nn.sparsity.graphs.edges import edge_list
from graph2nn.sparsity.graphs.encodings.encode import encode
from graph2nn.sparsity.graphs.metrics.counting import count_edges
from graph2nn.sparsity.graphs.multipartite import MultipartiteGraph
from graph2nn.sparsity.masks import Masks
from graph2nn.sparsity.networks.models import build, init_weights

PADDING = 3 * (34 * 34 - 32 * 32)  # nodes that only the published code has
NODES = {"CONV-6": 233_366, "Resnet-20": 191_894, "Resnet-32": 306_582, "Wide-Resnet-28-2": 478_614}
SKIPS = {"CONV-6": 0, "Resnet-20": 7, "Resnet-32": 13, "Wide-Resnet-28-2": 9}


@pytest.mark.parametrize("name", NODES)
def test_counts_of_the_published_networks(name: str) -> None:
    model = build(name)
    graph = encode(model, None, "unrolled", (3, 32, 32))
    assert graph.num_nodes == NODES[name] - PADDING
    assert graph.layers[0].shape == (3, 32, 32)
    skips = [block for block in graph.blocks if block.name.endswith("skip")]
    assert len(skips) == SKIPS[name]
    assert (graph.outputs, graph.layers[-1].shape) == ((len(graph.layers) - 1,), (10, 1, 1))
    plain = encode(model, None, "unrolled", (3, 32, 32), identity_skips=False)
    assert len(plain.blocks) == len(graph.blocks) - len(skips)
    assert count_edges(graph) - count_edges(plain) == sum(b.target.size for b in skips)


def test_edges_per_weight_of_resnet_20() -> None:
    """A 3x3 kernel misses the border in 3H - 2 of 3H reads with stride 1, 3H - 1 with stride 2."""
    plain = encode(build("Resnet-20"), None, "unrolled", (3, 32, 32), identity_skips=False)
    maps = {16: 32, 32: 16, 64: 8}
    expected = 0
    for block in plain.blocks:
        out, own, *taps = block.weight.shape
        if taps == [3, 3]:
            reads = 3 * maps[out] - (1 if block.stride == (2, 2) else 2)
            expected += out * own * reads**2
        else:
            expected += out * own * (maps[out] ** 2 if block.target.shape[1] > 1 else 64)
    assert count_edges(plain) == expected == 37_259_968


class Block(nn.Module):
    """A residual block with normalisation and dropout, which differ between modes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 2, 3, padding=1)
        self.head = nn.Linear(2, 3)
        self.unused = nn.Linear(5, 5)
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        out = self.conv2(F.dropout(self.norm(self.conv1(x)).relu(), training=self.training))
        return self.head((out + x).mean((2, 3)))


def same(first: MultipartiteGraph, second: MultipartiteGraph) -> bool:
    columns = [edge_list(graph) for graph in (first, second)]
    return all(
        np.array_equal(getattr(columns[0], c), getattr(columns[1], c))
        for c in ("source", "target", "weight")
    )


@pytest.mark.parametrize("training", [True, False])
def test_the_model_is_left_as_it_was(training: bool) -> None:
    model = Block().train(training)
    model.norm.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    graph = encode(model, Masks.dense(model), "unrolled", (2, 4, 4))
    assert (model.training, model.norm.training, model.calls) == (training, False, 0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert [layer.name for layer in graph.layers] == ["input", "conv1", "conv2", "head"]


def test_masks_or_zeros_of_the_weights() -> None:
    model = build("Resnet-20", image_size=8)
    init_weights(model, 0)
    masks = Masks({n: torch.rand(m.shape) < 0.1 for n, m in Masks.dense(model).items()})
    masked = encode(model, masks, "unrolled", (3, 8, 8))
    masks.apply_(model)
    assert same(masked, encode(model, None, "unrolled", (3, 8, 8)))
    weights = {b.name: b.weight for b in masked.blocks}
    assert torch.equal(weights["conv1.weight"], model.conv1.weight.detach().abs())


def test_rolled_encodings_come_by_layer() -> None:
    model = build("Resnet-20", image_size=8)
    for encoding in ("rolled", "rolled-channel"):
        graphs = encode(model, None, encoding)
        assert len(graphs) == 22
    assert encode(model, None, "unrolled", (3, 8, 8), compat=True).compat


def test_a_skip_is_left_out_but_weights_never_are() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = (nn.Conv2d(2, 2, 1) for _ in range(3))
            self.fc = nn.Linear(18, 2)

        def forward(self, x: Tensor) -> Tensor:
            first = self.a(x)
            x = first + self.b(x) + self.fc(x.flatten(1))[:, :, None, None]
            return x + self.c(x)

    graph = encode(Net(), None, "unrolled", (2, 3, 3), identity_skips=False)
    weights = {b.name for b in graph.blocks if b.name.endswith("weight")}
    assert weights == {"a.weight", "b.weight", "c.weight", "fc.weight"}
    read = {int(n) for block in graph.blocks for n in np.unique(block.source)}
    ends = set(range(graph.layers[-1].start, graph.num_nodes))
    assert set(range(graph.num_nodes)) - read == ends
    assert not any(block.name.endswith("skip") for block in graph.blocks)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem, self.inner = nn.Conv2d(2, 4, 1), Product()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(self.stem(x).flatten(2))


class Product(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.bmm(x, x.transpose(1, 2))


class Unused(nn.Module):
    """Weights that no output depends on, and an operation that could not be unrolled if it did."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.other = nn.Conv2d(2, 4, 1), Attention()

    def forward(self, x: Tensor) -> Tensor:
        self.other(x)
        return self.stem(x)


class Aside(Unused):
    def forward(self, x: Tensor) -> Tensor:
        self.other(x)
        return x * 2


def test_what_no_output_reads_is_left_out() -> None:
    graph = encode(Unused(), None, "unrolled", (2, 3, 3))
    assert [layer.name for layer in graph.layers] == ["input", "stem"]


class Permuted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 1)
        self.register_buffer("order", torch.tensor([1, 0, 3, 2]))

    def forward(self, x: Tensor) -> Tensor:
        return self.stem(x)[:, self.order]


def normalised() -> nn.Module:
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 2)))


SMALL = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2))


@pytest.mark.parametrize(
    "model, masks, encoding, shape, message",
    [
        (SMALL, None, "spiral", (3, 4, 4), "unknown encoding 'spiral'; choose one of rolled"),
        (SMALL, None, "unrolled", None, r"pass input_shape=\(C, H, W\)"),
        (SMALL, None, "unrolled", (3, 5, 5), r"\(3, 5, 5\) does not fit .*0.weight has the shape"),
        (SMALL, None, "unrolled", (1, 4, 4), r"\(1, 4, 4\) does not fit Sequential.*module '0'"),
        (SMALL, None, "unrolled", (3, 0, 4), r"expected \(channels, height, width\), got"),
        (SMALL, None, "unrolled", 5, r"expected \(channels, height, width\), got 5"),
        (SMALL, [torch.ones(4, 3, 3, 3)], "rolled", None, r"dict\(zip\(prunable\(model\), masks"),
        (SMALL, None, "unrolled", (3, 4.0, 4), "expected .channels, height, width., got"),
        (SMALL, {"0.weight": torch.ones(4, 3, 3, 3)}, "unrolled", (3, 4, 4), "no mask for 2.wei"),
        (SMALL, Masks.dense(Block()), "unrolled", (3, 4, 4), "the masks do not fit the network"),
        (nn.ReLU(), None, "unrolled", (3, 4, 4), "ReLU has no convolution or linear weights"),
        (nn.ReLU(), None, "rolled", None, "ReLU has no convolution or linear weights"),
        (Aside(), None, "unrolled", (2, 4, 4), "weights between its input and its output"),
        (nn.Linear(2, 2, device="meta"), None, "unrolled", (2,), "meta device"),
        (nn.Conv3d(1, 2, 1), None, "unrolled", (1, 4, 4), "'conv3d' in the top module.*3-d"),
        (Attention(), None, "unrolled", (2, 4, 4), "'bmm' in module 'inner' of Attention"),
        (Permuted(), None, "unrolled", (2, 4, 4), "'getitem'.*positions chosen by a tensor"),
        (normalised(), None, "unrolled", (4,), "remove the parametrization"),
    ],
)
def test_bad_input(model, masks, encoding, shape, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode(model, masks, encoding, shape)


def test_published_form_differs_by_the_padding_of_the_first_layer_only() -> None:
    """In a network without strides and skips, that is."""
    model = build("CONV-6", image_size=8)
    init_weights(model, 0)
    generator = torch.Generator().manual_seed(0)
    draw = {
        n: torch.rand(m.shape, generator=generator) < 0.01 for n, m in Masks.dense(model).items()
    }
    correct = edge_list(encode(model, Masks(draw), "unrolled", (3, 8, 8)))
    published = edge_list(encode(model, Masks(draw), "unrolled", (3, 8, 8), compat=True))
    inside = np.full((3, 10, 10), -1)
    inside[:, 1:-1, 1:-1] = np.arange(3 * 8 * 8).reshape(3, 8, 8)
    last = int(published.target.max()) + 1
    number = np.concatenate([inside.reshape(-1), np.arange(3 * 8 * 8, last - inside.size + 192)])
    pairs = np.stack([number[published.source], number[published.target]])
    pairs = pairs[:, pairs[0] >= 0]
    expected = np.stack([correct.source, correct.target])
    assert np.array_equal(*(p[:, np.lexsort(p)] for p in (pairs, expected)))
