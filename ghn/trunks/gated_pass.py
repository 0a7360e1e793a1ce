"""One pass of the GatedGNN over a batch of graphs, with a hand-written gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from graph2nn.archgraph import ArchGraph
from graph2nn.archgraph.paths import topological_levels
from graph2nn.archgraph.stack import GraphStack

__all__ = ["NodeOrder", "GatedPass"]


@dataclass(frozen=True, kw_only=True)
class NodeOrder:
    """In which order the nodes of a batch are updated, and what each reads.

    Args:
        order, inverse: Permutation of the batch's nodes by level, and its inverse.
        bounds: The slice of each level in the permuted order.
        weights: Matrices, one a message sum, in permuted order: row v holds the factor of each
            source u, that is 1 on real edges for the first, 1/d up to the cutoff for the second (if
            there are virtual edges).

    Shapes: order, inverse (N,); weights (N, N).
    """

    order: Tensor
    inverse: Tensor
    bounds: tuple[tuple[int, int], ...]
    weights: tuple[Tensor, ...]

    @classmethod
    def of(
        cls, graphs: Sequence[ArchGraph], cutoff: int, *, backward: bool, like: Tensor
    ) -> NodeOrder:
        """Order the nodes for the pass along (`backward=False`) or against the edges.

        Args:
            graphs: Graphs of the batch.
            cutoff: Longest virtual edge.
            backward: Whether the pass runs against the edges.
            like: Tensor, of any shape, whose device and type the weights take.
        """
        stack = GraphStack.of(graphs)
        levels = topological_levels(stack.pairs, stack.total, backward=backward)
        order = np.argsort(levels, kind="stable")
        inverse = np.empty_like(order)
        inverse[order] = np.arange(len(order))
        cuts = np.flatnonzero(np.diff(levels[order])) + 1
        bounds = tuple(zip([0, *cuts.tolist()], [*cuts.tolist(), len(order)], strict=True))
        precision = np.float64 if like.dtype is torch.float64 else np.float32
        weights = _message_weights(graphs, cutoff, backward, inverse, precision)
        return cls(
            order=torch.from_numpy(order).to(like.device),
            inverse=torch.from_numpy(inverse).to(like.device),
            bounds=bounds,
            weights=tuple(torch.from_numpy(w).to(like) for w in weights),
        )


def _message_weights(
    graphs: Sequence[ArchGraph],
    cutoff: int,
    backward: bool,
    position: np.ndarray,
    precision: type[np.floating],
) -> list[np.ndarray]:
    n = len(position)
    real = np.zeros((n, n), dtype=precision)
    near = np.zeros((n, n), dtype=precision) if cutoff > 1 else None
    start = 0
    for graph in graphs:
        at = position[start : start + graph.num_nodes]
        start += graph.num_nodes
        source, target = graph.edges if not backward else graph.edges[::-1]
        real[at[target], at[source]] = 1.0
        if near is not None:
            dist = graph.distances(cutoff)
            u, v = np.nonzero(dist)
            inverse = (1.0 / dist[u, v]).astype(precision)
            near[(at[u], at[v]) if backward else (at[v], at[u])] = inverse
    return [real] if near is None else [real, near]


class GatedPass(torch.autograd.Function):
    """h_v <- GRU(sum_k A_k MLP_k(h)_v, h_v), level by level. Once differentiable.

    The gradient walks the levels back. Weight gradients are four products over all nodes at the
    end. Arguments after the order: the GRU's weight_ih, weight_hh, bias_ih, bias_hh, then
    weight, bias, weight, bias of each MLP.

    Shapes: x (N, h) in that order -> (N, h).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, order: NodeOrder, *weights: Tensor) -> Tensor:
        w_ih, w_hh, b_ih, b_hh, *mlps = weights
        n, h = x.shape
        count = len(mlps) // 4
        # all MLPs at once: first layers stacked, second layers block-diagonal
        w0 = torch.cat(mlps[0::4]) if count > 1 else mlps[0]
        b0 = torch.cat(mlps[1::4]) if count > 1 else mlps[1]
        w2 = torch.block_diag(*mlps[2::4])
        b2 = torch.cat(mlps[3::4]) if count > 1 else mlps[3]
        gh = torch.addmm(b_hh, x, w_hh.t())
        state = torch.empty_like(x)
        gates = x.new_empty(n, 2 * h)
        cand = torch.empty_like(x)
        msg = torch.zeros_like(x)
        hidden = x.new_empty(n, w0.shape[0])
        out = x.new_empty(n, count * h)
        w_ih_t, w0_t, w2_t = w_ih.t(), w0.t(), w2.t()
        parts = [out[:, k * h : (k + 1) * h] for k in range(count)]
        for lo, hi in order.bounds:
            m = msg[lo:hi]
            if lo:
                for a, p in zip(order.weights, parts, strict=True):
                    m.addmm_(a[lo:hi, :lo], p[:lo])
            gi = torch.addmm(b_ih, m, w_ih_t)
            g = torch.sigmoid(gi[:, : 2 * h].add_(gh[lo:hi, : 2 * h]), out=gates[lo:hi])
            c = cand[lo:hi]
            torch.tanh(torch.addcmul(gi[:, 2 * h :], g[:, :h], gh[lo:hi, 2 * h :]), out=c)
            s = torch.lerp(c, x[lo:hi], g[:, h:], out=state[lo:hi])
            u = torch.addmm(b0, s, w0_t, out=hidden[lo:hi]).relu_()
            torch.addmm(b2, u, w2_t, out=out[lo:hi]).relu_()
        ctx.order, ctx.count = order, count
        ctx.save_for_backward(x, gh, state, gates, cand, msg, hidden, out, w_ih, w_hh, w0, w2)
        return state

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, gh, state, gates, cand, msg, hidden, out, w_ih, w_hh, w0, w2 = ctx.saved_tensors
        count, bounds = ctx.count, ctx.order.bounds
        h = x.shape[1]
        reset, update = gates[:, :h], gates[:, h:]
        # factors of d state in the three pre-activations of the input side
        k_c = (1 - update) * (1 - cand * cand)
        k_r = k_c * gh[:, 2 * h :] * reset * (1 - reset)
        k_u = (x - cand) * update * (1 - update)
        factors = torch.cat((k_r, k_u, k_c), dim=1).view(-1, 3, h)
        d_state = grad.clone()
        d_out = torch.zeros_like(out)
        d_hidden = torch.empty_like(hidden)
        d_gi = torch.empty_like(gh)
        live_out, live_hidden = (out > 0).to(x), (hidden > 0).to(x)
        d_parts = [d_out[:, k * h : (k + 1) * h] for k in range(count)]
        for lo, hi in reversed(bounds):
            d_pre = d_out[lo:hi].mul_(live_out[lo:hi])
            d_u = torch.mm(d_pre, w2, out=d_hidden[lo:hi]).mul_(live_hidden[lo:hi])
            d_s = d_state[lo:hi].addmm_(d_u, w0)
            g = d_gi[lo:hi]
            torch.mul(d_s[:, None, :], factors[lo:hi], out=g.view(-1, 3, h))
            if lo:
                d_m = g @ w_ih
                for a, d in zip(ctx.order.weights, d_parts, strict=True):
                    d[:lo].addmm_(a[lo:hi, :lo].t(), d_m)
        d_gh = torch.cat((d_gi[:, : 2 * h], d_gi[:, 2 * h :] * reset), dim=1)
        d_x = torch.addmm(d_state * update, d_gh, w_hh)
        gru = (d_gi.t() @ msg, d_gh.t() @ x, d_gi.sum(0), d_gh.sum(0))
        return d_x, None, *gru, *_mlp_gradients(count, state, hidden, d_hidden, d_out)


def _mlp_gradients(
    count: int, state: Tensor, hidden: Tensor, d_hidden: Tensor, d_out: Tensor
) -> list[Tensor]:
    grads: list[Tensor] = []
    a, h = hidden.shape[1] // count, state.shape[1]
    for k in range(count):
        d_u, d_p = d_hidden[:, k * a : (k + 1) * a], d_out[:, k * h : (k + 1) * h]
        u = hidden[:, k * a : (k + 1) * a]
        grads += [d_u.t() @ state, d_u.sum(0), d_p.t() @ u, d_p.sum(0)]
    return grads
