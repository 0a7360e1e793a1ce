"""The networks of a table: drawn from the spaces that it is of, every architecture once."""

from __future__ import annotations

from dataclasses import dataclass

from graph2nn.archgraph.graph import structural_hash
from graph2nn.deepnets.dataset import NetSource, eval_nets
from graph2nn.deepnets.graphs.splits import split_rules
from graph2nn.families import DEEPNETS, FAMILIES, FamilyMix, Net
from graph2nn.ground_truth.settings import GroundTruthSettings

__all__ = ["NetEntry", "draw_networks"]

_SPLITS = {"train": "val", "test": "test"}  # of DeepNets-1M, by half
_RESERVE = 1.3  # of the networks asked for: what may be drawn in place of repeated architectures


@dataclass(frozen=True, kw_only=True)
class NetEntry:
    """A network of a table.

    Args:
        net: What rebuilds it.
        name: Name of the network within the table.
        half: Half of the table: train or test.
        key: Structural hash of its graph.
    """

    net: Net
    name: str
    half: str
    key: str


def draw_networks(settings: GroundTruthSettings) -> list[NetEntry]:
    """Draw all networks of a table, the two halves in turns; none occurs twice.

    Networks of DeepNets-1M are those of its splits val and test, and are named after them. Those of
    a mixture with other families are named after the half: those to learn from are of the cells
    that hypernetworks train on, those to test on of the cells held out (`FamilyNets`).

    A network whose graph (operations, shapes, edges, parameters) has occurred before, in either
    half, is passed over. A longer table begins with the same networks.

    Raises:
        ValueError: Fewer different networks than asked for.
    """
    wanted = {"train": settings.train_networks, "test": settings.test_networks}
    limits = {half: round(count * _RESERVE) + 20 for half, count in wanted.items()}
    sources = {half: _source(settings, half, limit) for half, limit in limits.items()}
    entries: list[NetEntry] = []
    seen: set[str] = set()
    left = dict(wanted)
    for index in range(max(limits.values())):
        for half, (prefix, nets) in sources.items():
            if not left[half] or index >= limits[half]:
                continue
            net, graph = nets.item(index)
            key = structural_hash(graph)
            if key not in seen:
                seen.add(key)
                left[half] -= 1
                entries.append(NetEntry(net=net, name=f"{prefix}{index}", half=half, key=key))
    missing = {half: count for half, count in left.items() if count}
    if missing:
        raise ValueError(f"the rules give too few different networks; missing: {missing}")
    return entries


def _source(settings: GroundTruthSettings, half: str, count: int) -> tuple[str, NetSource]:
    """How the networks of a half are named, and where they come from."""
    weights = settings.weights
    if list(weights) == [DEEPNETS]:
        return _SPLITS[half], _deepnets(settings, _SPLITS[half], count)
    images, seed = settings.images, settings.network_seed
    kind = {
        "image_size": images.side,
        "num_classes": images.num_classes,
        "in_channels": images.channels,
    }
    sources: dict[str, NetSource] = {
        name: FAMILIES[name](seed, held_out=half == "test", **kind)
        for name in weights
        if name != DEEPNETS
    }
    if DEEPNETS in weights:
        sources[DEEPNETS] = _deepnets(settings, _SPLITS[half], count)
    return half, FamilyMix(sources, weights, seed)


def _deepnets(settings: GroundTruthSettings, split: str, count: int) -> NetSource:
    images = settings.images
    return eval_nets(
        split,
        count,
        settings.network_seed,
        image_size=images.side,
        num_classes=images.num_classes,
        rules=split_rules(split, image_size=images.side, small=settings.small),
    )
