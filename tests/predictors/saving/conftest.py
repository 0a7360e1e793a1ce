"""Networks and a fitted predictor to save."""

from __future__ import annotations

import pytest
from saved_predictors import CODES, LABELS

from graph2nn.archgraph import ArchGraph
from graph2nn.cells import nb201_cell
from graph2nn.deepnets import EndlessNets, build_graph
from predictors import (
    ArchPredictor,
    make_predictor,
)


@pytest.fixture(scope="module")
def cells() -> list[ArchGraph]:
    return [nb201_cell(code) for code in CODES]


@pytest.fixture(scope="module")
def networks() -> list[ArchGraph]:
    nets = EndlessNets("train", seed=0, image_size=8, in_channels=1)
    return [build_graph(nets[k]) for k in range(8)]


@pytest.fixture(scope="module")
def svr(cells: list[ArchGraph]) -> ArchPredictor:
    return make_predictor("svr-graph").fit(cells, LABELS)
