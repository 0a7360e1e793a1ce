"""The networks of a table: drawn from DeepNets-1M's evaluation sets, every architecture once."""

from __future__ import annotations

from dataclasses import dataclass

from graph2nn.archgraph.graph import structural_hash
from graph2nn.deepnets.as_archgraph import build_graph
from graph2nn.deepnets.campaign.settings import GroundTruthSettings
from graph2nn.deepnets.dataset import NetDataset, eval_nets
from graph2nn.deepnets.graphs.config import NetConfig
from graph2nn.deepnets.graphs.splits import split_rules

__all__ = ["HALVES", "NetEntry", "draw_networks"]

HALVES = {"val": "train", "test": "test"}
"""The half of the table that networks of a DeepNets-1M split make."""

_RESERVE = 1.3  # of the networks asked for: what may be drawn in place of repeated architectures


@dataclass(frozen=True, kw_only=True)
class NetEntry:
    """A network of a table.

    Args:
        config: Configuration that rebuilds it.
        source, index: Place in `eval_nets(source, ...)`.
        key: Structural hash of its graph.
    """

    config: NetConfig
    source: str
    index: int
    key: str

    @property
    def name(self) -> str:
        """Name of the network within the table."""
        return f"{self.source}{self.index}"

    @property
    def half(self) -> str:
        """Half of the table: train or test."""
        return HALVES[self.source]


def draw_networks(settings: GroundTruthSettings) -> list[NetEntry]:
    """Draw all networks of a table, the two halves in turns; none occurs twice.

    A network whose graph (operations, shapes, edges, parameters) has occurred before, in either
    half, is passed over. A longer table begins with the same networks.

    Raises:
        ValueError: Fewer different networks than asked for.
    """
    wanted = {"val": settings.train_networks, "test": settings.test_networks}
    drawn = {source: _nets(settings, source, count) for source, count in wanted.items()}
    entries: list[NetEntry] = []
    seen: set[str] = set()
    left = dict(wanted)
    for index in range(max(map(len, drawn.values()))):
        for source, nets in drawn.items():
            if not left[source] or index >= len(nets):
                continue
            key = structural_hash(build_graph(nets[index]))
            if key not in seen:
                seen.add(key)
                left[source] -= 1
                entries.append(NetEntry(config=nets[index], source=source, index=index, key=key))
    missing = {HALVES[source]: count for source, count in left.items() if count}
    if missing:
        raise ValueError(f"the rules give too few different networks; missing: {missing}")
    return entries


def _nets(settings: GroundTruthSettings, source: str, count: int) -> NetDataset:
    images = settings.images
    return eval_nets(
        source,
        round(count * _RESERVE) + 20,
        settings.network_seed,
        image_size=images.side,
        num_classes=images.num_classes,
        rules=split_rules(source, image_size=images.side, small=settings.small),
    )
