"""The language of DeepNets-1M networks (arXiv:2110.13100): `NetConfig` as decisions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from archtokens.grammar.derivation import Choices, NotInLanguage, Picker
from archtokens.grammar.isomorphism import canonical_config
from archtokens.grammar.liveness import completable
from archtokens.grammar.space import Space, symbols
from archtokens.grammar.vocabulary import Vocabulary, vocabulary_file
from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import Genotype, NetConfig, Network, build_graph
from graph2nn.deepnets.graphs.config import OPS
from graph2nn.deprecated import renamed_keywords

__all__ = ["DeepNetsRules", "DeepNetsSpace", "deepnets_tokens"]

_CELLS, _STEPS = (4, 36), (1, 10)
_NORMS = ("bnorm", None, "bn-track")
_KERNELS = (3, 5, 7)
_WIDTHS = (8, 16, 24, 32, 48, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512)
_FC_DIMS = (32, 64, 128, 192, 256, 320, 384, 448, 512)
_ORDERED_OPS = (*OPS[1:], "none")  # the first entry is what an ended string falls back on


@renamed_keywords(imsize="image_size")
@dataclass(frozen=True, kw_only=True)
class DeepNetsRules:
    """Which networks the language has. A list of one value needs no token.

    Args:
        cells: Smallest and largest number of cells.
        steps: Smallest and largest number of steps of a cell.
        factors: Values of `C_mult`.
        norms: Normalisations; "bn-track" is not among the sampled ones of DeepNets-1M.
        stems: Stem types.
        kernels: Kernel sizes of the first convolution.
        fc_layers: Numbers of fully connected layers.
        ops: Operations.
        widths: Values of `C`.
        fc_dims: Widths of the hidden classifier layer.
        image_size, num_classes, in_channels: The images that all networks of the language are for.

    Raises:
        ValueError: No value, or one that the vocabulary has no token for.
    """

    cells: tuple[int, int] = _CELLS
    steps: tuple[int, int] = _STEPS
    factors: tuple[int, ...] = (1, 2)
    norms: tuple[str | None, ...] = ("bnorm", None)
    stems: tuple[int, ...] = (0, 1)
    kernels: tuple[int, ...] = _KERNELS
    fc_layers: tuple[int, ...] = (1, 2)
    ops: tuple[str, ...] = OPS
    widths: tuple[int, ...] = _WIDTHS
    fc_dims: tuple[int, ...] = _FC_DIMS
    image_size: int = 32
    num_classes: int = 10
    in_channels: int = 3

    def __post_init__(self) -> None:
        for name, (low, high) in (("cells", _CELLS), ("steps", _STEPS)):
            first, last = getattr(self, name)
            if not low <= first <= last <= high:
                raise ValueError(
                    f"{name}: expected {low} <= smallest <= largest <= {high}, got {first}, {last}"
                )
        for name, known in _LISTS.items():
            values = getattr(self, name)
            bad = [value for value in values if value not in known]
            if bad or not values:
                raise ValueError(f"{name}: expected some of {known}, got {values}")
        if set(self.ops) == {"none"}:
            raise ValueError("ops: expected an operation other than none")


_LISTS: dict[str, tuple[Any, ...]] = {
    "factors": (1, 2),
    "norms": _NORMS,
    "stems": (0, 1),
    "kernels": _KERNELS,
    "fc_layers": (1, 2),
    "ops": OPS,
    "widths": _WIDTHS,
    "fc_dims": _FC_DIMS,
}


def deepnets_tokens() -> list[str]:
    """List the vocabulary in the order that its file keeps."""
    kinds: list[tuple[str, Iterable[Any]]] = [
        ("CELLS", range(_CELLS[0], _CELLS[1] + 1)),
        ("STEPS", range(_STEPS[0], _STEPS[1] + 1)),
        ("MULT", (1, 2)),
        ("NORM", _NORMS),
        ("STEM", (0, 1)),
        ("POOL", (0, 1)),
        ("KS", _KERNELS),
        ("PREPROC", (0, 1)),
        ("FC", (1, 2)),
        ("CAT", (0, 1)),
        ("IN", range(_STEPS[1] + 1)),
        ("OP", _ORDERED_OPS),
        ("AVG", (0, 1)),
        ("C", _WIDTHS),
        ("FCDIM", _FC_DIMS),
    ]
    return [f"[{kind}:{value}]" for kind, values in kinds for value in values]


class DeepNetsSpace(Space):
    """`NetConfig`s whose two cells have the same steps and concatenate the same states.

    The walk: cells, steps, C_mult, norm, stem, stem pooling, kernel, preprocessing, classifier
    layers; a bit a step for the concatenation (the last step is always in it); normal cell and
    reduction cell, an input and an operation at a time; global pooling, C, classifier width.

    What depends on the prefix, and so makes each string a network that runs:
      * an input is an earlier state, and the two of a step differ;
      * pooling in the stem needs stem 0; without preprocessing, one step and C_mult 1;
      * `none` is offered unless it would cut the output from the image (see `liveness`);
      * a network with `msa` has global pooling.

    Against the sampling rules of DeepNets-1M, `none` may also occur in cells of one step, as in
    the published vision transformer.
    """

    name = "deepnets"

    def __init__(self, rules: DeepNetsRules | None = None) -> None:
        self.rules = r = rules or DeepNetsRules()
        self.vocabulary = v = Vocabulary.load(vocabulary_file(), "deepnets")
        self._head = [
            (symbols(v, kind, values), (key,))
            for kind, key, values in (
                ("CELLS", "n_cells", range(r.cells[0], r.cells[1] + 1)),
                ("STEPS", "steps", range(r.steps[0], r.steps[1] + 1)),
                ("MULT", "C_mult", r.factors),
                ("NORM", "norm", r.norms),
                ("STEM", "stem_type", r.stems),
            )
        ]
        self._pool, self._no_pool = symbols(v, "POOL", (False, True)), symbols(v, "POOL", (False,))
        self._preproc = symbols(v, "PREPROC", (True, False))
        self._must_preproc = symbols(v, "PREPROC", (True,))
        self._ks, self._fc = symbols(v, "KS", r.kernels), symbols(v, "FC", r.fc_layers)
        self._cat, self._must_cat = symbols(v, "CAT", (True, False)), symbols(v, "CAT", (True,))
        ops = [op for op in _ORDERED_OPS if op in r.ops]
        self._ops = symbols(v, "OP", ops)
        self._filler = "none" if "none" in ops else ops[0]
        self._passing = symbols(v, "OP", [op for op in ops if op != "none"])
        self._avg, self._must_avg = symbols(v, "AVG", (True, False)), symbols(v, "AVG", (True,))
        self._widths, self._fc_dims = symbols(v, "C", r.widths), symbols(v, "FCDIM", r.fc_dims)
        self._inputs: dict[tuple[int, int], Choices] = {}

    def derive(self, picker: Picker) -> dict[str, Any]:
        pick = picker.pick
        cells, steps, factor, norm, stem = (pick(*decision) for decision in self._head)
        pool = pick(self._pool if stem == 0 else self._no_pool, ("stem_pool",))
        ks = pick(self._ks, ("ks",))
        bound = steps > 1 or factor > 1
        preproc = pick(self._must_preproc if bound else self._preproc, ("preproc",))
        fc_layers = pick(self._fc, ("fc_layers",))
        bits = [pick(self._cat, ("concat", s)) for s in range(steps - 1)]
        bits.append(pick(self._must_cat, ("concat", "last")))
        normal, mask = self._cell(picker, "normal", cells, bits, None)
        reduce, _ = self._cell(picker, "reduce", cells, bits, mask)
        vit = any(op == "msa" for op, _ in normal + reduce)
        glob_avg = pick(self._must_avg if vit else self._avg, ("glob_avg",))
        concat = tuple(2 + s for s, bit in enumerate(bits) if bit)
        return {
            "genotype": Genotype(tuple(normal), concat, tuple(reduce), concat),
            "n_cells": cells,
            "C": pick(self._widths, ("C",)),
            "ks": ks,
            "stem_type": stem,
            "stem_pool": pool,
            "norm": norm,
            "preproc": preproc,
            "C_mult": factor,
            "fc_layers": fc_layers,
            "fc_dim": pick(self._fc_dims, ("fc_dim",)),
            "glob_avg": glob_avg,
        }

    def _cell(
        self, picker: Picker, half: str, n_cells: int, bits: Sequence[bool], normal: int | None
    ) -> tuple[list[tuple[str, int]], int]:
        """Edges of a cell, and the mask of inputs on which its output depends."""
        pick = picker.pick
        edges: list[tuple[str, int]] = []
        masks, output = [1, 2], 0
        for step, bit in enumerate(bits):
            last = step == len(bits) - 1
            # Where the network lives without this step, anything may fill it.
            free = not last or completable(n_cells, normal, output, ())
            seen, first = (output if last else 0), -1
            for side in (0, 1):
                rest = masks if side == 0 else ()
                sources, ops = self._sources(step + 2, first), self._ops
                if not free:
                    sources = self._bridging(sources, n_cells, normal, seen, masks, rest)
                source = pick(sources, ("in", half, step, side))
                if not free and not completable(n_cells, normal, seen, _without(rest, source)):
                    ops = self._passing
                op = pick(ops, ("op", half, step, side))
                if op != "none":
                    seen |= masks[source]
                edges.append((op, source))
                first = source
            masks.append(seen)
            if last or bit:
                output |= seen
        return edges, output

    def _sources(self, count: int, first: int) -> Choices:
        """The states before a step, without the step's first input."""
        key = (count, first)
        if key not in self._inputs:
            states = [i for i in range(count) if i != first]
            self._inputs[key] = symbols(self.vocabulary, "IN", states)
        return self._inputs[key]

    def _bridging(
        self,
        sources: Choices,
        n_cells: int,
        normal: int | None,
        seen: int,
        masks: Sequence[int],
        rest: Sequence[int],
    ) -> Choices:
        """The inputs of the last step with which the network can still be connected."""
        admitted = [
            i
            for i in sources.values
            if completable(n_cells, normal, seen | masks[i], _without(rest, i))
        ]
        if len(admitted) == len(sources.values):
            return sources
        return symbols(self.vocabulary, "IN", admitted)

    def build(self, recipe: dict[str, Any]) -> NetConfig:
        r = self.rules
        return NetConfig(
            **recipe, image_size=r.image_size, num_classes=r.num_classes, in_channels=r.in_channels
        )

    def answers(self, x: NetConfig) -> Iterable[Any]:
        _check(x, self.rules)
        g = x.genotype
        steps = len(g.normal) // 2
        bits = [2 + s in g.normal_concat for s in range(steps)]
        edges = [value for op, source in g.normal + g.reduce for value in (source, op)]
        head = [x.n_cells, steps, x.C_mult, x.norm, x.stem_type, x.stem_pool, x.ks, x.preproc]
        return [*head, x.fc_layers, *bits, *edges, x.glob_avg, x.C, x.fc_dim]

    def canonical(self, x: NetConfig) -> NetConfig:
        """Reduce networks that compute the same to one form.

        They differ only in the numbering of steps, the order of sums, operations that never run,
        and settings without effect: the classifier width of a linear classifier; kernel, stem and
        pooling of a vision transformer.
        """
        self.answers(x)  # refuses what is not of the language
        r = self.rules
        inert: dict[str, Any] = {}
        if x.fc_layers == 1:
            inert["fc_dim"] = r.fc_dims[0]
        if x.vit:
            inert |= {"ks": r.kernels[0], "stem_type": r.stems[0], "stem_pool": False}
        return canonical_config(x, min_steps=r.steps[0], filler=self._filler, **inert)

    def equal(self, x: NetConfig, y: NetConfig) -> bool:
        return x == y

    def graph(self, x: NetConfig) -> ArchGraph:
        return build_graph(x)

    def network(self, x: NetConfig, **options: Any) -> nn.Module:
        return Network(x, **options)


def _without(masks: Sequence[int], state: int) -> list[int]:
    return [mask for k, mask in enumerate(masks) if k != state]


def _check(x: NetConfig, rules: DeepNetsRules) -> None:
    """Raise NotInLanguage for what the walk cannot see."""
    if not isinstance(x, NetConfig):
        raise NotInLanguage(f"deepnets: expected a NetConfig, got {type(x).__name__}")
    for name in ("image_size", "num_classes", "in_channels"):
        if getattr(x, name) != getattr(rules, name):
            raise NotInLanguage(
                f"{name}: this grammar is for {getattr(rules, name)}, the network for "
                f'{getattr(x, name)}; use ArchGrammar("deepnets", {name}={getattr(x, name)})'
            )
    if x.is_vit is not None or x.auxiliary:
        raise NotInLanguage("expected is_vit None (decided by msa) and no auxiliary head")
    g = x.genotype
    if len(g.normal) != len(g.reduce) or g.normal_concat != g.reduce_concat:
        raise NotInLanguage(
            "genotype: expected cells with the same steps and concatenated states, got "
            f"{len(g.normal) // 2} and {len(g.reduce) // 2} steps, {g.normal_concat} and "
            f"{g.reduce_concat}"
        )
    if list(g.normal_concat) != sorted(set(g.normal_concat)) or min(g.normal_concat) < 2:
        raise NotInLanguage(
            f"genotype: expected steps in ascending order in concat, got {g.normal_concat}"
        )
