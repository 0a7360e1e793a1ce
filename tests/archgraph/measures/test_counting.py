"""Multiply-adds, by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from graph2nn.archgraph import measured, multiply_adds


class Function(nn.Module):
    """Module of a function, with parameters of given shapes."""

    def __init__(self, function: Callable, *shapes: tuple[int, ...]) -> None:
        super().__init__()
        self.function = function
        self.weights = nn.ParameterList(torch.rand(shape) for shape in shapes)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(*inputs, *self.weights)


def zeros(*shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    return tuple(torch.zeros(shape) for shape in shapes)


def attend(**kwargs) -> Callable:
    return lambda q, k, v: F.scaled_dot_product_attention(q, k, v, **kwargs)


def encoder(layers: int, **kwargs) -> nn.Module:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, **kwargs)
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


class Tied(nn.Module):
    """Tokens in and out through one table."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 8)
        self.head = nn.Linear(8, 50, bias=False)
        self.head.weight = self.table.weight

    def forward(self, tokens: Tensor) -> Tensor:
        return self.head(self.table(tokens))


MLP = nn.Sequential(nn.Flatten(), nn.Linear(48, 20), nn.ReLU(), nn.Linear(20, 10))
TOKENS = torch.zeros((2, 7), dtype=torch.long)
ENCODED = 3 * 10 * (4 * 32 * 32 + 2 * 32 * 64) + 3 * 2 * 10 * 10 * 32  # of one layer
EXPERTS = Function(lambda x, w: torch.einsum("bi,eio->beo", x, w), (4, 6, 5))
SQUEEZE = nn.Sequential(
    nn.Conv2d(3, 8, 3, stride=2, padding=1),  # 8 x 8
    nn.BatchNorm2d(8),
    nn.SiLU(),
    nn.Conv2d(8, 8, 3, padding=1, groups=8),
    nn.AdaptiveAvgPool2d(1),
    nn.Conv2d(8, 2, 1),
    nn.Flatten(),
)

NETWORKS: dict[str, tuple[nn.Module, tuple[Tensor, ...], int]] = {
    "perceptron": (MLP, zeros((2, 3, 4, 4)), 2 * (48 * 20 + 20 * 10)),
    "convolutions": (SQUEEZE, zeros((1, 3, 16, 16)), 64 * (8 * 27 + 8 * 9) + 8 * 2),
    "1-d convolution": (nn.Conv1d(3, 4, 5, dilation=2), zeros((2, 3, 20)), 2 * 12 * 4 * 3 * 5),
    "3-d convolution": (nn.Conv3d(2, 4, (1, 2, 3)), zeros((1, 2, 4, 4, 4)), 4 * 3 * 2 * 4 * 2 * 6),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, 2, groups=2), zeros((2, 4, 5, 5)), 2 * 25 * 4 * 27),
    "bilinear": (nn.Bilinear(3, 4, 5), zeros((2, 3), (2, 4)), 2 * 5 * 3 * (4 + 1)),
    "encoder": (encoder(1), zeros((3, 10, 32)), ENCODED),
    "encoder, norm first": (encoder(2, norm_first=True), zeros((3, 10, 32)), 2 * ENCODED),
    "decoder layer": (
        nn.TransformerDecoderLayer(32, 4, 64, batch_first=True),
        zeros((3, 10, 32), (3, 6, 32)),
        ENCODED + 3 * (2 * 10 * 32**2 + 2 * 6 * 32**2) + 3 * 2 * 10 * 6 * 32,
    ),
    "attention, own keys": (
        nn.MultiheadAttention(8, 2, kdim=5, vdim=3, add_bias_kv=True, add_zero_attn=True),
        zeros((4, 2, 8), (6, 2, 5), (6, 2, 3)),
        2 * (4 * 64 * 2 + 6 * 8 * (5 + 3)) + 2 * 2 * 4 * (6 + 2) * 8,
    ),
    "causal": (
        Function(attend(is_causal=True)),
        zeros((2, 3, 10, 4), (2, 3, 10, 4), (2, 3, 10, 6)),
        2 * 3 * 10 * 10 * (4 + 6),
    ),
    "grouped queries": (
        Function(attend(enable_gqa=True)),
        zeros((2, 4, 10, 8), (2, 2, 12, 8), (2, 2, 12, 8)),
        2 * 4 * 10 * 12 * 16,
    ),
    "attention by hand": (
        Function(lambda x: (x @ x.mT).softmax(-1) @ x),
        zeros((5, 7, 8)),
        2 * 5 * 7 * 7 * 8,
    ),
    "tied": (Tied(), (TOKENS,), 14 * 8 * 50),
    "lstm": (
        nn.LSTM(6, 8, 2, bidirectional=True, proj_size=3, batch_first=True),
        zeros((2, 5, 6)),
        10 * 2 * ((32 * 6 + 32 * 3 + 3 * 8) + (32 * 6 + 32 * 3 + 3 * 8)),
    ),
    "gru": (nn.GRU(6, 8), zeros((5, 2, 6)), 10 * 24 * (6 + 8)),
    "cell": (nn.LSTMCell(6, 8), zeros((2, 6)), 2 * 32 * (6 + 8)),
    "experts": (EXPERTS, zeros((3, 6)), 3 * 4 * 6 * 5),
    "reflected": (Function(lambda x, w: w.__rmatmul__(x), (6, 5)), zeros((3, 6)), 3 * 6 * 5),
    "products": (
        Function(
            lambda x, w, v: torch.addmm(x, x, w).mv(v).dot(torch.chain_matmul(x, w, w).sum(1)),
            (6, 6),
            (6,),
        ),
        zeros((3, 6)),
        3 * 36 + 3 * 6 + 3 + 3 * 36 * 2,
    ),
    "weights of weights": (
        Function(lambda x, a, b: F.linear(x, a @ b), (5, 2), (2, 6)),
        zeros((3, 6)),
        5 * 2 * 6 + 3 * 6 * 5,
    ),
    "sums of products": (
        Function(lambda x, y, w: torch.addbmm(w, x, y), (6, 5)),
        zeros((3, 6, 4), (3, 4, 5)),
        3 * 6 * 4 * 5,
    ),
    "distances": (Function(torch.cdist, (40, 3)), zeros((30, 3)), 0),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_counts_by_hand(name: str) -> None:
    """The same on meta tensors in a graph, on meta tensors, and on values."""
    model, inputs, count = NETWORKS[name]
    assert measured(model, inputs).numbers("multiply_adds").sum() == count
    model.eval()
    with torch.inference_mode():
        assert multiply_adds(lambda: model(*inputs)) == count
    hollow = [torch.empty_like(x, device="meta") for x in inputs]
    twin = {name: torch.empty_like(p, device="meta") for name, p in model.named_parameters()}
    twin |= {name: torch.empty_like(b, device="meta") for name, b in model.named_buffers()}
    assert multiply_adds(lambda: torch.func.functional_call(model, twin, tuple(hollow))) == count


def test_grouped_and_sparse_products() -> None:
    """Rows in groups, each with a matrix of its own; entries that are not zero."""
    ends = torch.tensor([2, 4, 6], dtype=torch.int32)
    experts = torch.zeros(3, 16, 8)
    assert multiply_adds(lambda: F.grouped_mm(torch.zeros(6, 16), experts, offs=ends)) == 6 * 16 * 8
    sparse = torch.eye(6).to_sparse()
    assert multiply_adds(lambda: torch.sparse.mm(sparse, torch.zeros(6, 5))) == 6 * 5
    assert multiply_adds(lambda: sparse @ torch.zeros(6)) == 6


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("layout", [torch.jagged, torch.strided])
def test_nested_tensors(layout: torch.layout) -> None:
    """Each of the tensors inside counts with its own length."""
    layer = nn.Linear(8, 8)
    parts = [torch.zeros(3, 8), torch.zeros(5, 8)]
    x = torch.nested.nested_tensor(parts, layout=layout)
    assert multiply_adds(lambda: layer(x)) == (3 + 5) * 64

    def attention() -> Tensor:
        q = x.unflatten(-1, (2, 4)).transpose(1, 2)
        return F.scaled_dot_product_attention(q, q, q)

    if layout is torch.jagged:
        assert multiply_adds(attention) == (9 + 25) * 2 * 8


def test_other_functions_of_a_known_name() -> None:
    """An operation of one's own may be called `linear`, and take what it likes."""

    @torch.library.custom_op("measures_test::linear", mutates_args=())
    def linear(scale: float, x: Tensor) -> Tensor:
        return scale * x

    linear.register_fake(lambda scale, x: torch.empty_like(x))
    assert multiply_adds(lambda: torch.ops.measures_test.linear(2.0, torch.ones(3, 3))) == 0
    graph = measured(Function(lambda x: torch.max(x, x.sum())), torch.ones(2, 3))
    assert graph.op_names() == ["input", "sum", "max"]


def test_functions_of_functions() -> None:
    """The branch of `cond` that is taken, what is computed again behind a checkpoint."""
    layer, x = nn.Linear(6, 3), torch.ones(5, 6)
    branches = (lambda x: layer(x), lambda x: layer(layer(x).repeat(1, 2)))
    assert multiply_adds(lambda: torch.cond(x.sum() > 0, *branches, (x,))) == 90
    assert multiply_adds(lambda: torch.cond(x.sum() < 0, *branches, (x,))) == 180

    layers = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))

    def learn() -> None:
        with torch.enable_grad():
            checkpoint(layers, x, use_reentrant=False).sum().backward()

    first, second = 5 * 6 * 4, 5 * 4 * 2  # backwards: one product for weights, one for values
    assert multiply_adds(learn) == (first + second) + first + 2 * second + first


@pytest.mark.parametrize("backend", ["MATH", "FLASH_ATTENTION", "EFFICIENT_ATTENTION"])
def test_every_kind_of_attention(backend: str) -> None:
    """Torch's own counter finds none of it on a CPU, or part."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    model = encoder(2).eval()
    with sdpa_kernel([getattr(SDPBackend, backend), SDPBackend.MATH]):
        assert multiply_adds(lambda: model(torch.zeros(3, 10, 32))) == 2 * ENCODED
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(torch.zeros(3, 10, 32))
    assert counter.get_total_flops() // 2 < 2 * ENCODED


def test_published_figures_of_torchvision() -> None:
    models = pytest.importorskip("torchvision.models")
    for name, billions in (("vit_b_16", 17.56), ("swin_t", 4.49), ("resnet50", 4.09)):
        with torch.device("meta"):
            graph = measured(getattr(models, name)())
        assert round(graph.numbers("multiply_adds").sum() / 1e9, 2) == billions


def test_a_vectorised_function_counts_every_sample() -> None:
    x = torch.rand(5, 6)
    layer = nn.Linear(6, 3)
    assert multiply_adds(lambda: torch.vmap(layer)(x)) == 5 * 6 * 3


def test_what_torch_calls_itself_counts() -> None:
    """Gradients inside of a computation, and compiled TorchScript, are seen by their kernels."""
    layer = nn.Linear(6, 3)
    x = torch.rand(5, 6)
    grad = torch.func.grad(lambda w: F.linear(x, w).sum())
    assert multiply_adds(lambda: grad(layer.weight.detach())) == 2 * 5 * 6 * 3


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation functions:UserWarning")
def test_quantised_layers() -> None:
    plain = nn.Linear(6, 3)
    x = torch.rand(5, 6)
    dynamic = torch.ao.nn.quantized.dynamic.Linear(6, 3)
    assert multiply_adds(lambda: plain(x)) == multiply_adds(lambda: dynamic(x)) == 90


def test_work_without_the_input_counts() -> None:
    """A table of angles, as of rotary positions, is made of no input and no parameter."""
    angles = Function(lambda x: x + torch.ones(7, 1) @ torch.ones(1, 8))
    graph = measured(angles, torch.zeros(2, 7, 8))
    assert graph.numbers("multiply_adds").tolist() == [0, 7 * 8]
    assert math.isclose(graph.numbers("flops")[1], 2 * 7 * 8 + 2 * 7 * 8)
