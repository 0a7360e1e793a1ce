"""The primitives view: the full graph in the 15 primitives, with a node for every parameter.

A hypernetwork reads it to predict what the published views leave out: class tokens, position and
bias tables, layer scales, group norms, recurrent and attention weights, tokens embeddings,
parametrised weights.
"""

from __future__ import annotations

import math

from torch import nn

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.archgraph.tracing.recorder import Op, ParamInfo, Trace
from graph2nn.archgraph.views.builder import Draft, Node
from graph2nn.archgraph.views.full import NORMS
from graph2nn.archgraph.views.matrices import PRODUCTS, matrix_of
from graph2nn.archgraph.views.published import attend, carriers, of_primitives, union

__all__ = ["primitives_view"]

_MATRIX = set(
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d deform_conv2d "
    "bilinear mv einsum tensordot "
    "multi_head_attention_forward lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell "
    "rnn_relu_cell".split()
)
_EMBEDDINGS = {"embedding", "embedding_bag"}
_ADD = {"add", "sub"}
_SCALE = {"mul", "div", "prelu", "pow", "lerp", "addcmul", "rrelu"}
_JOIN = {"cat", "stack", "hstack", "vstack", "column_stack"}
_GATES = {"sigmoid", "hardsigmoid", "hardswish", "softmax", "tanh"}
_RESHAPES = set("view reshape unsqueeze expand expand_as getitem view_as squeeze flatten".split())
_MATRIX_KINDS = {"conv", "sep_conv", "dil_conv"}


def primitives_view(model: nn.Module, trace: Trace) -> ArchGraph:
    """Make the graph in the 15 primitives where each parameter that is read has the nearest one.

    Class tokens, position and bias tables, embeddings: `pos_enc`; layer scales, group norms and
    other multiplied vectors: `ln`; matrices and kernels of any kind: `conv`; added vectors: `bias`.
    A weight of three axes or more that holds matrices (experts, heads) has a node of the size of
    one of them, (out, in). The column `values` is the number of values of what the node's operation
    gives out. Weights computed from parameters (weight norm, spectral norm, weight
    standardisation) stand where the computed weight is used. A parameter read twice is carried by
    its first node.
    """
    builder = _Builder(trace)
    builder.build()
    draft = builder.draft
    attend(draft, spare=("sum", "concat"))
    draft.splice(lambda n: n.op in ("sum", "concat", "cse") and len(n.preds) < 2)
    return of_primitives(draft, model, trace)


def _multiplies(name: str) -> bool:
    """Whether a function multiplies by matrices or kernels (`linear`, `bmm`, `grouped_mm`)."""
    return name in _MATRIX or name.endswith(PRODUCTS)


def _is_vector(shape: tuple[int, ...]) -> bool:
    return sum(s > 1 for s in shape) <= 1


class _Builder:
    """Walks the ops; `reach[i]` are the nodes op i's output comes from, `data[i]`: it depends on
    the input."""

    def __init__(self, trace: Trace):
        self.trace = trace
        self.draft = Draft()
        self.draft.scope = 0 if trace.scopes else -1
        self.draft.add(Node("input"))
        self.reach: list[tuple[int, ...]] = []
        self.data: list[bool] = []
        self.node_of: dict[int, int] = {}
        self.carrier = carriers(trace)
        self.here = 0

    def build(self) -> None:
        ops = self.trace.ops
        self.users: list[list[int]] = [[] for _ in ops]
        for i, op in enumerate(ops):
            for r in op.inputs:
                self.users[r].append(i)
            self.data.append(op.name == "input" or any(self.data[r] for r in op.inputs))
        for i, op in enumerate(ops):
            self.draft.scope, self.here = op.scope, i
            self.draft.values = math.prod(op.shape)
            if op.name == "input":
                self.draft.nodes[0].values += self.draft.values  # type: ignore[union-attr]
                self.reach.append((0,))
            elif self.data[i]:
                self.reach.append(self._data_op(op))
            else:
                self.reach.append(self._constant_op(i, op))
        outputs = [self.reach[i] for i in self.trace.outputs]
        self.draft.ends = dict.fromkeys(union(outputs))

    def _constant_op(self, i: int, op: Op) -> tuple[int, ...]:
        """An op on parameters alone: its parameters' nodes, one behind the other."""
        reach = union([self.reach[r] for r in op.inputs])
        for j in op.params:
            if j in self.node_of:
                reach = union([reach, (self.node_of[j],)])
            else:
                user = self._consumer(i)
                self.draft.values = math.prod((user or op).shape)
                kind = self._kind(op, self.trace.params[j], "" if user is None else user.name)
                parallel = kind == "pos_enc" and bool(reach)
                reader = op if op.name == "einsum" else user  # whose letters name the axes
                node = self._parameter(kind, j, () if parallel else reach, reader)
                reach = (*reach, node) if parallel else (node,)
        return reach

    def _consumer(self, i: int) -> Op | None:
        """The first function that combines op i's constant with data."""
        seen, stack = set(), [i]
        while stack:
            k = stack.pop()
            if self.data[k]:
                return self.trace.ops[k]
            if k not in seen:
                seen.add(k)
                stack.extend(reversed(self.users[k]))
        return None

    def _data_op(self, op: Op) -> tuple[int, ...]:
        data = union([self.reach[r] for r in op.inputs if self.data[r]])
        constant = union([self.reach[r] for r in op.inputs if not self.data[r]])
        if op.name == "multi_head_attention_forward":
            return self._attention(op, union([data, constant]))
        kinds = [(self._kind(op, self.trace.params[j], ""), j) for j in op.params]
        chain = [(k, j) for k, j in kinds if k != "pos_enc" or op.name in _EMBEDDINGS]
        sources = tuple(self._parameter(k, j, ()) for k, j in kinds if (k, j) not in chain)
        weight_first = any(k in _MATRIX_KINDS for k, _ in chain)
        if weight_first:
            data = self._chain(op, chain, data)
        if self._in_series(op, constant):
            data = self._attach(constant, data)
        else:
            sources = (*constant, *sources)
        if not weight_first:
            data = self._chain(op, chain, data)
        preds = union([data, sources])
        node = self._function_node(op, bool(sources))
        return preds if node is None else (self.draft.add(node, preds),)

    def _parameter(self, kind: str, j: int, preds: tuple[int, ...], user: Op | None = None) -> int:
        """The node of a parameter; one matrix stands for the stack of them that `user` reads."""
        info = self.trace.params[j]
        carried = j not in self.node_of and self.carrier[j] == self.here
        names = (info.name,) if carried else ()
        shape = info.shape
        if user is not None and kind in _MATRIX_KINDS and len(shape) > 2:
            data = [self.trace.ops[r] for r in user.inputs if self.data[r]]
            shape = matrix_of(shape, user, data) or shape
        node = self.draft.add(Node(kind, shape, names), preds)
        if carried:
            self.node_of[j] = node
        return node

    def _chain(
        self, op: Op, chain: list[tuple[str, int]], preds: tuple[int, ...]
    ) -> tuple[int, ...]:
        norm: Node | None = None
        for kind, j in chain:
            if op.name in NORMS and norm is not None:  # the bias of a normalisation
                if j not in self.node_of and self.carrier[j] == self.here:
                    norm.params += (self.trace.params[j].name,)
                    self.node_of[j] = preds[0]
                continue
            preds = (self._parameter(kind, j, preds, op),)
            norm = self.draft.nodes[preds[0]]
        return preds

    def _in_series(self, op: Op, constant: tuple[int, ...]) -> bool:
        kinds = {self.draft.nodes[c].op for c in constant}  # type: ignore[union-attr]
        if not kinds or "pos_enc" in kinds or op.name in _JOIN:
            return False
        return kinds == {"bias"} if op.name in _ADD else True

    def _attach(self, constant: tuple[int, ...], data: tuple[int, ...]) -> tuple[int, ...]:
        """Put the nodes of a computed weight behind the data it is applied to."""
        above = self._above(data)
        nodes = [(e, self.draft.nodes[e]) for e in self._above(constant) if e and e not in above]
        entries = [node for _, node in nodes if node is not None and not node.preds]
        for node in entries:
            node.preds = dict.fromkeys(data)
        return constant if entries else union([data, constant])

    def _above(self, ends: tuple[int, ...]) -> set[int]:
        seen: set[int] = set()
        stack = list(ends)
        while stack:
            k = stack.pop()
            if k not in seen:
                seen.add(k)
                stack.extend(self.draft.nodes[k].preds)  # type: ignore[union-attr]
        return seen

    def _attention(self, op: Op, preds: tuple[int, ...]) -> tuple[int, ...]:
        """Input projections, then `msa`, then the output projection."""
        names = {j: self.trace.params[j].name for j in op.params}

        def place(j: int) -> int:
            return 2 * ("out_proj" in names[j]) + names[j].endswith("bias")

        done = False
        for j in sorted(op.params, key=place):
            if place(j) > 1 and not done:
                preds, done = (self.draft.add(Node("msa"), preds),), True
            kind = self._kind(op, self.trace.params[j], "")
            if names[j].endswith(("bias_k", "bias_v")):
                kind = "pos_enc"
            preds = (self._parameter(kind, j, preds),)
        return preds

    def _kind(self, op: Op, info: ParamInfo, consumer: str) -> str:
        """The nearest primitive of a parameter read by `op`, whose result `consumer` applies to
        data."""
        local = info.name.rpartition(".")[2]
        vector = _is_vector(info.shape)
        if op.name in NORMS:
            return NORMS[op.name] if vector else "conv"
        if op.name in _EMBEDDINGS:
            return "pos_enc"
        direct = _multiplies(op.name)
        matrix = direct or (op.name not in _ADD and _multiplies(consumer))
        if matrix and len(info.shape) > 1 and not (vector and not direct):
            return self._conv_kind(op)
        if matrix:
            return "bias" if "bias" in local or direct else "ln"
        function = consumer or op.name
        if op.name in _SCALE or function in _SCALE or function in NORMS:
            return "ln" if vector else "conv"
        if function in _ADD and vector:
            return "bias"
        return "pos_enc" if consumer or not vector or op.name in _JOIN else "ln"

    def _conv_kind(self, op: Op) -> str:
        if op.attrs.get("groups", 1) > 1:
            return "dil_conv" if op.attrs["dilation"] > 1 else "sep_conv"
        return "conv"

    def _function_node(self, op: Op, joins: bool) -> Node | None:
        name = op.name
        if name in _JOIN:
            return Node("concat")
        if name in _ADD or joins:
            return Node("sum")
        if name.startswith(("max_pool", "avg_pool")):
            return Node(name[:8], (1, 1, *op.attrs.get("kernel", (3, 3))))
        if name.startswith("adaptive_"):
            return Node("glob_avg")
        if name == "mean":
            return Node("glob_avg") if _is_pooling(op) else None
        if name == "mul":
            return Node("cse") if any(self._is_gate(r) for r in op.inputs) else None
        if name == "softmax":
            return Node("msa") if len(op.shape) > 2 else None
        return Node("msa") if name == "scaled_dot_product_attention" else None

    def _is_gate(self, i: int) -> bool:
        op = self.trace.ops[i]
        while op.name in _RESHAPES and op.inputs:
            op = self.trace.ops[op.inputs[0]]
        return op.name in _GATES


def _is_pooling(op: Op) -> bool:
    """Whether a mean runs over positions: all axes but batch and channels, or the tokens."""
    rank, dims = op.attrs["rank"], op.attrs["dims"]
    if rank > 3:
        return len(dims) == rank - 2
    return rank == 3 and (dims == (1,) or (dims == (2,) and not op.attrs["keepdim"]))
