"""Which pre-trained encoder a `TART` starts from."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from graph2nn.archgraph import ArchGraph
from graph2nn.runs.pretrained import find_pretrained, manifest_entries
from predictors.tart.pretraining import PretrainedEncoder, PretrainSettings, pretrain

__all__ = ["SHIPPED", "find_encoder"]

SHIPPED: tuple[str, ...] = ("tart-cells", "tart-deepnets")
"""Names of the shipped encoders in the manifest of checkpoints; the first that covers counts."""

_QUICK = 400_000  # nodes seen in a pre-training on the training graphs, about


def find_encoder(
    choice: str | Path | PretrainedEncoder,
    graphs: Sequence[ArchGraph],
    *,
    seed: int = 0,
    progress: bool = False,
) -> PretrainedEncoder | None:
    """Find the encoder of a choice.

    Args:
        choice: An encoder, a checkpoint, one of `SHIPPED`, or "auto" (a shipped one that was
            trained on all of the graphs' operations, else as "fit"), "fit" (pre-train on `graphs`)
            or "none".
        graphs: Training graphs.
        seed, progress: Seed and progress bar of pre-training.

    Raises:
        FileNotFoundError, ValueError: A checkpoint that is not there or is none.
    """
    if isinstance(choice, PretrainedEncoder):
        return choice
    if choice == "none":
        return None
    if choice == "auto":
        for shipped in map(_shipped, SHIPPED):
            if shipped is not None and _covers(shipped, graphs):
                return shipped
    if choice in ("auto", "fit"):
        return pretrain(graphs, settings=_quick(graphs), seed=seed, progress=progress)
    named = str(choice) in SHIPPED and not Path(choice).is_file()
    return PretrainedEncoder.load(find_pretrained(str(choice)) if named else choice)


def _covers(encoder: PretrainedEncoder, graphs: Sequence[ArchGraph]) -> bool:
    """Whether all operations were in what the encoder was trained on."""
    known = {*encoder.card["ops"], "none"}  # pruned away before it is read
    return {op for graph in graphs for op in set(graph.op_names())} <= known


def _quick(graphs: Sequence[ArchGraph]) -> PretrainSettings:
    nodes = sum(graph.num_nodes for graph in graphs)
    return PretrainSettings(epochs=max(3, min(100, _QUICK // nodes)), batch_size=32)


@lru_cache
def _shipped(name: str) -> PretrainedEncoder | None:
    if name not in manifest_entries():
        return None  # $NETWRIGHT_CHECKPOINTS names a folder without it
    try:
        path = find_pretrained(name)
    except FileNotFoundError:
        return None  # a manifest alone
    return PretrainedEncoder.load(path)
