"""Features of networks with parameters: DeepNets-1M."""

from __future__ import annotations

import time

import numpy as np
import pytest

from graph2nn.deepnets import EndlessNets, build_graph
from predictors.features import GraphFeatures


@pytest.fixture(scope="module")
def graphs() -> list:
    stream = EndlessNets("train", seed=0)
    return [build_graph(stream[k]) for k in range(12)]


def test_parameters_by_operation_add_up(graphs: list) -> None:
    features = GraphFeatures(("shapes",)).fit(graphs)
    names = features.get_feature_names_out().tolist()
    table = features.transform(graphs)
    total = table[:, names.index("shapes: params")]
    assert total == pytest.approx(np.log10([1 + g.num_params() for g in graphs]))
    each = [k for k, name in enumerate(names) if name.startswith("shapes: params ")]
    assert (10 ** table[:, each] - 1).sum(1) == pytest.approx(10**total - 1)
    cells = table[:, names.index("shapes: cells")]
    assert cells.tolist() == [len(np.unique(g.cell)) for g in graphs]


def test_large_graphs_are_described_quickly_and_finitely(graphs: list) -> None:
    begin = time.perf_counter()
    table = GraphFeatures().fit_transform(graphs)
    assert np.isfinite(table).all()
    assert (np.ptp(table, axis=0) > 0).sum() > 100
    assert time.perf_counter() - begin < 30  # a tenth of it on a free core
