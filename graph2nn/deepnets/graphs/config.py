"""`Genotype` and `NetConfig`: everything that determines a DeepNets-1M network, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any, NamedTuple

from graph2nn.deprecated import renamed_attribute, renamed_keywords

__all__ = ["Genotype", "NetConfig", "OPS"]

OPS: tuple[str, ...] = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "conv_1x1",
    "conv_7x1_1x7",
    "conv_3x3",
    "conv_5x5",
    "conv_7x7",
    "msa",
    "cse",
)
"""Operations of a cell's edges, in the order in which they are sampled."""

Edges = tuple[tuple[str, int], ...]


class Genotype(NamedTuple):
    """A cell structure (DARTS, arXiv:1806.09055; DeepNets-1M, arXiv:2110.13100).

    `normal` and `reduce` hold two `(operation, input state)` pairs per step: states 0 and 1 are the
    outputs of the two previous cells (0 the older one), state 2 + i the output of step i. The
    `concat` tuples list the states whose channels make the cell's output.
    """

    normal: Edges
    normal_concat: tuple[int, ...]
    reduce: Edges
    reduce_concat: tuple[int, ...]

    @classmethod
    def of(cls, value: Any) -> Genotype:
        """Read a genotype from a mapping or sequence of four lists, as in JSON."""
        parts = [value[k] for k in cls._fields] if isinstance(value, Mapping) else list(value)
        normal, normal_concat, reduce, reduce_concat = parts
        return cls(
            tuple((str(op), int(i)) for op, i in normal),
            tuple(int(i) for i in normal_concat),
            tuple((str(op), int(i)) for op, i in reduce),
            tuple(int(i) for i in reduce_concat),
        )

    def uses(self, *ops: str) -> bool:
        """Tell whether any of `ops` occurs in the normal or the reduction cell."""
        return any(op in ops for op, _ in self.normal + self.reduce)


@lru_cache(maxsize=4096)
def _check_cell(half: str, edges: Edges, concat: tuple[int, ...]) -> None:
    if not edges or len(edges) % 2:
        raise ValueError(f"genotype.{half}: expected two edges per step, got {len(edges)} edges")
    for j, (op, state) in enumerate(edges):
        if op not in OPS:
            raise ValueError(f"genotype.{half}[{j}]: unknown operation {op!r}; one of {OPS}")
        if not 0 <= state < 2 + j // 2:
            raise ValueError(
                f"genotype.{half}[{j}]: input state {state} does not exist before step {j // 2}; "
                f"expected 0 to {1 + j // 2}"
            )
    states = 2 + len(edges) // 2
    if not concat or not all(0 <= i < states for i in concat):
        raise ValueError(
            f"genotype.{half}_concat: expected states among 0 to {states - 1}, got {concat}"
        )


_KEYS = {"image_size": "imsize"}  # of the published metadata, and of tables of networks


@renamed_keywords(imsize="image_size")
@dataclass(frozen=True, kw_only=True)
class NetConfig:
    """Arguments of `Network`; a value that can be hashed, compared and stored as JSON.

    Args:
        genotype: Structure of the normal and reduction cells.
        n_cells: Number of cells.
        C: Initial width (channels), even.
        num_classes: Size of the output.
        ks: Kernel size of the first convolution.
        image_size: Side of the square input images in pixels; from 128 on the stems and heads are
            those for ImageNet.
        in_channels: Channels of the input images.
        stem_type: Kind of stem, 0 simple, 1 ImageNet-style; ignored by vision transformers.
        stem_pool: Whether there is max-pooling after the simple stem.
        is_vit: Whether the network has a patch stem and no strides in cells; None means "some
            operation is msa".
        norm: Normalisation, "bnorm" (batch statistics only), "bn-track" (running statistics) or
            None.
        preproc: Whether there is a 1x1 preprocessing of cell inputs.
        C_mult: Width factor at reduction cells, 1 or 2.
        fc_layers: Number of fully connected layers of the classifier; 0 and 1 mean the same.
        fc_dim: Width of the hidden layers of the classifier.
        glob_avg: Whether there is global average pooling before the classifier, else flattening.
        auxiliary: Whether there is an auxiliary head after the second reduction (training only).

    Raises:
        ValueError: A genotype or argument that no network can be built from.
    """

    genotype: Genotype
    n_cells: int
    C: int = 32
    num_classes: int = 10
    ks: int = 3
    image_size: int = 32
    in_channels: int = 3
    stem_type: int = 0
    stem_pool: bool = False
    is_vit: bool | None = None
    norm: str | None = "bnorm"
    preproc: bool = True
    C_mult: int = 2
    fc_layers: int = 1
    fc_dim: int = 64
    glob_avg: bool = True
    auxiliary: bool = False

    imsize = renamed_attribute("image_size")

    def __post_init__(self) -> None:
        g = self.genotype
        _check_cell("normal", g.normal, g.normal_concat)
        _check_cell("reduce", g.reduce, g.reduce_concat)
        _require(self.n_cells >= 1, "n_cells", "at least 1", self.n_cells)
        _require(self.C >= 2 and self.C % 2 == 0, "C", "an even number from 2", self.C)
        if self.C < 8 and g.uses("msa"):
            raise ValueError(f"NetConfig.C: expected at least 8 for msa with 8 heads, got {self.C}")
        _require(self.num_classes >= 1, "num_classes", "at least 1", self.num_classes)
        _require(self.ks >= 1 and self.ks % 2 == 1, "ks", "an odd number", self.ks)
        _require(self.image_size >= 1, "image_size", "at least 1 pixel", self.image_size)
        _require(self.in_channels >= 1, "in_channels", "at least 1", self.in_channels)
        _require(self.stem_type in (0, 1), "stem_type", "0 or 1", self.stem_type)
        _require(self.C_mult in (1, 2), "C_mult", "1 or 2", self.C_mult)
        norm = self.norm or ""
        _require(norm in ("", "none") or norm[:2] == "bn", "norm", "None or 'bn...'", self.norm)
        hidden = self.fc_layers > 1
        _require(not hidden or self.fc_dim >= 1, "fc_dim", "at least 1", self.fc_dim)
        wide = max(len(g.normal_concat), len(g.reduce_concat)) > 1 or self.C_mult > 1
        if wide and not self.preproc:
            raise ValueError(
                "preproc: expected True, because cells change the width here (concat of several "
                "states or C_mult 2); got False"
            )

    @classmethod
    @renamed_keywords(imsize="image_size")
    def from_json(cls, entry: Mapping[str, Any], **overrides: Any) -> NetConfig:
        """Make a configuration from a net of a published metadata file or the output of `to_json`.

        Keys that are not arguments (`num_nodes`, `num_params`) are ignored; a missing width `C` is
        32, as in the published generator. `overrides` win over the entry.
        """
        keys = {_KEYS.get(f.name, f.name): f.name for f in fields(cls)}
        args = {keys[k]: v for k, v in entry.items() if k in keys} | overrides
        args["genotype"] = Genotype.of(args["genotype"])
        return cls(**args)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-able values; `NetConfig.from_json` inverts it."""
        args = {_KEYS.get(f.name, f.name): getattr(self, f.name) for f in fields(self)}
        genotype = self.genotype._asdict()
        args["genotype"] = {
            k: [list(e) if isinstance(e, tuple) else e for e in v] for k, v in genotype.items()
        }
        return args

    @property
    def imagenet_input(self) -> bool:
        """Whether stems and heads are those for large images."""
        return self.image_size >= 128

    @property
    def vit(self) -> bool:
        """`is_vit` with its default resolved."""
        return self.genotype.uses("msa") if self.is_vit is None else self.is_vit

    @property
    def has_norm(self) -> bool:
        """Whether cells and stems are normalised."""
        return self.norm not in (None, "", "none")

    def with_(self, **changes: Any) -> NetConfig:
        """Copy the configuration with some fields changed."""
        return replace(self, **changes)


def _require(ok: bool, name: str, expected: str, got: Any) -> None:
    if not ok:
        raise ValueError(f"NetConfig.{name}: expected {expected}, got {got!r}")
