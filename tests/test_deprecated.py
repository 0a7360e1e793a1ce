"""Old names still work, and say where they are now."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import dataclass

import pytest
from old_names import PUBLIC
from sparse_table import made_up_table

import ghn
import graph2nn.ground_truth
import graph2nn.relational
import graph2nn.runs
import graph2nn.sparsity
import graph2nn.training
import predictors.proxies
import predictors.studies.properties
import predictors.studies.relational
import predictors.studies.sparsity
from ghn.training import TrainConfig
from graph2nn.deepnets import GENOTYPES, EndlessNets, NetConfig, NetStore, save_nets
from graph2nn.deprecated import renamed_attribute, renamed_keywords
from graph2nn.ground_truth import GroundTruthSettings, train_all
from graph2nn.vision import ImageSettings, load_images, load_sets


@pytest.mark.parametrize("name", ["RunFolder", "parse_config", "seeded", "save_checkpoint"])
def test_names_of_the_ground_are_still_found_in_training(name):
    with pytest.warns(DeprecationWarning, match=f"is now graph2nn.runs.{name}"):
        found = getattr(graph2nn.training, name)
    assert found is getattr(graph2nn.runs, name)


def test_other_names_are_missing_as_anywhere():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        graph2nn.training.nothing  # noqa: B018


def test_proxies_of_hypernetworks_stand_with_the_others():
    with pytest.warns(DeprecationWarning, match="is now predictors.proxies.compute"):
        found = predictors.proxies.hypernetwork
    assert found.ghn_acc is predictors.proxies.PROXIES["ghn_acc"].compute


def test_findings_of_an_analysis_were_a_report():
    with pytest.warns(DeprecationWarning, match="is now predictors.studies.relational.Findings"):
        found = predictors.studies.relational.Report
    assert found is predictors.studies.relational.Findings


@pytest.mark.parametrize(
    ("name", "new"),
    [
        *((name, name) for name in ("PROPERTIES", "ground_truth_folder", "ground_truth_table")),
        ("own_table", "trained_table"),
    ],
)
def test_tables_of_trained_networks_were_our_own(name: str, new: str):
    own, trained = (importlib.import_module(f"predictors.tables.{n}") for n in ("own", "trained"))
    with pytest.warns(DeprecationWarning, match=f"own.{name} is now predictors.tables.trained"):
        found = getattr(own, name)
    assert found is getattr(trained, new)


@pytest.mark.parametrize(
    ("package", "name", "now"),
    [
        ("graph2nn.relational", "analysis", "predictors.studies.relational"),
        ("graph2nn.deepnets", "ground_truth", "graph2nn.ground_truth"),
        ("ghn", "families", "graph2nn.families"),
        ("predictors", "sparsity", "predictors.studies.sparsity"),
        ("predictors", "properties", "predictors.studies.properties"),
    ],
)
def test_packages_that_moved(monkeypatch, package: str, name: str, now: str):
    module = importlib.import_module(package)
    monkeypatch.delitem(vars(module), name, raising=False)  # a module stands there, if imported
    with pytest.warns(DeprecationWarning, match=f"{package}.{name} is now {now}"):
        found = getattr(module, name)
    assert found is importlib.import_module(now)


@pytest.mark.parametrize("package", PUBLIC)
def test_old_names_are_imported_from_their_old_packages(package: str):
    found = importlib.import_module(package)
    for name in PUBLIC[package]:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            assert getattr(found, name, None) is not None, f"{package}.{name} is gone"
        moved = any(f"{package}.{name} is now" in str(warning.message) for warning in seen)
        public = name in getattr(found, "__all__", ())
        assert moved or public, f"{package}.{name} is neither public nor moved"


def test_a_module_where_a_package_was_has_no_other_names():
    with pytest.raises(ImportError, match="cannot import name 'nothing'"):
        from graph2nn.deepnets.ground_truth import nothing  # noqa: F401


def test_tables_of_trained_networks_were_of_deepnets_alone():
    with pytest.warns(DeprecationWarning, match="campaign.find_table is now graph2nn.ground_truth"):
        from graph2nn.deepnets.campaign import find_table
    assert find_table is graph2nn.ground_truth.find_table


def test_the_table_of_scores_was_called_markdown_table():
    with pytest.warns(DeprecationWarning, match="is now predictors.studies.properties.score_table"):
        found = predictors.studies.properties.markdown_table
    assert found is predictors.studies.properties.score_table


@renamed_keywords(imsize="image_size")
def pixels(image_size: int, channels: int = 1) -> int:
    """Pixels."""
    return channels * image_size**2


@renamed_keywords(imsize="image_size")
@dataclass(frozen=True, kw_only=True)
class Images:
    image_size: int = 8
    imsize = renamed_attribute("image_size")


def test_keywords_go_by_their_old_names_too():
    assert pixels(8) == pixels(image_size=8) == 64 and pixels.__doc__ == "Pixels."
    with pytest.warns(DeprecationWarning, match="pixels: imsize is now image_size") as seen:
        assert pixels(imsize=8, channels=3) == 192
    assert seen[0].filename == __file__
    with pytest.raises(TypeError, match="pixels: imsize is now image_size; both are given"):
        pixels(imsize=8, image_size=8)
    with pytest.raises(TypeError, match="unexpected keyword argument 'side'"):
        pixels(side=8)


def test_classes_and_their_attributes_go_by_their_old_names_too():
    assert Images() == Images(image_size=8) and repr(Images()) == "Images(image_size=8)"
    with pytest.warns(DeprecationWarning, match="Images: imsize is now image_size"):
        images = Images(imsize=16)
    with pytest.warns(DeprecationWarning, match="Images.imsize is now image_size"):
        assert images.imsize == 16


@pytest.mark.parametrize(
    ("package", "name", "given", "expected"),
    [
        (
            graph2nn.relational,
            "DataSource",
            {"name": "digits", "imsize": 8, "channels": 1, "data_dir": "here"},
            ImageSettings(image_size=8, channels=1),
        ),
        (
            graph2nn.sparsity,
            "SparseImages",
            {"dataset": "CIFAR-10", "imsize": 16},
            ImageSettings(dataset="CIFAR-10", image_size=16),
        ),
        (
            graph2nn.ground_truth,
            "ImageSettings",
            {"val": 40},
            ImageSettings(image_size=8, train=600, val=40, test=500),
        ),
    ],
)
def test_settings_of_images_are_made_as_before(package, name, given, expected):
    with pytest.warns(DeprecationWarning, match=f"{name} is now graph2nn.vision.ImageSettings"):
        make = getattr(package, name)
    made = make(**given)
    assert made == expected and made.data_dir == given.get("data_dir")


def test_sets_of_images_are_loaded_as_before():
    with pytest.warns(DeprecationWarning, match="load_sets is now graph2nn.vision.load_sets"):
        assert graph2nn.ground_truth.load_sets is load_sets


def test_group_is_group_size():
    settings = GroundTruthSettings(name="x")
    with (
        pytest.warns(DeprecationWarning, match="group is now group_size"),
        pytest.raises(ValueError, match="group_size: expected at least 1 network a job, got 0"),
    ):
        train_all(settings, "nowhere", group=0)


GENOTYPE = GENOTYPES["DARTS"]
SIZES = {"num_classes": 10, "in_channels": 1}


@pytest.mark.parametrize(
    ("made", "size"),
    [
        (lambda: load_images("digits", split="test", imsize=16), 16),
        (lambda: ghn.GHNConfig(imsize=16), 16),
        (lambda: NetConfig(genotype=GENOTYPE, n_cells=1, imsize=16), 16),
        (lambda: EndlessNets(imsize=16)[0], 16),
        (lambda: TrainConfig(imsize=16), 16),
    ],
)
def test_image_size_goes_by_its_published_name_too(made, size):
    with pytest.warns(DeprecationWarning, match="imsize is now image_size"):
        found = made()
    assert found.image_size == size
    with pytest.warns(DeprecationWarning, match="imsize is now image_size"):
        assert found.imsize == size


def test_sizes_of_relational_networks_go_by_their_published_name_too():
    graph = graph2nn.relational.complete(8)
    with pytest.warns(DeprecationWarning, match="relational_mlp: imsize is now image_size"):
        net = graph2nn.relational.relational_mlp(graph, imsize=8, dim_first=16, **SIZES)
    assert net.sizes.image_size == 8
    with pytest.warns(DeprecationWarning, match="imsize is now image_size"):
        counted = graph2nn.relational.count_flops("mlp", None, imsize=8, **SIZES)
    assert counted == graph2nn.relational.count_flops("mlp", None, image_size=8, **SIZES)


def test_image_size_is_stored_by_its_published_name(tmp_path):
    config = ghn.GHNConfig(image_size=16)
    assert config.to_dict()["imsize"] == 16 and ghn.GHNConfig.from_dict({"imsize": 16}) == config
    net = NetConfig(genotype=GENOTYPE, n_cells=1, image_size=16)
    assert net.to_json()["imsize"] == 16 and NetConfig.from_json(net.to_json()) == net
    path = tmp_path / "nets.h5"
    table = EndlessNets(image_size=8).table(0)
    for given in ({"image_size": 8}, {"imsize": 8}):
        save_nets(table, path, overwrite=True, **given, **SIZES)
        nets = NetStore(path)
        assert nets.attributes["imsize"] == 8 and nets[0].image_size == 8


def test_settings_of_a_sparse_grid_were_cells():
    with pytest.warns(DeprecationWarning, match="Cell is now graph2nn.sparsity.Setting"):
        assert graph2nn.sparsity.Cell is graph2nn.sparsity.Setting
    grid = graph2nn.sparsity.find_grid("tiny", "digits")
    with pytest.warns(DeprecationWarning, match="cells is now SparseGrid.settings"):
        assert grid.cells() == grid.settings()


def test_contests_of_sparse_networks_are_comparison_groups():
    sparsity = predictors.studies.sparsity
    task = sparsity.drop_task(made_up_table(), "d")
    with pytest.warns(DeprecationWarning, match="DropTask.contest is now comparison_group"):
        assert task.contest is task.comparison_group
    with pytest.raises(TypeError, match="within_contests is now within_comparison_groups; both"):
        sparsity.permutation_importance(
            task, "sparsity", within_contests=True, within_comparison_groups=True
        )
    (score,) = sparsity.run_trials(
        [task], sparsity.plan_trials([task], ["sparsity"], ["ols"], ["grouped 5-fold"])
    )
    with pytest.warns(DeprecationWarning, match="by_contest is now by_comparison_group"):
        assert score.by_contest is score.by_comparison_group
