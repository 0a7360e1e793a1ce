"""How are graphs kept in a file? As a few arrays of all graphs, which give equal graphs again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from graph2nn.archgraph.calls import Call, call_from_json, call_to_json
from graph2nn.archgraph.graph import ArchGraph
from graph2nn.runs.tables.layouts import smallest_integers

__all__ = ["pack_graphs", "unpack_graphs"]

_NONE = -1  # stands for None among numbers that are not negative


def pack_graphs(graphs: Sequence[ArchGraph]) -> dict[str, np.ndarray]:
    """Lay graphs end to end in arrays of numbers, by name, for a file of any format.

    Everything of a graph is kept but what it remembers, calls of modules (`scopes`) and all
    `columns` but `values`, which `ArchGraph.save` keeps. Texts (names, operations, parameters) and
    vocabularies that several graphs share are kept once, in `texts`, as JSON in bytes. Integers
    have the smallest type that holds them.

    Args:
        graphs: The graphs, of any kinds.

    Returns:
        Arrays that `unpack_graphs` reads, one- or two-dimensional.

    Raises:
        ValueError: A call with an argument that cannot be kept, with the number of the graph.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> graph = unpack_graphs(pack_graphs([nb201_cell([1, 2, 3, 4, 0, 1])]))[0]
        >>> graph.name
        '|none~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|nor_conv_1x1~0|skip_connect~1|none~2|'
    """
    texts = _Numbered()
    vocabularies = _Numbered()
    named = [(name, g.param_shapes[name]) for g in graphs for name in g.param_shapes]
    numbers: dict[str, Any] = {
        "nodes": [g.num_nodes for g in graphs],
        "edges": [g.num_edges for g in graphs],
        "vocabulary": [vocabularies[g.ops] for g in graphs],
        "name": [texts[g.name] for g in graphs],
        "note": [texts[g.note] for g in graphs],
        "classes": [_NONE if g.num_classes is None else int(g.num_classes) for g in graphs],
        "output_count": [len(g.outputs) for g in graphs],
        "output": [int(node) for g in graphs for node in g.outputs],
        "called": [len(g.calls) > 0 for g in graphs],
        "call": _calls(graphs, texts),
        "returned": [
            _NONE if g.returned is None else texts[json.dumps(call_to_json(g.returned))]
            for g in graphs
        ],
        "op": _joined([g.op for g in graphs]),
        "cell": _joined([g.cell for g in graphs]),
        "shape": np.concatenate([np.zeros((0, 4), np.int64), *(g.shape for g in graphs)]),
        "edge": np.concatenate([np.zeros((2, 0), np.int64), *(g.edges for g in graphs)], axis=1),
        "param_count": [len(names) for g in graphs for names in g.params],
        "param": [texts[name] for g in graphs for names in g.params for name in names],
        "shaped_count": [len(g.param_shapes) for g in graphs],
        "shaped": [texts[name] for name, _ in named],
        "axes": [len(shape) for _, shape in named],
        "size": [int(n) for _, shape in named for n in shape],
        "valued": ["values" in g.columns for g in graphs],
        "values": _joined([g.numbers("values") for g in graphs if "values" in g.columns]),
    }
    arrays = {name: smallest_integers(np.asarray(values)) for name, values in numbers.items()}
    known = list(dict.fromkeys(name for g in graphs for name in g.attributes))
    rows = [[g.attributes.get(name) for name in known] for g in graphs]
    shape = (len(graphs), len(known))
    arrays["attribute"] = np.array(
        [[np.nan if x is None else float(x) for x in row] for row in rows], np.float64
    ).reshape(shape)
    arrays["has_attribute"] = np.array([[x is not None for x in r] for r in rows], bool).reshape(
        shape
    )
    parts = {"texts": list(texts), "vocabularies": list(vocabularies), "attributes": known}
    arrays["texts"] = np.frombuffer(json.dumps(parts).encode(), np.uint8)
    return arrays


def unpack_graphs(arrays: Mapping[str, np.ndarray]) -> list[ArchGraph]:
    """Make the graphs again from the arrays of `pack_graphs`.

    Args:
        arrays: Arrays by name; those of nodes (N, ...), of edges (2, E), of graphs (B, ...).

    Raises:
        ValueError: Arrays that do not fit together; says which.
    """
    try:
        return _unpacked(arrays)
    except KeyError as error:
        raise ValueError(f"the stored graphs are incomplete: no {error}") from None
    except (IndexError, TypeError, AttributeError, OverflowError, json.JSONDecodeError) as error:
        raise ValueError(f"the stored graphs are altered: {error}") from None


def _unpacked(arrays: Mapping[str, np.ndarray]) -> list[ArchGraph]:
    parts = json.loads(np.asarray(arrays["texts"]).tobytes())
    texts, vocabularies = parts["texts"], [tuple(ops) for ops in parts["vocabularies"]]
    _check(arrays, len(texts), [len(ops) for ops in vocabularies])
    wide = {n: np.asarray(arrays[n]).astype(np.int64) for n in ("op", "cell", "shape", "edge")}
    node, edge = _offsets(arrays["nodes"]), _offsets(arrays["edges"])
    names = [texts[k] for k in arrays["param"].tolist()]
    params = [tuple(names[a:b]) for a, b in _spans(arrays["param_count"])]
    sizes = arrays["size"].tolist()
    shapes = [tuple(sizes[a:b]) for a, b in _spans(arrays["axes"])]
    shaped = [texts[k] for k in arrays["shaped"].tolist()]
    outputs = arrays["output"].tolist()
    calls = iter(_called(arrays, texts))
    # Files of before calls were kept whole do not have it.
    returned = arrays.get("returned", np.full(len(arrays["nodes"]), _NONE))
    attributes = _attributes(arrays, parts["attributes"])
    columns = _columns(arrays)
    one = {n: arrays[n].tolist() for n in ("vocabulary", "name", "note", "classes", "called")}
    spans = zip(_spans(arrays["output_count"]), _spans(arrays["shaped_count"]))
    graphs = []
    for k, ((out, end), (first, last)) in enumerate(spans):
        here, edges = slice(node[k], node[k + 1]), slice(edge[k], edge[k + 1])
        graphs.append(
            ArchGraph(
                op=wide["op"][here].copy(),
                shape=wide["shape"][here].copy(),
                edges=wide["edge"][:, edges].copy(),
                params=tuple(params[here]),
                param_shapes=dict(zip(shaped[first:last], shapes[first:last])),
                cell=wide["cell"][here].copy(),
                ops=vocabularies[one["vocabulary"][k]],
                name=texts[one["name"][k]],
                num_classes=None if one["classes"][k] == _NONE else one["classes"][k],
                outputs=tuple(outputs[out:end]),
                note=texts[one["note"][k]],
                calls=next(calls) if one["called"][k] else (),
                returned=_call(returned[k], texts),
                attributes=attributes[k],
                columns=columns[k],
            )
        )
    return graphs


def _check(arrays: Mapping[str, np.ndarray], texts: int, words: Sequence[int]) -> None:
    """Whether all numbers point at something, so that no graph is made of others' parts."""
    count, nodes = len(arrays["nodes"]), int(arrays["nodes"].sum())
    called = int(arrays["nodes"][arrays["called"].astype(bool)].sum())
    lengths = {
        **dict.fromkeys(("edges", "vocabulary", "name", "note", "classes", "called"), count),
        **dict.fromkeys(("output_count", "shaped_count", "attribute", "has_attribute"), count),
        **dict.fromkeys(("op", "cell", "shape", "param_count"), nodes),
        **{"call": called, "output": arrays["output_count"].sum()},
        **{"param": arrays["param_count"].sum(), "shaped": arrays["shaped_count"].sum()},
        **{"axes": arrays["shaped_count"].sum(), "size": arrays["axes"].sum()},
    }
    for name, length in lengths.items():
        if len(arrays[name]) != length:
            raise ValueError(
                f"the stored graphs are altered: expected {length} numbers {name!r}, got "
                f"{len(arrays[name])}"
            )
    owner = np.repeat(np.arange(count), arrays["edges"])
    source, target = arrays["edge"].astype(np.int64).reshape(2, -1)
    own_words = np.repeat(np.array(words, dtype=np.int64)[arrays["vocabulary"]], arrays["nodes"])
    fits = {
        "edge": len(source) == len(owner) and _within(target, arrays["nodes"][owner]),
        "source": len(source) == len(target) and _within(source, target),
        "op": _within(arrays["op"], own_words),
        "shape": arrays["shape"].shape == (nodes, 4),
        **{name: _within(arrays[name], texts) for name in ("name", "note", "param", "shaped")},
    }
    for name, right in fits.items():
        if not right:
            raise ValueError(f"the stored graphs are altered: numbers {name!r} out of range")


def _within(values: np.ndarray, ends: Any) -> bool:
    return bool(((values >= 0) & (values < ends)).all())


def _calls(graphs: Sequence[ArchGraph], texts: _Numbered) -> list[int]:
    numbers = []
    for k, graph in enumerate(graphs):
        try:
            numbers += [
                _NONE if call is None else texts[json.dumps(call_to_json(call))]
                for call in graph.calls
            ]
        except ValueError as error:
            raise ValueError(f"graph {k} ({graph.name or 'unnamed'}): {error}") from None
    return numbers


def _called(arrays: Mapping[str, np.ndarray], texts: Sequence[str]) -> list[tuple]:
    """The calls of every graph that has some."""
    calls = [_call(k, texts) for k in arrays["call"]]
    counts = arrays["nodes"][arrays["called"].astype(bool)]
    return [tuple(calls[a:b]) for a, b in _spans(counts)]


def _call(text: int, texts: Sequence[str]) -> Call | None:
    return None if text == _NONE else call_from_json(json.loads(texts[text]))


def _attributes(arrays: Mapping[str, np.ndarray], names: Sequence[str]) -> list[dict[str, float]]:
    rows = zip(arrays["attribute"].tolist(), arrays["has_attribute"].tolist())
    return [
        {name: value for name, value, known in zip(names, values, there) if known}
        for values, there in rows
    ]


def _columns(arrays: Mapping[str, np.ndarray]) -> list[dict[str, np.ndarray]]:
    """The column `values` of every graph that has it; files of before it was kept do not."""
    nodes = arrays["nodes"].astype(np.int64)
    valued = np.asarray(arrays.get("valued", np.zeros(len(nodes)))).astype(bool)
    counts = nodes * valued
    values = np.asarray(arrays.get("values", np.zeros(0))).astype(np.int64)
    if len(valued) != len(nodes) or len(values) != counts.sum():
        raise ValueError(
            f"the stored graphs are altered: expected {counts.sum()} numbers 'values', got "
            f"{len(values)}"
        )
    return [
        {"values": values[a:b].copy()} if there else {}
        for there, (a, b) in zip(valued, _spans(counts))
    ]


class _Numbered(dict):
    """Distinct things, numbered in order of appearance."""

    def __missing__(self, key: Any) -> int:
        self[key] = len(self)
        return self[key]


def _offsets(counts: np.ndarray) -> list[int]:
    return [0, *np.cumsum(counts, dtype=np.int64).tolist()]


def _spans(counts: np.ndarray) -> Iterable[tuple[int, int]]:
    """Begin and end of every run of so many."""
    ends = _offsets(counts)
    return zip(ends[:-1], ends[1:])


def _joined(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.int64), *arrays])
