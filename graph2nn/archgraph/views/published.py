"""The published views: the graphs GHN-1/GHN-2 (ppuda) and GHN-3 were trained on.

What becomes a node and an edge follows arXiv:2110.13100 (appendix A) and the GHN-3 builder
(arXiv:2303.04143). The originals decide some cases by positions in a list of autograd nodes; here
they are decided by structure, with the same outcome on every torchvision model the originals can
read.
"""

from __future__ import annotations

from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from torch import nn

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.tracing.recorder import Op, ParamInfo, Trace
from graph2nn.archgraph.views.builder import Draft, Node, count_cells

__all__ = [
    "HEAD_NAMES",
    "attend",
    "carriers",
    "of_primitives",
    "output_classes",
    "published_view",
    "union",
]

HEAD_NAMES = ("classifier", "fc", "head")
"""Beginnings of a classification head's parameter names, as the GHN-3 builder knows them."""

# Before a product's first factor, these make it a gate for the GHN-3 builder.
_GATES = ("hard", "sigmoid", "relu")
_MATRIX_MODULES = (nn.Conv2d, nn.Linear, nn.MultiheadAttention)
# Subclasses version 2 reads: ConvNeXt's LayerNorm2d, and the output projection of attention.
_KNOWN_SUBCLASSES = ("torch.nn.modules", "torchvision.models.convnext")
_RESHAPES = {"view", "reshape", "unsqueeze", "getitem", "squeeze"}
_POSITIONS = {"PosEnc", "Encoder"}  # DeepNets-1M's, and torchvision's ViT encoder


def published_view(model: nn.Module, trace: Trace, *, version: int) -> ArchGraph:
    """Make the graph in the 15 primitives under published rules.

    They are ppuda's (`version=2`) or the GHN-3 builder's (`version=3`). Only what leads to the
    first output (version 2) or to any output (version 3) is kept. Parameters that the original has
    no node for (layer scales, class tokens, bias tables) are not in the graph. A module used twice
    has two nodes, the first of which carries its parameters.
    """
    builder = _Builder(trace, version)
    ends = trace.outputs[:1] if version == 2 else trace.outputs
    builder.build(ends)
    draft = builder.draft
    if version == 3:
        attend(draft)
        if type(model).__name__ == "SqueezeNet":
            _pool_first(draft)
    return of_primitives(draft, model, trace)


def of_primitives(draft: Draft, model: nn.Module, trace: Trace) -> ArchGraph:
    """Make the graph of a draft whose operations are primitives, with the input linked in."""
    _connect_input(draft)
    return draft.finish(
        name=type(model).__name__,
        param_shapes={p.name: p.shape for p in trace.params},
        num_cells=count_cells(model),
        num_classes=output_classes(trace),
        note=trace.note,
        scopes=trace.scopes,
    )


def output_classes(trace: Trace) -> int | None:
    """Find the width of the output that classifies, a (batch, classes) matrix.

    It is the first output; where a later one of that form depends on it (features that are returned
    beside logits), that one.
    """
    shapes = {i: trace.output_shapes.get(i, trace.ops[i].shape) for i in trace.outputs}
    if not shapes:
        return None
    found, *later = shapes
    for i in later:
        if len(shapes[i]) == 2 and found in _ancestors(trace.ops, trace.ops[i].inputs):
            found = i
    rows = next((op.shape[:1] for op in trace.ops if op.name == "input"), ())
    boxes = bool(trace.note) and shapes[found][:1] != rows  # as many rows as a detector has found
    return shapes[found][-1] if len(shapes[found]) == 2 and not boxes else None


class _Builder:
    """Walks the ops in order; `reach[i]` are the nodes whose data op i's output holds."""

    def __init__(self, trace: Trace, version: int):
        self.trace = trace
        self.version = version
        self.draft = Draft()
        self.draft.scope = 0 if trace.scopes else -1
        self.draft.add(Node("input"))
        self.reach: list[tuple[int, ...]] = []
        self.used: set[int] = set()

    def build(self, ends: list[int]) -> None:
        ops = self.trace.ops
        wanted = _ancestors(ops, ends)
        # Like an autograd graph, nothing before the first parameter counts.
        live = [False] * len(ops)
        gated = False
        for i, op in enumerate(ops):
            live[i] = any(r < 0 or live[r] for r in op.refs)
            if i in wanted and live[i]:
                gated = gated or "sigmoid" in op.name or "swish" in op.name
        self.gated = gated and self.version == 3
        for i, op in enumerate(ops):
            sources = [r for r in op.refs if r >= 0 and live[r]]
            preds = union([self.reach[r] for r in sources])
            self.draft.scope = op.scope
            if i in wanted and live[i]:
                self.reach.append(self._emit(op, preds, sources))
            else:
                self.reach.append(())
        self.draft.ends = dict.fromkeys(union([self.reach[i] for i in ends]))
        self._filter()

    def _emit(self, op: Op, preds: tuple[int, ...], sources: list[int]) -> tuple[int, ...]:
        if op.params:
            nodes, positions = self._parameter_nodes(op)
            if positions:
                ends = [self.draft.add(n) for n in positions]
                return (self.draft.add(Node("sum"), (*preds, *ends)),)
            if nodes:
                return (self.draft.chain(nodes, preds),)
            if self.version == 3:  # the original names the call after its unsupported parameter
                return preds
        node = self._function_node(op, sources)
        return preds if node is None else (self.draft.add(node, preds),)

    def _parameter_nodes(self, op: Op) -> tuple[list[Node], list[Node]]:
        chain: list[Node] = []
        positions: list[Node] = []
        for j in op.params:
            info = self.trace.params[j]
            local = info.name.rpartition(".")[2]
            kind = _parameter_kind(info, local) if self._knows(info.module) else ""
            names = () if j in self.used else (info.name,)
            if kind == "norm bias":
                if chain and chain[-1].op in ("bn", "ln"):
                    chain[-1].params += names
            elif kind == "position":
                positions.append(Node("pos_enc", info.shape, names))
            elif kind:
                chain.append(Node(kind, info.shape, names))
            if kind:
                self.used.add(j)
        return chain, positions

    def _knows(self, module: nn.Module) -> bool:
        """Version 2 knows no subclasses of the common layers, such as fused norm-activations."""
        common = (nn.Conv2d, nn.Linear, nn.BatchNorm2d, nn.LayerNorm)
        if self.version == 3 or not isinstance(module, common):
            return True
        return type(module) in common or type(module).__module__.startswith(_KNOWN_SUBCLASSES)

    def _function_node(self, op: Op, sources: list[int]) -> Node | None:
        name = op.name
        if name == "add":
            keep = self.version == 2 or len(set(sources)) > 1
            return Node("sum") if keep else None
        if name == "cat":
            keep = self.version == 2 or len(set(sources)) > 1
            return Node("concat") if keep else None
        if name in ("max_pool2d", "avg_pool2d", "max_pool1d", "avg_pool1d"):
            return Node(name[:8], (1, 1, *op.attrs["kernel"]))
        if name in ("adaptive_avg_pool1d", "adaptive_avg_pool2d"):
            single = op.shape[-int(name[-2]) :] in ((1,), (1, 1))
            return Node("glob_avg", label="mean" if single else "")
        if name == "mean":
            keep = self.version == 3 or op.attrs["keepdim"]
            return Node("glob_avg", label="mean") if keep else None
        if name == "mul":
            return Node("cse") if self._excites(op) else None
        if name == "softmax" and self.version == 3:
            return Node("msa")
        return None

    def _excites(self, op: Op) -> bool:
        """Whether a product is taken for a squeeze-and-excitation gate."""
        ops = self.trace.ops
        if self.version == 3:
            first = next((ops[r] for r in op.inputs), None)
            return self.gated and first is not None and first.name.startswith(_GATES)
        # Version 2: a hard activation exactly two calls back, as in the SE block of DeepNets-1M.
        for r in op.inputs:
            if ops[r].name in _RESHAPES and ops[r].inputs:
                if ops[ops[r].inputs[0]].name.startswith("hard"):
                    return True
        return False

    def _filter(self) -> None:
        draft = self.draft
        if self.gated:
            succ = draft.successors()
            heads = set()
            for i, _ in draft.alive():
                after = [draft.nodes[s] for s in succ[i]]
                if any(n is not None and n.path.startswith(HEAD_NAMES) for n in after):
                    heads.add(i)
            number = {id(n): i for i, n in draft.alive()}
            draft.splice(lambda n: n.op == "cse" and number[id(n)] in heads)
            draft.splice(lambda n: n.label == "mean" and number[id(n)] not in heads)
        draft.splice(lambda n: n.op == "sum" and len(n.preds) < 2)
        draft.splice(lambda n: n.op == "concat" and len(n.preds) < 2)


def _parameter_kind(info: ParamInfo, local: str) -> str:
    """Primitive of a parameter, "norm bias", "position", or "" if the originals have no node for
    it."""
    module = info.module
    if isinstance(module, (nn.BatchNorm2d, nn.LayerNorm)):
        if "bias" in local:
            return "norm bias"
        return "bn" if isinstance(module, nn.BatchNorm2d) else "ln"
    if isinstance(module, _MATRIX_MODULES) or type(module).__name__ == "Conv1D":
        if "bias" in local:
            return "bias"
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            return "dil_conv" if min(module.dilation) > 1 else "sep_conv"
        return "conv"
    if type(module).__name__ in _POSITIONS:
        return "position"
    return "pos_enc" if isinstance(module, nn.Embedding) else ""


def _ancestors(ops: list[Op], ends: Iterable[int]) -> set[int]:
    found: set[int] = set()
    stack = list(ends)
    while stack:
        i = stack.pop()
        if i not in found:
            found.add(i)
            stack.extend(r for r in ops[i].refs if r >= 0)
    return found


def carriers(trace: Trace) -> dict[int, int]:
    """Find for each parameter that is read the op whose node carries it.

    That is the first one that reads it on the way to an output, else the first one of all.
    """
    readers: dict[int, list[int]] = {}
    for i, op in enumerate(trace.ops):
        for r in op.refs:
            if r < 0:
                readers.setdefault(~r, []).append(i)
    if len(readers) == sum(map(len, readers.values())):
        return {j: found[0] for j, found in readers.items()}
    wanted = _ancestors(trace.ops, trace.outputs)
    return {j: next((i for i in f if i in wanted), f[0]) for j, f in readers.items()}


def union(groups: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Collect the distinct numbers in `groups`, in order of appearance."""
    if len(groups) == 1:
        return groups[0]
    return tuple(dict.fromkeys(i for g in groups for i in g))


def attend(draft: Draft, *, spare: tuple[str, ...] = ()) -> None:
    """Make each softmax the only way from queries, keys and values to what follows (GHN-3).

    Followers whose operation is in `spare` keep their other edges.
    """
    succ = draft.successors()
    before = [tuple(n.preds) if n is not None else () for n in draft.nodes]
    moved: list[tuple[int, int, int]] = []
    for i, node in draft.alive():
        if node.op != "msa":
            continue
        for s in succ[i]:
            target = draft.nodes[s]
            assert target is not None
            if target.op in spare:
                continue
            for j in [p for p in target.preds if p != i]:
                detour = _has_detour(before, j, s)
                if not detour and (i in before[j] or _has_detour(before, i, j)):
                    continue  # comes from the softmax itself
                del target.preds[j]
                if not detour:
                    node.preds[j] = None
                    moved.append((j, i, s))
    _open_circles(draft, moved)
    draft.splice(lambda n: n.op in ("sum", "concat") and len(n.preds) < 2)


def _open_circles(draft: Draft, moved: list[tuple[int, int, int]]) -> None:
    """Put edges (j, i, s), moved from j → s to j → i, back where i leads to j: two softmaxes that
    depend on each other's values, as in mixtures of experts."""
    try:
        TopologicalSorter({i: node.preds for i, node in draft.alive()}).prepare()
    except CycleError:
        left = dict.fromkeys(moved)
    else:
        return
    while closed := next(((j, i, s) for j, i, s in left if _leads(draft, i, j)), None):
        del left[closed]
        j, i, s = closed
        softmax, follower = draft.nodes[i], draft.nodes[s]
        assert softmax is not None and follower is not None
        softmax.preds.pop(j, None)
        follower.preds[j] = None


def _leads(draft: Draft, start: int, end: int) -> bool:
    """Whether some path start → end has an edge."""
    stack, seen = [end], set()
    while stack:
        node = draft.nodes[stack.pop()]
        assert node is not None
        for p in node.preds:
            if p == start:
                return True
            if p not in seen:
                seen.add(p)
                stack.append(p)
    return False


def _has_detour(preds: list[tuple[int, ...]], start: int, end: int) -> bool:
    """Whether some path start → end has more than one edge."""
    stack = [p for p in preds[end] if p != start]
    seen: set[int] = set()
    while stack:
        i = stack.pop()
        if i == start:
            return True
        if i > start and i not in seen:
            seen.add(i)
            stack.extend(preds[i])
    return False


def _pool_first(draft: Draft) -> None:
    """SqueezeNet under GHN-3: the final pooling moves before the classifying convolution."""
    last = [n for _, n in draft.alive()][-3:]
    if [n.op for n in last] == ["conv", "bias", "glob_avg"]:
        kinds = [_content(n) for n in (last[2], last[0], last[1])]
        for node, (op, shape, params, label, scope) in zip(last, kinds):
            node.op, node.shape, node.params, node.label, node.scope = (
                op,
                shape,
                params,
                label,
                scope,
            )


def _content(node: Node) -> tuple:
    return node.op, node.shape, node.params, node.label, node.scope


def _connect_input(draft: Draft) -> None:
    """Links the input (node 0) to every node without a predecessor, position tables aside."""
    for i, node in draft.alive():
        if i and not node.preds and node.op != "pos_enc":
            node.preds[0] = None
