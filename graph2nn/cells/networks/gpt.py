"""What is a GPT of HW-GPT-Bench? A decoder whose blocks have heads and widths of their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from graph2nn.runs import seeded

__all__ = ["GPT", "GPTBlock", "GPTSizes"]


@dataclass(frozen=True, kw_only=True)
class GPTSizes:
    """Sizes of a `GPT`; the defaults are the largest network of HW-GPT-Bench's space GPT-S.

    Args:
        embed_dim: Width of the residual stream.
        heads: Attention heads of each block.
        mlp_ratios: Width of each block's MLP, in units of `embed_dim`.
        bias: Whether linear layers have biases; norms always do, and the output layer never.
        head_size: Channels of a head, whatever the number of heads: a block attends over
            `heads * head_size` channels.
        rotary: Share of a head's channels that are rotated by the position (arXiv:2104.09864).
        vocab_size: Number of tokens.
        gated: Whether the MLP is SiLU-gated, with three matrices (arXiv:2002.05202), in place of
            GELU with two.
        tied: Whether the output layer is the transposed embedding.

    Raises:
        ValueError: Sizes below 1, or lists of different lengths.
    """

    embed_dim: int = 768
    heads: tuple[int, ...] = (12,) * 12
    mlp_ratios: tuple[int, ...] = (4,) * 12
    bias: bool = True
    head_size: int = 64
    rotary: float = 0.5
    vocab_size: int = 50254
    gated: bool = False
    tied: bool = True

    def __post_init__(self) -> None:
        if len(self.heads) != len(self.mlp_ratios) or not self.heads:
            raise ValueError(
                "heads, mlp_ratios: expected a number for each block, got "
                f"{len(self.heads)} and {len(self.mlp_ratios)}"
            )
        sizes = (self.embed_dim, self.head_size, self.vocab_size, *self.heads, *self.mlp_ratios)
        if min(sizes) < 1:
            raise ValueError(f"expected sizes of at least 1, got {self}")
        if not 0 <= self.rotary <= 1 or int(self.rotary * self.head_size) % 2:
            raise ValueError(
                "rotary: expected a share from 0 to 1 that rotates an even number of the "
                f"{self.head_size} channels of a head, got {self.rotary}"
            )


class _CausalAttention(nn.Module):
    """Causal attention with rotary positions. Shapes: (B, T, embed_dim) -> (B, T, embed_dim)."""

    def __init__(self, sizes: GPTSizes, heads: int) -> None:
        super().__init__()
        self.heads, self.rotated = heads, int(sizes.rotary * sizes.head_size)
        width = heads * sizes.head_size
        self.qkv = nn.Linear(sizes.embed_dim, 3 * width, bias=sizes.bias)
        self.out = nn.Linear(width, sizes.embed_dim, bias=sizes.bias)

    def forward(self, x: Tensor) -> Tensor:
        # (B, T, 3 h d) -> three of (B, h, T, d)
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if self.rotated:
            q, k = self._rotate(q), self._rotate(k)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).flatten(2))

    def _rotate(self, x: Tensor) -> Tensor:
        half = self.rotated // 2
        place = torch.arange(x.shape[2], device=x.device, dtype=x.dtype)
        rate = 10_000 ** (-torch.arange(half, device=x.device, dtype=x.dtype) / half)
        angle = place[:, None] * rate
        a, b, rest = x.split((half, half, x.shape[-1] - 2 * half), dim=-1)
        cos, sin = angle.cos(), angle.sin()
        return torch.cat((a * cos - b * sin, b * cos + a * sin, rest), dim=-1)


class _MLP(nn.Module):
    """Two matrices with GELU, or three with a SiLU gate. Shapes: (B, T, d) -> (B, T, d)."""

    def __init__(self, sizes: GPTSizes, ratio: int) -> None:
        super().__init__()
        hidden = ratio * sizes.embed_dim
        self.up = nn.Linear(sizes.embed_dim, hidden, bias=sizes.bias)
        self.gate = nn.Linear(sizes.embed_dim, hidden, bias=sizes.bias) if sizes.gated else None
        self.down = nn.Linear(hidden, sizes.embed_dim, bias=sizes.bias)

    def forward(self, x: Tensor) -> Tensor:
        up = self.up(x)
        hidden = F.gelu(up) if self.gate is None else F.silu(self.gate(x)) * up
        return self.down(hidden)


class GPTBlock(nn.Module):
    """A block whose attention and MLP read the same input, each behind a norm of its own.

    As GPT-NeoX has it (arXiv:2204.06745, section 2.1): x + attention(norm(x)) + MLP(norm(x)).

    Args:
        sizes: Sizes of the network.
        heads: Attention heads.
        mlp_ratio: Width of the MLP, in units of `sizes.embed_dim`.

    Shapes:
        (B, T, embed_dim) -> (B, T, embed_dim).
    """

    def __init__(self, sizes: GPTSizes, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(sizes.embed_dim)
        self.attention = _CausalAttention(sizes, heads)
        self.mlp_norm = nn.LayerNorm(sizes.embed_dim)
        self.mlp = _MLP(sizes, mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        attended = self.attention(self.attention_norm(x))
        return self.mlp(self.mlp_norm(x)) + attended + x


class GPT(nn.Module):
    """A decoder-only language model as HW-GPT-Bench has it (arXiv:2405.10299).

    Token embedding, blocks (`GPTBlock`), norm, output layer; positions are rotations, there is no
    table of them. The benchmark has two networks for an architecture. Perplexities are those of
    sub-networks of a supernet with tied embedding and GELU (the defaults): a narrower one takes the
    first channels of embedding and MLP and the first `3 * heads * 64` rows of the attention's
    input projection. Parameters, latencies, energies and memory were measured on separately built
    networks, `gated=True, tied=False`, whose attention rotates a quarter of the channels
    (`rotary=.25`): the configuration says GELU, but the source compares it with a misspelt name.

    Args:
        sizes: Sizes; by default the largest network of the space.
        seed: Seed of the initial weights; torch's global generator is left alone.

    Shapes:
        Tokens (B, T) int64 -> logits (B, T, vocab_size).

    Examples:
        >>> net = GPT(GPTSizes(embed_dim=8, heads=(1, 2), mlp_ratios=(2, 4), vocab_size=10))
        >>> net(torch.zeros(1, 3, dtype=torch.long)).shape
        torch.Size([1, 3, 10])
    """

    def __init__(self, sizes: GPTSizes = GPTSizes(), *, seed: int = 0) -> None:
        super().__init__()
        self.sizes = sizes
        with seeded(seed):
            self.tokens = nn.Embedding(sizes.vocab_size, sizes.embed_dim)
            self.blocks = nn.ModuleList(
                GPTBlock(sizes, heads, ratio) for heads, ratio in zip(sizes.heads, sizes.mlp_ratios)
            )
            self.norm = nn.LayerNorm(sizes.embed_dim)
            self.head = nn.Linear(sizes.embed_dim, sizes.vocab_size, bias=False)
            self.apply(_initialise)
        if sizes.tied:
            self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
