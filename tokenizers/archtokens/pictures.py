"""How do the tokens of a network look? As a table, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from archtokens.batch import EDGE, NODE, TokenBatch
from archtokens.tokenizer import GraphTokenizer
from graph2nn.archgraph import PRIMITIVES, ArchGraph
from graph2nn.archgraph.pictures.palette import style_of
from graph2nn.runs.figures import blank, figure_path, save_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_tokens", "token_rows"]

_WIDTH, _LINE = 10.0, 0.235  # of the picture, and of a line of words; inches
_LETTER, _MARGIN = 0.068, 0.09  # of a word at 7 points; inches
_GREY, _WHITE = "#d9dde3", "#ffffff"

Word = tuple[str, str, bool]  # text, colour, whether to write in white


def token_rows(tokenizer: GraphTokenizer, graph: ArchGraph) -> list[dict[str, Any]]:
    """List the tokens of a graph, a row each.

    Args:
        tokenizer: Tokenizer that knows the operations of the graph.
        graph: Graph of a network.

    Returns:
        Rows with the place of the token, its kind (special, node, edge), the token, the nodes `u`
        and `v` that it touches (None of a special one), and its identifiers and features by number.

    Raises:
        ValueError: As of the tokenizer.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> rows = token_rows(GraphTokenizer(), nb201_cell([2, 1, 0, 2, 4, 3]))
        >>> [row["token"] for row in rows][:4], rows[-1]["kind"]
        (['[graph]', 'input', 'conv_3x3', 'none'], 'edge')
    """
    return _rows(tokenizer, tokenizer([graph]))


def _rows(tokenizer: GraphTokenizer, batch: TokenBatch) -> list[dict[str, Any]]:
    rows = []
    for k in range(batch.length):
        kind = int(batch.kind[0, k])
        touched = kind in (NODE, EDGE)
        row: dict[str, Any] = {
            "place": k,
            "kind": {NODE: "node", EDGE: "edge"}.get(kind, "special"),
            "token": tokenizer.vocabulary[int(batch.token[0, k])],
            "u": int(batch.u[0, k]) if touched else None,
            "v": int(batch.v[0, k]) if touched else None,
        }
        for name, values in (("identifier", batch.identifiers), ("feature", batch.features)):
            row |= {f"{name}_{j}": v for j, v in enumerate(values[0, k].tolist())}
        rows.append(row)
    return rows


def draw_tokens(
    tokenizer: GraphTokenizer,
    graph: ArchGraph,
    path: str | Path | None = None,
    *,
    string: Sequence[str] = (),
    most: int = 400,
    title: str | None = None,
) -> Figure:
    """Draw the tokens of a graph in their order, with their identifiers below.

    Nodes have the colours of `graph2nn.archgraph.draw` and their number in front; edges are grey,
    `3→4`. The picture of the identifiers has a column a token and a line a number.

    Args:
        tokenizer: Tokenizer that knows the operations of the graph.
        graph: Graph of a network.
        path: File to write, `.png`, `.pdf` or `.svg`; None writes none.
        string: Tokens of the network's string (`ArchGrammar.encode`), which come first.
        most: Largest number of tokens that are written out; the others are counted.
        title: Title; None takes name and number of tokens; "" none.

    Raises:
        ValueError: As of the tokenizer, or a suffix of another format.

    Examples:
        >>> from graph2nn.cells import nb201_cell
        >>> figure = draw_tokens(GraphTokenizer(), nb201_cell([2, 1, 0, 2, 4, 3]), "tokens.png")
    """
    path = None if path is None else figure_path(path)
    batch = tokenizer([graph])
    rows = _rows(tokenizer, batch)
    blocks = [("string", [_string_word(token) for token in string])] if string else []
    tokens = [_token_word(row, graph) for row in rows[:most]]
    tokens += [(f"… and {len(rows) - most} more", _WHITE, False)] * (len(rows) > most)
    blocks.append((f"{len(rows)} tokens of the graph", tokens))
    figure = _written(blocks, tokenizer.identifier_width, batch, rows)
    nodes, edges = int(batch.nodes[0]), int(batch.edges[0])
    if title is None:
        title = f"{graph.name or 'graph'}: {nodes} nodes, {edges} edges"
    figure.suptitle(title, fontsize=10, y=1.0, va="bottom")
    if path is not None:
        save_figure(figure, path, tight=True)
    return figure


def _token_word(row: dict[str, Any], graph: ArchGraph) -> Word:
    if row["kind"] == "edge":
        return (f"{row['u']}→{row['v']}", _GREY, False)
    if row["kind"] == "special":
        return (row["token"], _WHITE, False)
    style = style_of(row["token"], primitive=graph.ops == PRIMITIVES)
    return (f"{row['u']} {row['token']}", style.colour, style.dark)


def _string_word(token: str) -> Word:
    """Operations have their family's colour; settings and places are grey and white."""
    name, _, value = token.strip("[]").partition(":")
    if name == "OP":
        style = style_of(value, primitive=False)
        return (token, style.colour, style.dark)
    return (token, _GREY if value else _WHITE, False)


def _written(
    blocks: Sequence[tuple[str, list[Word]]], width: int, batch: TokenBatch, rows: list[Any]
) -> Figure:
    """Blocks of words from top to bottom, and the identifiers below where there are any."""
    places = [_flow([text for text, _, _ in words]) for _, words in blocks]
    heights = [(found[-1][1] + 2) * _LINE + 0.12 for found in places]
    strip = 0.35 + 0.09 * width if width else 0.0
    total = sum(heights) + (strip + 0.7 if width else 0.0)
    figure = blank(_WIDTH, total)
    top = total
    for (label, words), found, height in zip(blocks, places, heights):
        top -= height
        ax = figure.add_axes((0, top / total, 1, height / total))
        _write(ax, label, words, found, height)
    if width:
        ax = figure.add_axes((0.08, 0.45 / total, 0.9, strip / total))
        _draw_identifiers(ax, batch, rows)
    return figure


def _flow(texts: Sequence[str]) -> list[tuple[float, int, float]]:
    """Left end, line and width of every word."""
    found, x, line = [], 0.0, 0
    for text in texts:
        width = _LETTER * len(text) + 2 * _MARGIN
        if x and x + width > _WIDTH:
            x, line = 0.0, line + 1
        found.append((x, line, width))
        x += width + 0.04
    return found


def _write(
    ax: Axes,
    label: str,
    words: Sequence[Word],
    places: Sequence[tuple[float, int, float]],
    height: float,
) -> None:
    from matplotlib.collections import PolyCollection

    ax.set(xlim=(0, _WIDTH), ylim=(height, 0))
    ax.axis("off")
    ax.text(0, 0.1, label, fontsize=8, fontweight="bold", va="center")
    boxes = []
    for (text, _, dark), (x, line, width) in zip(words, places):
        y = (line + 1) * _LINE
        boxes.append([(x, y), (x + width, y), (x + width, y + 0.19), (x, y + 0.19)])
        how: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7}
        ink = "white" if dark else "black"
        ax.text(x + width / 2, y + 0.097, text, color=ink, family="DejaVu Sans Mono", **how)
    colours = [colour for _, colour, _ in words]
    edges = ["none" if colour == _WHITE else "#30343a" for colour in colours]
    ax.add_collection(PolyCollection(boxes, facecolors=colours, edgecolors=edges, linewidths=0.4))


def _draw_identifiers(ax: Axes, batch: TokenBatch, rows: list[Any]) -> None:
    values = batch.identifiers[0].numpy().T
    limit, signed = float(np.abs(values).max()) or 1.0, bool((values < 0).any())
    how: dict[str, Any] = {"aspect": "auto", "interpolation": "nearest"}
    how["cmap"] = "RdBu_r" if signed else "YlGnBu"
    picture = ax.imshow(values, vmin=-limit if signed else 0, vmax=limit, **how)
    half = len(values) // 2
    ax.set_yticks([half / 2 - 0.5, 1.5 * half - 0.5], ["from u", "to v"])
    ax.axhline(half - 0.5, color="black", lw=0.8)
    first = next((row["place"] for row in rows if row["kind"] == "edge"), None)
    if first is not None:
        ax.axvline(first - 0.5, color="black", lw=0.8)
        ax.text(first, -0.8, "edges", fontsize=7, va="bottom")
    ax.text(0, -0.8, "nodes", fontsize=7, va="bottom")
    tidy(ax, x="place of the token", y="identifiers")
    ax.tick_params(length=0, labelsize=7)
    figure: Any = ax.figure
    bar = figure.colorbar(picture, ax=ax, pad=0.01, fraction=0.02)
    bar.ax.tick_params(labelsize=6)
