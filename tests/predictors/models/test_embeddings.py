"""Embeddings by hypernetworks and the regression on them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.linear_model import Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from ghn import GHN
from graph2nn.archgraph import ArchGraph
from graph2nn.cells.as_archgraph import nb201_cell
from graph2nn.deepnets import build_graph, eval_nets
from predictors.metrics import kendall_tau
from predictors.models.embeddings import GHNEmbedding, GHNPredictor


@pytest.fixture(scope="module")
def graphs() -> list[ArchGraph]:
    return [build_graph(config) for config in eval_nets("val", 24, seed=5, image_size=8)]


@pytest.fixture(scope="module")
def ghn() -> GHN:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return GHN(hid=8, max_shape=(8, 8, 3, 3)).eval()


@pytest.fixture(scope="module")
def sizes(graphs: list[ArchGraph]) -> np.ndarray:
    """Targets that the graphs do decide: number of nodes, and its negative square root."""
    nodes = np.array([g.num_nodes for g in graphs], dtype=float)
    return np.stack([nodes, -np.sqrt(nodes)], axis=1)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_embedding_is_the_mean_of_the_node_states(
    graphs: list[ArchGraph], ghn: GHN, batch_size: int
) -> None:
    found = GHNEmbedding(ghn, batch_size=batch_size).fit_transform(graphs)
    assert found.shape == (24, 8)
    for row, graph in zip(found, graphs):
        expected = ghn.embed_network(graph).detach().numpy()
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)


def test_trained_and_initial_weights_differ(graphs: list[ArchGraph], ghn: GHN) -> None:
    state = torch.get_rng_state()
    trained = GHNEmbedding(ghn).fit_transform(graphs[:3])
    first, again, other = (
        GHNEmbedding(ghn, initial=True, seed=seed).fit_transform(graphs[:3]) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.allclose(first, other) and not np.allclose(first, trained)
    assert torch.equal(state, torch.get_rng_state())


def test_the_shipped_hypernetwork_by_name(graphs: list[ArchGraph]) -> None:
    found = GHNEmbedding("ghn2-digits").transform(graphs[:2])
    assert found.shape[0] == 2 and np.isfinite(found).all()


def test_predictor_learns_and_keeps_the_shape_of_its_targets(
    graphs: list[ArchGraph], ghn: GHN, sizes: np.ndarray
) -> None:
    model = GHNPredictor(ghn, folds=3).fit(graphs[:18], sizes[:18])
    assert model.predict(graphs[18:]).shape == (6, 2)
    fitted = model.predict(graphs[:18])
    assert min(kendall_tau(sizes[:18, k], fitted[:, k]) for k in (0, 1)) > 0.5
    single = clone(model).fit(graphs[:18], sizes[:18, 0])
    np.testing.assert_allclose(single.predict(graphs[18:]), model.predict(graphs[18:])[:, 0])
    assert single.best_params_[0]["C"] in (1, 10, 50, 100, 200, 500, 1000)
    with pytest.raises(ValueError, match="no standard deviation"):
        single.predict_std(graphs)


def test_rank_targets_keep_units(graphs: list[ArchGraph], ghn: GHN, sizes: np.ndarray) -> None:
    model = GHNPredictor(ghn, folds=3, scaled=True, target="rank").fit(graphs, sizes[:, 0])
    predicted = model.predict(graphs)
    assert kendall_tau(sizes[:, 0], predicted) > 0.7
    assert 0.5 < predicted.mean() / sizes[:, 0].mean() < 1.5


def test_embedding_in_a_pipeline(graphs: list[ArchGraph], ghn: GHN, sizes: np.ndarray) -> None:
    model = make_pipeline(GHNEmbedding(ghn), Ridge(1e-3))
    assert np.isfinite(cross_val_score(model, graphs, sizes[:, 0], cv=3)).all()


def test_bad_input(graphs: list[ArchGraph], ghn: GHN, sizes: np.ndarray) -> None:
    with pytest.raises(ValueError, match="5-fold .* at least 5 networks, got 4"):
        GHNPredictor(ghn).fit(graphs[:4], sizes[:4])
    with pytest.raises(ValueError, match="not fitted"):
        GHNPredictor(ghn).predict(graphs)
    with pytest.raises(ValueError, match=r"X\[0\].*15 primitives.*trace"):
        GHNEmbedding(ghn).fit_transform([nb201_cell((0, 1, 2, 3, 4, 0))])
    with pytest.raises(ValueError, match="no hypernetwork 'ghn9'"):
        GHNEmbedding("ghn9").fit(graphs)
    with pytest.raises(ValueError, match="constant"):
        GHNPredictor(ghn).fit(graphs, np.ones(24))
