"""`NetTable`: many network configurations as columns of small integers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from graph2nn.deepnets.graphs.config import OPS, Genotype, NetConfig
from graph2nn.deprecated import renamed_keywords

__all__ = ["NetTable"]

_NORMS: tuple[str | None, ...] = ("bnorm", None, "bn-track")
_VIT: tuple[bool | None, ...] = (None, False, True)
_OP_ID = {name: i for i, name in enumerate(OPS)}


@dataclass(eq=False, kw_only=True)
class NetTable:
    """Configurations of B networks; row i is materialised by `config(i)`.

    Axis 1 of the cell columns is normal, reduce. Unused places hold 0 (operation `none`).

    Args:
        steps: Number of steps of each cell.
        op, source: Operation (index into `OPS`) and input state of every edge, two a step.
        concat: States that are concatenated, bit s set where state s is part of the cell's output.
        n_cells, C, fc_dim, fc_layers, ks, C_mult, stem_type, stem_pool, preproc, glob_avg: Fields
            of the same name of `NetConfig`.
        norm: Normalisation, 0 "bnorm", 1 None, 2 "bn-track".
        vit: Whether it is a vision transformer, 0 decided by the operations, 1 no, 2 yes.
        num_params: Parameters at width 32, classifier width 256 and 10 classes for 32x32 and for
            224x224 images, the published `num_params`; 0 where unknown.
        num_nodes: Nodes of the graph; 0 where unknown.

    Shapes:
        steps (B, 2), op and source (B, 2, E), concat (B, 2), num_params (B, 2), others (B,).
    """

    steps: np.ndarray
    op: np.ndarray
    source: np.ndarray
    concat: np.ndarray
    n_cells: np.ndarray
    C: np.ndarray
    fc_dim: np.ndarray
    fc_layers: np.ndarray
    ks: np.ndarray
    C_mult: np.ndarray
    stem_type: np.ndarray
    stem_pool: np.ndarray
    preproc: np.ndarray
    glob_avg: np.ndarray
    norm: np.ndarray
    vit: np.ndarray
    num_params: np.ndarray
    num_nodes: np.ndarray

    def __len__(self) -> int:
        return len(self.n_cells)

    def columns(self) -> Iterator[tuple[str, np.ndarray]]:
        """Iterate over every (name, array)."""
        for f in fields(self):
            yield f.name, getattr(self, f.name)

    def take(self, rows: np.ndarray | slice) -> NetTable:
        """Select rows by a mask, indices or a slice, each (k,)."""
        return NetTable(**{name: column[rows] for name, column in self.columns()})

    @staticmethod
    def join(tables: Sequence[NetTable]) -> NetTable:
        """Put one table under the other; edges are padded to the widest."""
        width = max(t.op.shape[2] for t in tables)

        def pad(a: np.ndarray) -> np.ndarray:
            if a.ndim < 3 or a.shape[2] == width:
                return a
            return np.pad(a, ((0, 0), (0, 0), (0, width - a.shape[2])))

        return NetTable(
            **{
                f.name: np.concatenate([pad(getattr(t, f.name)) for t in tables])
                for f in fields(NetTable)
            }
        )

    def genotype(self, row: int) -> Genotype:
        """Return the genotype of one row."""
        cells: list[Any] = []
        for kind in (0, 1):
            edges = 2 * int(self.steps[row, kind])
            ops = self.op[row, kind, :edges].tolist()
            sources = self.source[row, kind, :edges].tolist()
            bits = int(self.concat[row, kind])
            cells.append(tuple((OPS[o], s) for o, s in zip(ops, sources)))
            cells.append(tuple(s for s in range(bits.bit_length()) if bits >> s & 1))
        return Genotype(*cells)

    @renamed_keywords(imsize="image_size")
    def config(
        self, row: int, *, image_size: int = 32, num_classes: int = 10, in_channels: int = 3
    ) -> NetConfig:
        """Return one row as a `NetConfig` for the given images and classes."""
        return NetConfig(
            genotype=self.genotype(row),
            n_cells=int(self.n_cells[row]),
            C=int(self.C[row]),
            num_classes=num_classes,
            ks=int(self.ks[row]),
            image_size=image_size,
            in_channels=in_channels,
            stem_type=int(self.stem_type[row]),
            stem_pool=bool(self.stem_pool[row]),
            is_vit=_VIT[self.vit[row]],
            norm=_NORMS[self.norm[row]],
            preproc=bool(self.preproc[row]),
            C_mult=int(self.C_mult[row]),
            fc_layers=int(self.fc_layers[row]),
            fc_dim=int(self.fc_dim[row]),
            glob_avg=bool(self.glob_avg[row]),
        )

    @staticmethod
    def empty(rows: int, edges: int) -> NetTable:
        """Make a table of zeros for networks of at most so many edges a cell."""
        small = {name: np.zeros(rows, np.uint8) for name in (*_PLAIN, "norm", "vit")}
        small["C"] = np.zeros(rows, np.uint16)
        small["fc_dim"] = np.zeros(rows, np.uint16)
        return NetTable(
            steps=np.zeros((rows, 2), np.uint8),
            op=np.zeros((rows, 2, edges), np.uint8),
            source=np.zeros((rows, 2, edges), np.uint8),
            concat=np.zeros((rows, 2), np.uint16),
            num_params=np.zeros((rows, 2), np.int64),
            num_nodes=np.zeros(rows, np.uint16),
            **small,
        )

    @staticmethod
    def of(configs: Sequence[NetConfig]) -> NetTable:
        """Make the table of some configurations; parameters and nodes are left unknown.

        Raises:
            ValueError: An unknown operation or norm, or states to concatenate out of order.
        """
        edges = max((len(e) for c in configs for e in c.genotype[::2]), default=2)
        table = NetTable.empty(len(configs), edges)
        for row, config in enumerate(configs):
            _fill_cells(table, row, config.genotype)
            if config.norm not in _NORMS:
                raise ValueError(
                    f"network {row}: norm {config.norm!r} cannot be stored; "
                    f"expected one of {_NORMS}"
                )
            table.norm[row] = _NORMS.index(config.norm)
            table.vit[row] = _VIT.index(config.is_vit)
            for name in _PLAIN:
                getattr(table, name)[row] = getattr(config, name)
        return table


_PLAIN = (
    "n_cells",
    "C",
    "fc_dim",
    "fc_layers",
    "ks",
    "C_mult",
    "stem_type",
    "stem_pool",
    "preproc",
    "glob_avg",
)


def _fill_cells(table: NetTable, row: int, genotype: Genotype) -> None:
    for kind in (0, 1):
        reduce = kind == 1
        pairs = genotype.reduce if reduce else genotype.normal
        states = genotype.reduce_concat if reduce else genotype.normal_concat
        if list(states) != sorted(set(states)) or (states and states[-1] > 15):
            raise ValueError(f"network {row}: expected ascending states below 16, got {states}")
        if len(pairs) > 28:
            raise ValueError(f"network {row}: expected at most 14 steps, got {len(pairs) // 2}")
        table.steps[row, kind] = len(pairs) // 2
        for edge, (op, source) in enumerate(pairs):
            if op not in _OP_ID:
                raise ValueError(f"network {row}: unknown operation {op!r}; expected one of {OPS}")
            table.op[row, kind, edge] = _OP_ID[op]
            table.source[row, kind, edge] = source
        table.concat[row, kind] = sum(1 << s for s in states)
