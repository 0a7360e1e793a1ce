"""The network side of hypernetwork training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ghn.training.config import TrainConfig
from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import (
    EndlessNets,
    MetaBatches,
    NetDataset,
    NetStore,
    PublishedNets,
    build_graph,
    eval_nets,
    split_rules,
)
from graph2nn.deepnets.dataset import NetSource
from graph2nn.families import FAMILIES, FamilyMix, Net, parse_families
from graph2nn.families.mixture import DEEPNETS, choose_family
from graph2nn.runs import Workers

__all__ = ["evaluation_nets", "mixed_evaluation_nets", "nets_from_file", "training_nets"]


def training_nets(
    config: TrainConfig, workers: Workers, *, start: int, cutoff: int, **images: int
) -> MetaBatches:
    """Make the meta-batches for this process from batch `start` on.

    `images` describes the data set.
    """
    assert config.meta_batch_size is not None
    return MetaBatches(
        _source(config, **images),
        config.meta_batch_size,
        max_nodes=config.max_nodes,
        seed=config.seed,
        rank=workers.rank,
        world=workers.world,
        cutoff=cutoff,
        start=start,
        num_workers=config.num_workers,
    )


def _source(config: TrainConfig, **images: int) -> NetSource:
    """Networks of one family, or of several mixed."""
    weights = parse_families(config.families)
    sources: dict[str, NetSource] = {
        name: FAMILIES[name](config.seed, **images) for name in weights if name != DEEPNETS
    }
    if DEEPNETS in weights:
        sources[DEEPNETS] = _deepnets(config, **images)
    if len(sources) == 1:
        return sources.popitem()[1]
    return FamilyMix(sources, weights, config.seed)


def _deepnets(config: TrainConfig, **images: int) -> NetSource:
    if config.nets:
        return nets_from_file(config.nets, config.split, config.num_nets, **images)
    changes = {} if config.normfree is None else {"normfree_rate": config.normfree}
    rules = split_rules(
        config.split, image_size=images["image_size"], small=config.small, **changes
    )
    return EndlessNets(config.split, config.seed, rules=rules, **images)


def nets_from_file(path: str, split: str, limit: int, **images: Any) -> Any:
    """Read networks of a compact store or of the published files.

    The latter are meant where `path` is a folder or has metadata beside it. Widths are drawn anew
    at every access, as in the published training.
    """
    widths = split_rules(split, image_size=images["image_size"]).widths
    file = Path(path)
    if file.is_dir() or file.with_name(f"{file.stem}_meta.json").is_file():
        return PublishedNets(file, split, widths=widths, **images)
    store: NetDataset = NetStore(file, widths=widths, **images)
    return store[:limit] if limit < len(store) else store


def evaluation_nets(
    split: str, count: int, *, seed: int = 0, small: bool | None = None, **images: int
) -> Sequence[tuple[Net, ArchGraph]]:
    """Draw the first `count` networks of a split's fixed evaluation set, with their graphs.

    A name in `FAMILIES` is the split of that family that is held out from training. `small` is that
    of `graph2nn.deepnets.split_rules`; the rules of `predefined` are its own.
    """
    if split in FAMILIES:
        source = FAMILIES[split](seed, held_out=True, **images)
        return [source.item(index) for index in range(count)]
    rules = None
    if split != "predefined":
        rules = split_rules(split, image_size=images["image_size"], small=small)
    nets = eval_nets(split, count, seed, rules=rules, **images)
    return [(config, build_graph(config)) for config in nets]


def mixed_evaluation_nets(
    families: str, split: str, count: int, *, small: bool | None = None, **images: int
) -> Sequence[tuple[Net, ArchGraph]]:
    """Draw networks of a mixture that are not trained on: of DeepNets those of `split`.

    Args:
        families: Families with their weights, see `parse_families`.
        split, count, small, images: Arguments of `evaluation_nets`.
    """
    weights = parse_families(families)
    drawn = [choose_family(weights, 0, index) for index in range(count)]
    found = {
        name: iter(
            evaluation_nets(
                split if name == DEEPNETS else name, drawn.count(name), small=small, **images
            )
        )
        for name in weights
    }
    return [next(found[name]) for name in drawn]
