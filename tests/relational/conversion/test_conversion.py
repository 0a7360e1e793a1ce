"""Any network made relational: which layers, which widths, which weights."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from graph2nn.relational import (
    RelationalConv2d,
    RelationalLinear,
    build_model,
    complete,
    count_forward,
    cycle,
    make_relational,
    widen,
    ws_flex,
)

GRAPH = ws_flex(8, 3, 0.2, seed=1)
IMAGES = torch.zeros(2, 3, 16, 16)


class Everything(nn.Module):
    """A residual block, a depthwise and a grouped convolution, a concatenation, a flattened map."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(16)
        self.inner = nn.Conv2d(16, 16, 3, padding=2, dilation=2, padding_mode="reflect")
        self.final = nn.BatchNorm2d(16)
        nn.init.zeros_(self.final.weight)
        self.depthwise = nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.grouped = nn.Conv2d(16, 24, 1, groups=4)
        self.groupnorm = nn.GroupNorm(6, 24)
        self.fuse = nn.Conv2d(40, 16, 1, stride=2)
        self.hidden = nn.Linear(16 * 64, 32)
        self.layernorm = nn.LayerNorm(32)
        self.head, self.other = nn.Linear(32, 10), nn.Linear(32, 4)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.relu(self.norm(self.stem(x)))
        x = x + self.final(self.inner(x))
        x = torch.cat([x, self.groupnorm(self.grouped(self.depthwise(x)))], 1)
        x = self.layernorm(self.hidden(self.fuse(x).flatten(1)).relu())
        return self.head(x), self.other(x)


class Attention(nn.Module):
    """One head of attention on rows of pixels, with a class token: widths in its parameters."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.embed = nn.Linear(16, width)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x.mean(1))
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        q, k, v = self.qkv(x).chunk(3, -1)
        x = x + self.out(nn.functional.scaled_dot_product_attention(q, k, v))
        return self.head(x[:, 0])


def mlp(width: int = 64) -> nn.Sequential:
    layers = (nn.Linear(20, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
    return nn.Sequential(*layers, nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 5))


def relational_names(model: nn.Module) -> list[str]:
    kinds = (RelationalLinear, RelationalConv2d)
    return [name for name, module in model.named_modules() if isinstance(module, kinds)]


def test_layers_between_the_first_and_the_heads_become_relational():
    model = make_relational(Everything(), GRAPH, IMAGES)
    assert relational_names(model) == ["inner", "fuse", "hidden"]
    assert type(model) is Everything and model.training
    inner = model.inner
    assert (inner.dilation, inner.padding_mode, inner.graph) == ((2, 2), "reflect", GRAPH)
    outputs = model(torch.rand(2, 3, 16, 16))
    assert [tuple(out.shape) for out in outputs] == [(2, 10), (2, 4)]


@pytest.mark.parametrize("match", ["flops", "params"])
@pytest.mark.parametrize(
    ("make", "input", "slack"),
    # widths are small integers, in the first multiples of the groups
    [(Everything, IMAGES, 1.3), (mlp, torch.zeros(2, 20), 1.03)],
)
def test_costs_match(make, input, slack, match):
    dense = make()
    goal = getattr(count_forward(dense, input), match)
    found = count_forward(make_relational(dense, GRAPH, input, match=match), input)
    assert goal <= getattr(found, match) <= slack * goal


def test_a_smaller_factor_costs_less():
    dense, input = mlp(128), torch.zeros(2, 20)
    wide = make_relational(dense, cycle(16), input)
    goal, width = count_forward(dense, input).flops, wide[0].out_features
    narrower = widen(dense, (width - 1) / 128, input)
    narrower = make_relational(narrower, cycle(16), input, match=None)
    assert narrower[0].out_features == width - 1
    assert count_forward(narrower, input).flops < goal


def test_the_complete_graph_is_the_dense_network():
    dense, images = Everything(), torch.rand(2, 3, 16, 16)
    same = make_relational(dense, complete(8), IMAGES)
    torch.testing.assert_close(same(images), dense(images))
    assert count_forward(same, IMAGES) == count_forward(dense, IMAGES)


def test_weights_keep_the_scale_of_activations():
    torch.manual_seed(0)
    dense = nn.Sequential(*(nn.Linear(400, 400, bias=False) for _ in range(3)))
    input = torch.randn(64, 400)
    wide = make_relational(dense, cycle(20), input, seed=3)
    assert wide[1].in_features > 400
    # the first layer takes in what it did, the second more, and the third returns what it did
    for before, after in ((dense[:1], wide[:1]), (dense[:2], wide[:2]), (dense, wide)):
        ratio = after(input).std() / before(input).std()
        assert ratio.item() == pytest.approx(1, abs=0.1)


def test_nothing_but_the_copy_changes():
    dense = Everything().eval()
    before, state = copy.deepcopy(dense.state_dict()), torch.get_rng_state()
    first = make_relational(dense, GRAPH, IMAGES, seed=1)
    second = make_relational(dense, GRAPH, IMAGES, seed=1)
    other = make_relational(dense, GRAPH, IMAGES, seed=2)
    assert torch.equal(state, torch.get_rng_state())
    torch.testing.assert_close(dense.state_dict(), before, rtol=0, atol=0)
    torch.testing.assert_close(first.state_dict(), second.state_dict(), rtol=0, atol=0)
    assert not torch.equal(first.fuse.weight, other.fuse.weight)
    assert not first.training and not first.inner.training
    assert not any(module._forward_hooks for module in first.modules())


def test_executions_are_one_function():
    images = torch.rand(2, 3, 16, 16)
    masked, blocks = (
        make_relational(Everything(), GRAPH, IMAGES, execution=how) for how in ("masked", "blocks")
    )
    blocks.load_state_dict(masked.state_dict())
    torch.testing.assert_close(masked(images), blocks(images))
    assert count_forward(masked, IMAGES) == count_forward(blocks, IMAGES)


def test_chosen_layers():
    model = make_relational(mlp(), GRAPH, torch.zeros(2, 20), layers=["[04]"])
    assert relational_names(model) == ["0", "4"]
    narrow = nn.Sequential(nn.Linear(20, 64), nn.Linear(64, 4), nn.Linear(4, 64), nn.Linear(64, 64))
    model = make_relational(narrow, GRAPH, torch.zeros(2, 20), layers=["*"], match=None)
    assert relational_names(model) == ["0", "3"]  # eight nodes do not fit four channels


def test_a_function_of_the_width():
    def build(factor: float) -> nn.Module:
        return Attention(round(64 * factor))

    model = make_relational(build, GRAPH, torch.zeros(2, 1, 16, 16))
    assert relational_names(model) == ["qkv", "out"]
    dense = count_forward(build(1), torch.zeros(2, 1, 16, 16)).flops
    found = count_forward(model, torch.zeros(2, 1, 16, 16)).flops
    assert dense <= found <= 1.05 * dense
    assert model(torch.rand(3, 1, 16, 16)).shape == (3, 10)


def test_layers_that_are_not_called_stay():
    model = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
    made = make_relational(model, GRAPH, torch.zeros(2, 3, 16), layers=["*"], match=None)
    assert relational_names(made) == ["linear1", "linear2"]  # attention reads its weights itself


def test_widening():
    wide = widen(Everything(), 1.5, IMAGES)
    assert wide.stem.out_channels == 24 and wide.depthwise.groups == 24
    assert wide.grouped.weight.shape == (36, 6, 1, 1)
    assert wide.fuse.in_channels == 60 and wide.hidden.in_features == 24 * 64
    assert wide.head.out_features == 10 and wide.other.out_features == 4
    assert wide.final.weight.eq(0).all() and wide.norm.weight.eq(1).all()
    assert wide.norm.running_var.shape == (24,) and wide.layernorm.normalized_shape == (48,)
    assert all(not value.is_meta for value in wide.state_dict().values())


def test_widths_of_grouped_layers_stay_divisible():
    wide = widen(Everything(), 1.1, IMAGES)
    assert wide.stem.out_channels == 16  # 17.6 to a multiple of the four groups
    assert wide.groupnorm.num_channels % 12 == 0


def test_shared_layers_stay_shared():
    shared = nn.Linear(16, 16)
    model = nn.Sequential(nn.Linear(4, 16), shared, shared, nn.Linear(16, 2))
    wide = widen(model, 2, torch.zeros(1, 4))
    assert wide[1] is wide[2] and wide[1].weight.shape == (32, 32)


def test_counts():
    model = build_model("mlp", GRAPH, num_classes=10, image_size=8, dim_first=32, base_dims=[32])
    found, published = count_forward(model), model.counts()
    assert found.params == published.params
    assert (
        0 <= found.flops - published.flops <= 3
    )  # the published ones are truncated, layer by layer
    conv = nn.Conv2d(4, 6, 3, padding=1)
    assert count_forward(conv, torch.zeros(5, 4, 7, 7)).flops == 4 * 6 * 9 * 49


def test_what_is_no_network():
    with pytest.raises(ValueError, match="a function that builds one, got str"):
        make_relational("resnet18", ws_flex(16, 4, 0.2, seed=1))


def test_bad_input():
    input = torch.zeros(2, 20)
    with pytest.raises(ValueError, match="match"):
        make_relational(mlp(), GRAPH, input, match="energy")
    with pytest.raises(ValueError, match="cannot run on an input of shape .2, 21."):
        make_relational(mlp(), GRAPH, torch.zeros(2, 21))
    with pytest.raises(ValueError, match=r"'3' is none of the layers .* 0, 2, 4"):
        make_relational(mlp(), GRAPH, input, layers=["3"])
    with pytest.raises(ValueError, match="at least 200 channels"):
        make_relational(mlp(), cycle(200), input)
    with pytest.raises(ValueError, match="pass a function that builds it"):
        make_relational(Attention(64), GRAPH, torch.zeros(2, 1, 16, 16))
    with pytest.raises(ValueError, match="does the function use its factor"):
        make_relational(lambda factor: mlp(), GRAPH, input)
    with pytest.raises(ValueError, match="positive factor"):
        widen(mlp(), 0, input)
