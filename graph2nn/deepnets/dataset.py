"""Sets and endless streams of networks, and the meta-batches a hypernetwork is trained on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence, Sized
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from graph2nn.archgraph.graph import ArchGraph
from graph2nn.deepnets.as_archgraph import build_graph, num_nodes
from graph2nn.deepnets.graphs.config import NetConfig
from graph2nn.deepnets.graphs.config_table import NetTable
from graph2nn.deepnets.graphs.genotypes import ViT
from graph2nn.deepnets.graphs.sampling import draw_table_widths, sample_table
from graph2nn.deepnets.graphs.splits import SPLITS, SplitRules, WidthRule, split_rules
from graph2nn.deprecated import renamed_keywords
from graph2nn.names import choose

__all__ = [
    "EVAL_CHUNK",
    "EndlessNets",
    "MetaBatch",
    "MetaBatches",
    "NetDataset",
    "NetSource",
    "eval_chunk",
    "eval_net",
    "eval_nets",
]

EVAL_CHUNK = 100
"""Networks of an evaluation set drawn from one random stream; longer sets begin with shorter."""

_EVAL, _TRAIN = 0, 1  # first part of a random stream's key
_CACHED_CHUNKS = 8


class NetSource(Protocol):
    """What `MetaBatches` needs: a finite source has `__len__` besides.

    Networks are configurations here; other families have something of their own in their place.
    """

    def item(self, index: int, rng: np.random.Generator | None = None) -> tuple[Any, ArchGraph]:
        """Return network `index` and its graph.

        `rng` is for a source that draws widths on access.
        """
        ...

    def num_nodes(self, index: int) -> int:
        """Count the nodes of the graph of network `index`."""
        ...


def _rng(split: str, seed: int, *key: int) -> np.random.Generator:
    """Independent generators: the key of a training stream never equals one of an evaluation."""
    # The networks of `wide` are those of `test`, wider: they share the random numbers.
    place = list(SPLITS).index("test" if split == "wide" else split)
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, place, *key])))


@renamed_keywords(imsize="image_size")
class EndlessNets:
    """An infinite list of networks of a split, drawn on the fly: training needs no file.

    Network i depends only on the arguments and i, so that a stream can be resumed anywhere and
    shared between processes. It is drawn within a chunk of `chunk` networks; a few chunks are
    kept. Objects can be pickled.

    Args:
        split: One of `SPLITS`.
        seed: Number of the stream.
        image_size, num_classes, in_channels: Side, classes and channels of the images the networks
            are for.
        rules: Complete rules, or changes to those of the split (see `split_rules`).
        start: Network that iteration begins with.
        chunk: Number of networks drawn at a time; part of the stream's identity.

    Raises:
        ValueError: Unknown split or rule, or rules that hardly any network satisfies.

    Examples:
        >>> nets = EndlessNets("train", seed=1)
        >>> nets[1000] == nets[1000]
        True
    """

    def __init__(
        self,
        split: str = "train",
        seed: int = 0,
        *,
        image_size: int = 32,
        num_classes: int = 10,
        in_channels: int = 3,
        rules: SplitRules | Mapping[str, Any] | None = None,
        start: int = 0,
        chunk: int = 128,
    ) -> None:
        if not isinstance(rules, SplitRules):
            rules = split_rules(split, image_size=image_size, **(rules or {}))
        else:
            choose("split", split, SPLITS)
        if seed < 0 or start < 0 or chunk < 1:
            raise ValueError(
                "expected seed >= 0, start >= 0 and chunk >= 1; "
                f"got seed={seed}, start={start}, chunk={chunk}"
            )
        self.split, self.seed, self.rules = split, seed, rules
        self.start, self.chunk = start, chunk
        self.images = {
            "image_size": image_size,
            "num_classes": num_classes,
            "in_channels": in_channels,
        }
        self._chunks: OrderedDict[int, NetTable] = OrderedDict()

    def table(self, chunk: int) -> NetTable:
        """Return networks `chunk * self.chunk` to `(chunk + 1) * self.chunk - 1` as columns."""
        if chunk not in self._chunks:
            rng = _rng(self.split, self.seed, _TRAIN, chunk)
            self._chunks[chunk] = sample_table(self.rules, self.chunk, rng, **self.images)
            if len(self._chunks) > _CACHED_CHUNKS:
                self._chunks.popitem(last=False)
        return self._chunks[chunk]

    def __getitem__(self, index: int) -> NetConfig:
        if index < 0:
            raise IndexError(f"expected an index >= 0, got {index}")
        chunk, row = divmod(index, self.chunk)
        return self.table(chunk).config(row, **self.images)

    def __iter__(self) -> Iterator[NetConfig]:
        index = self.start
        while True:
            yield self[index]
            index += 1

    def item(
        self, index: int, rng: np.random.Generator | None = None
    ) -> tuple[NetConfig, ArchGraph]:
        """Return network `index` and its graph; `rng` is not used."""
        config = self[index]
        return config, build_graph(config)

    def num_nodes(self, index: int) -> int:
        """Count the nodes of the graph of network `index`."""
        chunk, row = divmod(index, self.chunk)
        known = int(self.table(chunk).num_nodes[row])
        return known or num_nodes(self[index])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_chunks": OrderedDict()}


@renamed_keywords(imsize="image_size")
class NetDataset(Sequence[NetConfig]):
    """A finite list of networks held as columns.

    Args:
        nets: The networks, or their table (from `sample_table` or `load_nets`).
        image_size, num_classes, in_channels: Side, classes and channels of the images the networks
            are for; a list of networks keeps its own if None.
        widths: Whether C and the classifier width are drawn anew at every `item(index, rng)`, as in
            training.
    """

    def __init__(
        self,
        nets: NetTable | Sequence[NetConfig],
        *,
        image_size: int | None = None,
        num_classes: int | None = None,
        in_channels: int | None = None,
        widths: WidthRule | None = None,
    ) -> None:
        if not isinstance(nets, NetTable):
            own = {(c.image_size, c.num_classes, c.in_channels) for c in nets}
            if len(own) > 1 and None in (image_size, num_classes, in_channels):
                raise ValueError(
                    "networks for different images: pass image_size, num_classes and in_channels; "
                    f"got {sorted(own)}"
                )
            default = own.pop() if own else (32, 10, 3)
            nets = NetTable.of(nets)
        else:
            default = (32, 10, 3)
        given = (image_size, num_classes, in_channels)
        values = [d if g is None else g for g, d in zip(given, default)]
        self.images: dict[str, Any] = dict(
            zip(("image_size", "num_classes", "in_channels"), values)
        )
        self.table, self.widths = nets, widths

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return NetDataset(self.table.take(index), **self.images, widths=self.widths)
        if not -len(self) <= index < len(self):
            raise IndexError(f"index {index} of a data set of {len(self)} networks")
        return self.table.config(int(index) % len(self), **self.images)

    def item(
        self, index: int, rng: np.random.Generator | None = None
    ) -> tuple[NetConfig, ArchGraph]:
        """Return network `index` and its graph, with widths drawn if there is a rule for it."""
        config = self[index]
        if self.widths is not None and rng is not None:
            row = self.table.take(slice(index, index + 1))
            draw_table_widths(row, self.widths, rng, large=config.imagenet_input)
            config = config.with_(C=int(row.C[0]), fc_dim=int(row.fc_dim[0]))
        return config, build_graph(config)

    def num_nodes(self, index: int) -> int:
        """Count the nodes of the graph of network `index`."""
        return int(self.table.num_nodes[index]) or num_nodes(self[index])


@renamed_keywords(imsize="image_size")
def eval_nets(
    split: str,
    n: int,
    seed: int = 0,
    *,
    image_size: int = 32,
    num_classes: int = 10,
    in_channels: int = 3,
    rules: SplitRules | Mapping[str, Any] | None = None,
) -> NetDataset:
    """Draw the first `n` networks of a fixed evaluation set, the same on every machine.

    The random streams differ from those of `EndlessNets` for every seed. That an endless stream
    never repeats one of these networks cannot be checked; one-step genotypes do recur, usually
    with other settings. `predefined` is the vision transformer of the published split (its other
    network is torchvision's ResNet-50, which `trace` reads).

    Raises:
        ValueError: Unknown split or rule.
    """
    images: dict[str, Any] = {
        "image_size": image_size,
        "num_classes": num_classes,
        "in_channels": in_channels,
    }
    if split == "predefined":
        config = NetConfig(
            genotype=ViT, n_cells=12, C=128, preproc=False, C_mult=1, norm="bn-track", **images
        )
        return NetDataset([config][:n])
    tables = [
        eval_chunk(split, k, seed, rules=rules, **images)
        for k in range(max(1, -(-n // EVAL_CHUNK)))
    ]
    return NetDataset(NetTable.join(tables).take(slice(n)), **images)


def eval_net(
    split: str,
    index: int,
    seed: int = 0,
    *,
    rules: SplitRules | Mapping[str, Any] | None = None,
    **images: int,
) -> NetConfig:
    """Return network `index` of `eval_nets` without drawing all that come before it.

    Other arguments are those of `eval_nets`.

    Raises:
        ValueError: Unknown split or rule, or a negative number.

    Examples:
        >>> eval_net("search", 35133) == eval_net("search", 35133)
        True
    """
    if index < 0:
        raise ValueError(f"index: expected a number from 0 up, got {index}")
    chunk, row = divmod(index, EVAL_CHUNK)
    return eval_chunk(split, chunk, seed, rules=rules, **images).config(row, **images)


def eval_chunk(
    split: str,
    chunk: int,
    seed: int = 0,
    *,
    rules: SplitRules | Mapping[str, Any] | None = None,
    **images: int,
) -> NetTable:
    """Draw networks `chunk * EVAL_CHUNK` and following of `eval_nets`, to generate in parallel."""
    if not isinstance(rules, SplitRules):
        rules = split_rules(split, image_size=images.get("image_size", 32), **(rules or {}))
    return sample_table(rules, EVAL_CHUNK, _rng(split, seed, _EVAL, chunk), **images)


@dataclass(frozen=True, eq=False, kw_only=True)
class MetaBatch:
    """Networks of one training step; `index` is the place in the stream (resume at index + 1).

    `configs` are `NetConfig`s, or what the source gives in their place.
    """

    index: int
    configs: tuple[Any, ...]
    graphs: tuple[ArchGraph, ...]

    def __len__(self) -> int:
        return len(self.configs)


@dataclass(frozen=True, kw_only=True)
class _Plan:
    """Arguments of `MetaBatches`, carried to the worker processes."""

    size: int
    max_nodes: int | None
    seed: int
    rank: int
    world: int
    cutoff: int
    start: int


class MetaBatches:
    """Infinite meta-batches with graphs and virtual edges ready (arXiv:2110.13100, appendix).

    A finite source is shuffled anew for every pass, without replacement; the short last batch is
    offered too. A batch of more than `max_nodes` nodes in total is dropped as a whole, as in the
    published training. Batch b depends only on the arguments and b: not on the number of
    workers, and batches are always given in order.

    Args:
        nets: `EndlessNets`, `NetDataset`, `PublishedNets` or any `NetSource`.
        size: Number of networks in a batch, over all processes of a data-parallel run.
        max_nodes: Limit on the nodes of a batch; None for no limit.
        seed: Seed of shuffling and of widths drawn on access.
        rank, world: Number of this process and of all; it gets networks rank, rank + world, ... of
            each batch.
        cutoff: Longest virtual edge; 1 for none. Computed in the worker.
        start: First batch.
        num_workers: Worker processes; 0 builds graphs in this one.

    Raises:
        ValueError: Impossible sizes; on iteration, if 1000 batches in a row are too large.
    """

    def __init__(
        self,
        nets: NetSource,
        size: int,
        *,
        max_nodes: int | None = 2200,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        cutoff: int = 50,
        start: int = 0,
        num_workers: int = 0,
    ) -> None:
        if size < world:
            raise ValueError(f"a batch of {size} networks cannot be shared by {world} processes")
        if not 0 <= rank < world or start < 0 or cutoff < 1 or num_workers < 0:
            raise ValueError(
                "expected 0 <= rank < world, start >= 0, cutoff >= 1, num_workers >= 0; got "
                f"rank={rank}, world={world}, start={start}, cutoff={cutoff}, "
                f"num_workers={num_workers}"
            )
        plan = _Plan(
            size=size,
            max_nodes=max_nodes,
            seed=seed,
            rank=rank,
            world=world,
            cutoff=cutoff,
            start=start,
        )
        self.stream, self.num_workers = _Stream(nets, plan), num_workers

    def batch(self, index: int) -> MetaBatch | None:
        """Return batch `index`, or None if it is dropped."""
        return self.stream.batch(index)

    def __iter__(self) -> Iterator[MetaBatch]:
        loader = DataLoader(
            self.stream,
            batch_size=None,
            num_workers=self.num_workers,
            generator=torch.Generator(),  # else starting a loader draws from the global one
        )
        dropped = 0
        for batch in loader:
            dropped = dropped + 1 if batch is None else 0
            if batch is not None:
                yield batch
            elif dropped == 1000:
                plan = asdict(self.stream.plan)
                raise ValueError(f"1000 batches in a row exceed max_nodes; raise it in {plan}")


class _Stream(IterableDataset):
    """Batches including the dropped ones (as None), so that workers stay in step."""

    def __init__(self, nets: NetSource, plan: _Plan) -> None:
        self.nets, self.plan = nets, plan
        self.length = len(nets) if isinstance(nets, Sized) else None
        if self.length == 0:
            raise ValueError("nets: expected at least one network, got an empty set")
        self._pass, self._order = -1, np.zeros(0, np.int64)

    def __iter__(self) -> Iterator[MetaBatch | None]:
        worker = get_worker_info()
        index, step = self.plan.start, 1
        if worker is not None:
            index, step = index + worker.id, worker.num_workers
        while True:
            yield self.batch(index)
            index += step

    def rows(self, index: int) -> list[int]:
        """Which networks are in batch `index`."""
        size = self.plan.size
        if self.length is None:
            return list(range(index * size, (index + 1) * size))
        epoch, place = divmod(index, -(-self.length // size))
        if epoch != self._pass:
            key = np.random.SeedSequence([self.plan.seed, epoch])
            self._order = np.random.Generator(np.random.PCG64(key)).permutation(self.length)
            self._pass = epoch
        return self._order[place * size : (place + 1) * size].tolist()

    def batch(self, index: int) -> MetaBatch | None:
        plan, rows = self.plan, self.rows(index)
        limit = plan.max_nodes
        if limit is not None and sum(self.nets.num_nodes(row) for row in rows) > limit:
            return None
        items = []
        for place in range(plan.rank, len(rows), plan.world):
            key = np.random.SeedSequence([plan.seed, index, place])
            rng = np.random.Generator(np.random.PCG64(key))
            items.append(self.nets.item(rows[place], rng))
        for _, graph in items:
            graph.distances(plan.cutoff)
        configs, graphs = zip(*items) if items else ((), ())
        return MetaBatch(index=index, configs=configs, graphs=graphs)
