"""Small modules with parameters of every kind, and what they take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["IMAGES", "MODULES", "VECTORS", "WORDS", "Stacks", "Tied", "head", "run"]

IMAGES = torch.linspace(-1, 1, 2 * 3 * 8 * 8).view(2, 3, 8, 8)


class ClassToken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.pos = nn.Parameter(torch.zeros(1, 5, 8))
        self.attn = nn.MultiheadAttention(8, 2, batch_first=True)
        self.scale = nn.Parameter(torch.ones(8))
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(len(x), -1, -1), x), 1) + self.pos
        y = self.norm(x)
        return self.head((x + self.scale * self.attn(y, y, y)[0])[:, 0])


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 6)
        self.rnn = kind(6, 5, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(10, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(self.embed(x))[0][:, -1])


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix = nn.Embedding(10, 6), nn.Linear(6, 6)
        self.out = nn.Linear(6, 10, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.mix(self.embed(x)).relu().mean(1))


class Nested(nn.Module):
    """One block used twice, two inputs, a dictionary of outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.PReLU(4))
        self.stem, self.head = nn.Conv2d(3, 4, 1), nn.Linear(4, 10)

    def forward(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        x = self.block(self.block(self.stem(x)) + self.stem(y))
        return {"logits": self.head(x.mean((2, 3)))}


class Stacks(nn.Module):
    """Weights of several matrices, whose use says which axes are which, between two layers.

    Args:
        shape: Shape of the weight.
        apply: Its product with data, (B, 6) -> (B, width).
        name: Name of the weight.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        apply: Callable[[Tensor, Tensor], Tensor],
        *,
        width: int,
        name: str = "experts",
    ) -> None:
        super().__init__()
        self.before, self.after = nn.Linear(5, 6), nn.Linear(width, 10)
        self.register_parameter(name, nn.Parameter(torch.zeros(shape)))
        self.name, self.apply_weight = name, apply

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.apply_weight(self.before(x), getattr(self, self.name)))


class Added(nn.Module):
    """A table of any shape that is added or multiplied."""

    def __init__(self, shape: tuple[int, ...], *, scale: bool = False) -> None:
        super().__init__()
        self.table, self.fc = nn.Parameter(torch.zeros(shape)), nn.Linear(shape[-1], 10)
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        y = x * self.table if self.scale else x + self.table
        return self.fc(y.flatten(1, -2).mean(1))


class Cells(nn.Module):
    """Recurrent cells, step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru, self.rnn = nn.LSTMCell(6, 7), nn.GRUCell(7, 5), nn.RNNCell(5, 4)
        self.head = nn.Linear(4, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), 7), x.new_zeros(len(x), 7)
        g, r = x.new_zeros(len(x), 5), x.new_zeros(len(x), 4)
        for step in x.unbind(1):
            h = self.lstm(step, h)
            g = self.gru(h[0], g)
            r = self.rnn(g, r)
        return self.head(r)


class Listed(nn.Module):
    """Parameters in lists and dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.ParameterList(nn.Parameter(torch.zeros(5, 5)) for _ in range(3))
        self.shifts = nn.ParameterDict({"a": nn.Parameter(torch.zeros(5))})
        self.head = nn.Linear(5, 10)

    def forward(self, x: Tensor) -> Tensor:
        for weight in self.weights:
            x = (x @ weight + self.shifts["a"]).relu()
        return self.head(x)


class Product(nn.Module):
    """A bilinear form of two branches."""

    def __init__(self, out: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 20), nn.Linear(5, 3)
        self.form = nn.Bilinear(20, 3, out)
        self.head = nn.Linear(out, 10) if out != 10 else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.form(self.a(x), self.b(x)))


def run(model: nn.Module, example: Any, parameters: dict[str, Tensor]) -> Tensor:
    """Run a module with other parameters, (B, 10)."""
    args = (example,) if isinstance(example, Tensor) else example
    kwargs = args if isinstance(args, dict) else {}
    out = torch.func.functional_call(model, parameters, () if kwargs else args, kwargs)
    return out["logits"] if isinstance(out, dict) else out


def _one_by_one(x: Tensor, w: Tensor) -> Tensor:
    return torch.cat([F.linear(x, matrix) for matrix in w], 1)


def _batched(x: Tensor, w: Tensor) -> Tensor:
    return torch.bmm(x.expand(len(w), -1, -1), w).mean(0)


def head(width: int) -> tuple[nn.Module, ...]:
    return nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)


WORDS, VECTORS = torch.zeros(2, 7, dtype=torch.int64), torch.linspace(-1, 1, 10).view(2, 5)
MODULES: dict[str, tuple[Callable[[], nn.Module], Any]] = {
    "class token, layer scale, attention": (ClassToken, IMAGES),
    "LSTM": (lambda: Recurrent(nn.LSTM), WORDS),
    "GRU": (lambda: Recurrent(nn.GRU), WORDS),
    "tied weights": (Tied, WORDS),
    "reused block, two inputs": (Nested, (IMAGES, IMAGES)),
    "keyword inputs": (Nested, {"x": IMAGES, "y": IMAGES}),
    "conv1d": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 6, 3), nn.BatchNorm1d(6), nn.Flatten(), nn.Linear(42, 10)
        ),
        torch.zeros(2, 4, 9),
    ),
    "conv3d": (
        lambda: nn.Sequential(
            nn.Conv3d(3, 6, 3), nn.BatchNorm3d(6), nn.AdaptiveAvgPool3d(1), nn.Flatten(),
            nn.Linear(6, 10),
        ),
        torch.zeros(2, 3, 5, 5, 5),
    ),
    "group norm, PReLU": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.GroupNorm(2, 6), nn.PReLU(), *head(6)),
        IMAGES,
    ),
    "norm without bias": (
        lambda: nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8, bias=False), nn.Linear(8, 10)),
        torch.zeros(2, 5),
    ),
    "instance norm, transposed": (
        lambda: nn.Sequential(
            nn.ConvTranspose2d(3, 6, 3), nn.InstanceNorm2d(6, affine=True), *head(6)
        ),
        IMAGES,
    ),
    "depthwise, dilated, 1x7": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 12, 3, groups=3), nn.Conv2d(12, 12, (1, 5), dilation=1, groups=12),
            nn.Conv2d(12, 30, 2, dilation=2), *head(30),
        ),
        torch.zeros(2, 3, 16, 16),
    ),
    "kernel larger than the block": (
        lambda: nn.Sequential(nn.Conv2d(3, 6, 9), *head(6)),
        torch.zeros(2, 3, 16, 16),
    ),
    "classifier without bias": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10, bias=False)
        ),
        IMAGES,
    ),
    "convolution as classifier": (
        lambda: nn.Sequential(
            nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 10, 1), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        ),
        IMAGES,
    ),
    "one layer": (lambda: nn.Linear(5, 10), torch.zeros(2, 5)),
    "experts (E, in, out)": (lambda: Stacks((3, 6, 12), _batched, width=12), VECTORS),
    "experts (E, out, in)": (lambda: Stacks((3, 12, 6), _one_by_one, width=36), VECTORS),
    "square experts": (lambda: Stacks((4, 6, 6), _batched, width=6), VECTORS),
    "experts of an equation": (
        lambda: Stacks((3, 6, 4), lambda x, w: torch.einsum("bi,eio->beo", x, w).flatten(1),
                       width=12),
        VECTORS,
    ),
    "turned experts of an equation": (
        lambda: Stacks((3, 4, 6), lambda x, w: torch.einsum("bi,eoi->bo", x, w), width=4),
        VECTORS,
    ),
    "mixed experts of an equation": (
        lambda: Stacks((3, 6, 4), lambda x, w: torch.einsum("be,bi,eio->bo", x[:, :3], x, w),
                       width=4),
        VECTORS,
    ),
    "more experts than pixels": (lambda: Stacks((60, 6, 9), _batched, width=9), VECTORS),
    "wide experts": (lambda: Stacks((3, 6, 40), _batched, width=40), VECTORS),
    "experts of experts": (
        lambda: Stacks((2, 3, 6, 7), lambda x, w: torch.matmul(x, w).mean((0, 1)), width=7),
        VECTORS,
    ),
    "heads of an equation, input first": (
        lambda: Stacks((6, 3, 4), lambda x, w: torch.einsum("bi,ihd->bhd", x, w).flatten(1),
                       width=12),
        VECTORS,
    ),
    "heads of an equation, output last": (
        lambda: Stacks((2, 3, 7), lambda x, w: torch.einsum("bhd,hdo->bo", x.view(-1, 2, 3), w),
                       width=7),
        VECTORS,
    ),
    "a matrix called bias": (
        lambda: Stacks((6, 9), lambda x, w: x @ w, width=9, name="attention_bias"), VECTORS
    ),
    "a table of three axes": (lambda: Added((3, 5, 5)), torch.zeros(2, 3, 5, 5)),
    "a table of three axes, multiplied": (
        lambda: Added((3, 5, 5), scale=True), torch.zeros(2, 3, 5, 5)
    ),
    "a table of four axes": (lambda: Added((4, 3, 5, 6)), torch.zeros(2, 4, 3, 5, 6)),
    "a table of five axes": (lambda: Added((1, 2, 3, 4, 5)), torch.zeros(2, 2, 3, 4, 5)),
    "a position in two axes": (lambda: Added((7, 5)), torch.zeros(2, 7, 5)),
    "recurrent cells": (Cells, torch.zeros(2, 3, 6)),
    "plain recurrence": (lambda: Recurrent(nn.RNN), WORDS),
    "lists of parameters": (Listed, VECTORS),
    "a bilinear form": (lambda: Product(4), VECTORS),
    "a bilinear form as classifier": (lambda: Product(10), VECTORS),
    "depthwise, transposed conv1d": (
        lambda: nn.Sequential(
            nn.Conv1d(4, 4, 15, groups=4), nn.ConvTranspose1d(4, 20, 3), nn.AdaptiveAvgPool1d(1),
            nn.Flatten(), nn.Linear(20, 10),
        ),
        torch.zeros(2, 4, 30),
    ),
    "depthwise, transposed conv3d": (
        lambda: nn.Sequential(
            nn.Conv3d(3, 6, (2, 1, 3), groups=3), nn.ConvTranspose3d(6, 12, 2),
            nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(12, 10),
        ),
        torch.zeros(2, 3, 5, 5, 5),
    ),
}  # fmt: skip
