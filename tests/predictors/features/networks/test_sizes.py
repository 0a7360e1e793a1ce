"""Costs and places of whole networks as columns."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.archgraph import ArchGraph, critical_path, trace
from graph2nn.cells import nb201_cell
from graph2nn.cells.traced import fbnet_network, tnb101_macro_network
from predictors import make_predictor
from predictors.features import GraphFeatures
from predictors.features.networks.blocks import trunk_of
from predictors.features.networks.nodes import node_sizes
from predictors.metrics import kendall_tau

NEW = ("sizes", "maps", "levels", "blocks")


class Residual(nn.Module):
    def __init__(self, width: int, inner: int, kernel: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(width, inner, 1),
            nn.ReLU(),
            nn.Conv2d(inner, inner, kernel, padding=kernel // 2, groups=inner),
            nn.Conv2d(inner, width, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


def network(blocks: Sequence[Sequence[tuple[int, int]]], side: int = 16) -> ArchGraph:
    """Levels of residual blocks of an inner width and a kernel; the map shrinks between levels."""
    layers: list[nn.Module] = [nn.Conv2d(3, 8, 3, padding=1)]
    for k, level in enumerate(blocks):
        layers += [nn.Conv2d(8, 8, 2, 2)] if k else []
        layers += [Residual(8, inner, kernel) for inner, kernel in level]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4))
    return trace(model, torch.zeros(2, 3, side, side))


def table_of(graphs: list[ArchGraph], block: str) -> dict[str, np.ndarray]:
    features = GraphFeatures((block,)).fit(graphs)
    names = [name.removeprefix(f"{block}: ") for name in features.get_feature_names_out()]
    return dict(zip(names, features.transform(graphs).T))


def test_totals_peaks_and_slowest_paths() -> None:
    graphs = [network([[(16, 3)]]), network([[(16, 3), (32, 5)], [(8, 3)]])]
    found = table_of(graphs, "sizes")
    totals = table_of(graphs, "totals")
    assert len(totals) == 5 and 2 ** totals["first positions"] - 1 == pytest.approx(2 * 16 * 16)
    for name in totals:
        assert np.array_equal(totals[name], found[name])
    for k, graph in enumerate(graphs):
        sizes = node_sizes(graph)
        assert 2 ** found["total work"][k] - 1 == pytest.approx(sizes.work.sum())
        assert 2 ** found["peak values"][k] - 1 == pytest.approx(sizes.values.max())
        assert 2 ** found["count depthwise"][k] - 1 == pytest.approx((1, 3)[k])
        time = np.maximum(sizes.work / 16, sizes.traffic)
        longest = critical_path(graph.replace(columns={"time": time}), "time").length
        path = found["longest path balance 16 overhead 0"][k]
        assert 2**path - 1 == pytest.approx(longest)
        assert path <= found["time balance 16 overhead 0"][k]


def test_blocks_end_at_joins_and_levels_where_maps_shrink() -> None:
    trunk = trunk_of(network([[(16, 3), (32, 5)], [(24, 3)], [(8, 7), (8, 3), (64, 3)]]))
    assert trunk.block_level.tolist() == [0, 0, 1, 2, 2, 2]
    names = ("work", "width", "peak width", "kernel", "level", "wider")
    columns = dict(zip(names, trunk.numbers.T))
    assert columns["peak width"].round(2).tolist() == [4, 5, 4.58, 3, 3, 6]
    assert columns["width"].tolist() == [3] * 6 and not columns["wider"].any()
    assert (2 ** columns["kernel"]).round().tolist() == [3, 5, 3, 7, 3, 3]
    assert len(trunk.layer) == 1 + 2 + 6 * 3  # without the classifier behind the pool


def test_places_are_counted_from_both_ends_and_within_levels() -> None:
    deep = network([[(16, 3)] * 3, [(32, 5), (64, 3)]])
    shallow = network([[(16, 3)], [(64, 3)]])
    blocks, levels = table_of([deep, shallow], "blocks"), table_of([deep, shallow], "levels")
    assert blocks["last 0 peak width"].tolist() == [6, 6]
    assert blocks["first 3 peak width"].tolist() == [5, 0]
    assert levels["level 1 block 0 peak width"].tolist() == [5, 6]
    assert levels["level 0 blocks"].tolist() == [3, 1]
    assert levels["level 1 depthwise"].tolist() == [2, 1]


def test_there_is_no_limit_of_stages_or_layers() -> None:
    """Nine levels; a chain of forty layers has forty blocks."""
    nine = [network([[(8, 3)]] * 9, side=256), network([[(8, 3)]] * 9, side=512)]
    found = table_of(nine, "levels")
    assert max(int(name.split()[1]) for name in found) == 8
    chain = nn.Sequential(*(layer for _ in range(40) for layer in (nn.Linear(6, 6), nn.ReLU())))
    trunk = trunk_of(trace(chain, torch.zeros(2, 6)))
    assert len(trunk.numbers) == 40 and not trunk.level.any()


def test_maps_count_by_kind_map_and_width() -> None:
    found = table_of([network([[(16, 3)], [(16, 3)]]), network([[(16, 3)]])], "maps")
    counted = {name: values for name, values in found.items() if name.startswith("count depthwise")}
    assert sum(2**values - 1 for values in counted.values()).tolist() == pytest.approx([2, 1])
    assert sum(values.any() for values in counted.values()) == 2  # maps of two sizes


def test_networks_too_large_for_what_was_learned_fit_in() -> None:
    features = GraphFeatures(NEW).fit([network([[(16, 3)]]), network([[(8, 3)]])])
    table = features.transform([network([[(16, 3)] * 5, [(8, 3)], [(8, 3)]]), network([[(16, 3)]])])
    assert np.isfinite(table).all() and table.shape[1] == features.n_features_out_


def test_cells_have_no_such_columns() -> None:
    cells = [nb201_cell([k % 5, 1, 2, 3, 4, 0]) for k in range(5)]
    with pytest.raises(ValueError, match="the blocks sizes, maps, levels, blocks have no columns"):
        GraphFeatures(NEW).fit(cells)
    owners = {name.split(":")[0] for name in GraphFeatures().fit(cells).get_feature_names_out()}
    assert owners.isdisjoint(NEW)


def test_stages_that_are_not_told_are_found() -> None:
    """A network of TransNAS-Bench-101: what shrinks the map is told by `cell`, and found."""
    graph = tnb101_macro_network([3, 1, 4, 2])
    trunk = trunk_of(graph.replace(cell=np.zeros_like(graph.cell)))
    told = graph.cell[trunk.layer] + 1  # behind the stem, which halves twice; its first layer once
    told[0] -= 1
    assert np.array_equal(trunk.level, told)


def test_speed_is_learned_from_sizes_where_counts_say_nothing() -> None:
    """Latencies of a made-up device that depend on map sizes: chains of the same operations."""
    rng = np.random.RandomState(0)
    draws = [[list(zip(rng.choice((8, 16, 32, 64), 2), (3, 3)))] * 2 for _ in range(60)]
    sides = rng.choice((16, 24, 32, 48), 60)
    graphs = [network(blocks, int(side)) for blocks, side in zip(draws, sides)]
    y = np.array([node_sizes(g).work.sum() / 100 + node_sizes(g).traffic.sum() for g in graphs])
    old = make_predictor("gp-graph", blocks=("paths", "live", "merge", "shapes"))
    for model, low, high in ((old, -1, 0.75), (make_predictor("gp-graph"), 0.9, 1)):
        tau = kendall_tau(y[40:], model.fit(graphs[:40], y[:40]).predict(graphs[40:]))
        assert low < tau <= high


def test_a_skipped_layer_moves_the_rest_of_its_level_only() -> None:
    full, less = fbnet_network([0] * 22), fbnet_network([0, 0, 8, *[0] * 19])
    one, other = table_of([full, less], "levels"), table_of([less, full], "levels")
    later = [name for name in one if name.startswith(("level 1", "level 2"))]
    assert later and all(one[name][0] == one[name][1] for name in later)
    assert any(one[name][0] != one[name][1] for name in one if name.startswith("level 0"))
    assert set(one) == set(other)
