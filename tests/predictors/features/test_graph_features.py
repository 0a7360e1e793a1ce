"""`GraphFeatures`: a transformer of scikit-learn; attributes; bad input."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from graph2nn.cells import nb201_cell
from predictors.features import BLOCKS, STANDARD_BLOCKS, GraphFeatures
from predictors.features.operations import UnknownOperationWarning


def cells(count: int = 30, seed: int = 0) -> list:
    rng = np.random.default_rng(seed)
    return [nb201_cell(rng.integers(0, 5, 6)) for _ in range(count)]


def with_attributes(graphs: list, **columns) -> list:
    return [
        g.replace(attributes={n: c[k] for n, c in columns.items() if c[k] is not None})
        for k, g in enumerate(graphs)
    ]


def test_every_column_has_a_name_and_a_group() -> None:
    blocks = tuple(block for block in BLOCKS if block not in ("shapes", "relational"))
    features = GraphFeatures(blocks).fit(cells())
    table = features.transform(cells())
    names = features.get_feature_names_out()
    assert table.shape == (30, len(names)) and len(set(names)) == len(names)
    assert np.isfinite(table).all()
    assert sorted(np.concatenate(features.groups())) == list(range(len(names)))


def test_a_second_call_and_other_batches_give_the_same() -> None:
    graphs = cells()
    features = GraphFeatures().fit(graphs)
    table = features.transform(graphs)
    np.testing.assert_array_equal(features.transform(graphs), table)
    alone = [features.transform([graph])[0] for graph in cells()]
    np.testing.assert_array_equal(np.array(alone), table)


def test_it_works_in_a_pipeline_and_a_grid_search() -> None:
    graphs = cells()
    y = np.array([g.op_names().count("conv_3x3") for g in graphs], dtype=float)
    pipeline = make_pipeline(GraphFeatures(("counts",)), Ridge(1e-6))
    assert clone(pipeline).fit(graphs, y).score(graphs, y) > 0.999
    grid = {"graphfeatures__blocks": [("counts",), STANDARD_BLOCKS]}
    assert GridSearchCV(pipeline, grid, cv=3).fit(graphs, y).best_score_ > 0.9


def test_attributes_are_ranked_and_gaps_marked() -> None:
    graphs = with_attributes(
        cells(5), zc_a=[1e9, 1.0, -1e3, None, float("nan")], zc_b=[1, 2, 3, 4, 5], other=[0] * 5
    )
    features = GraphFeatures((), attributes=("zc_*",)).fit(graphs)
    names = features.get_feature_names_out().tolist()
    assert names == ["attributes: zc_a", "attributes: zc_b", "attributes: no zc_a"]
    table = features.transform(graphs)
    assert table[:, 0].tolist() == [1, 0, -1, 0, 0]
    assert table[:, 1] == pytest.approx([-1, -0.5, 0, 0.5, 1])
    assert table[:, 2].tolist() == [0, 0, 0, 1, 1]
    between = features.transform(with_attributes(cells(1), zc_a=[2e12], zc_b=[2.5]))
    assert between[0] == pytest.approx([1, -0.25, 0])
    logs = GraphFeatures((), attributes=("zc_a",), scale="log").fit_transform(graphs)
    assert logs[:3, 0] == pytest.approx([np.log1p(1e9), np.log(2), -np.log1p(1e3)])


def test_new_networks_may_lack_attributes() -> None:
    features = GraphFeatures(attributes=("flops",)).fit(with_attributes(cells(3), flops=[1, 2, 3]))
    assert features.transform(cells(1))[0, -1] == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"blocks": ("path",)}, "expected some of counts"),
        ({"blocks": ()}, "got none"),
        ({"blocks": ("relational",)}, "have no columns for these graphs"),
        ({"attributes": ("zc_*",)}, r"attribute like 'zc_\*'; theirs are: none"),
        ({"attributes": ("zc_*",), "scale": "square"}, "scale: expected one of rank"),
    ],
)
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GraphFeatures(**settings).fit(cells(3))


def test_unknown_operations_are_read_as_others_unless_announced() -> None:
    plain, pooled = nb201_cell([0, 1, 2, 2, 2, 2]), nb201_cell([4, 1, 2, 2, 2, 2])
    features = GraphFeatures().fit([plain])
    skipped = nb201_cell([0, 1, 2, 2, 2, 2])
    with pytest.warns(UnknownOperationWarning, match="avg_pool_3x3 → skip"):
        table = features.transform([pooled])
    own = [name.startswith("factors: ") for name in features.get_feature_names_out()]
    differs = (table != features.transform([skipped]))[0]
    assert any(own) and not differs[~np.array(own)].any()
    assert differs[np.array(own)].any()  # what an operation is made of is read off its own name
    open_minded = GraphFeatures(ops=("avg_pool_3x3",)).fit([plain])
    names = open_minded.get_feature_names_out().tolist()
    row = open_minded.transform([pooled])[0]
    assert row[names.index("live: live avg_pool_3x3")] == 1


def test_transforming_before_fitting() -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        GraphFeatures().transform(cells(1))
