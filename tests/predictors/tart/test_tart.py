"""The token transformer: invariances, pre-training, heads, presets and bad input."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone

from archtokens.settings import PRESETS
from archtokens.tokenizer import GraphTokenizer
from graph2nn.archgraph.canonical import isomorphic_variants
from graph2nn.cells import cell_graph, nb201_cell
from graph2nn.deepnets import EndlessNets, build_graph
from predictors.features.operations import UnknownOperationWarning
from predictors.tart.encoders import find_encoder
from predictors.tart.graph_form import in_form, without_repeats
from predictors.tart.heads import EmbeddingHead
from predictors.tart.model import READOUTS, ModelSettings
from predictors.tart.pretraining import PretrainedEncoder, PretrainSettings, new_model, pretrain
from predictors.tart.tart import TART

SMALL = ModelSettings(width=16, layers=2, heads=2, dropout=0.0)
QUICK = PretrainSettings(epochs=40, batch_size=16, lr=5e-3)
rng = np.random.default_rng(0)
CELLS = [nb201_cell(code) for code in rng.integers(0, 5, (48, 6)).tolist()]
LABELS = np.array([sum(op.startswith("conv") for op in g.op_names()) for g in CELLS], dtype=float)
LABELS += 0.01 * rng.standard_normal(len(LABELS))


@pytest.fixture(scope="module")
def encoder() -> PretrainedEncoder:
    return pretrain(CELLS, model=SMALL, settings=QUICK)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("readout", READOUTS)
def test_outputs_do_not_depend_on_padding_or_company(preset: str, readout: str) -> None:
    tokenizer = GraphTokenizer.preset(preset)
    bias = "distance" if tokenizer.settings.cutoff else "none"
    settings = ModelSettings(width=16, layers=2, heads=2, readout=readout, bias=bias)
    torch.manual_seed(0)
    model = new_model(tokenizer, settings).eval()
    graphs = [*in_form(CELLS[:5], "canonical"), build_graph(EndlessNets("train", seed=1)[0])]
    tokens = tokenizer(graphs, seed=3)
    expected = model(tokens)[0]
    torch.testing.assert_close(model(tokens.padded(tokens.length + 7))[0], expected)
    for k in range(len(graphs)):
        alone = model(tokens.select(torch.tensor([k])))[0]
        torch.testing.assert_close(alone[0], expected[k], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preset", ["dag", "dag-nodes"])
def test_isomorphic_graphs_give_equal_outputs(preset: str) -> None:
    tokenizer = GraphTokenizer.preset(preset)
    torch.manual_seed(0)
    model = new_model(tokenizer, SMALL).eval()
    for graph in CELLS[:4]:
        outputs = model(tokenizer([graph, *isomorphic_variants(graph, 5, 0)]))[0]
        torch.testing.assert_close(outputs, outputs[:1].expand_as(outputs), rtol=1e-4, atol=1e-5)


def test_the_direction_of_edges_matters() -> None:
    chains = [["conv_3x3", "skip", "conv_1x1"], ["conv_1x1", "skip", "conv_3x3"]]
    graphs = [cell_graph(ops, [(0, 1), (1, 2)]) for ops in chains]
    tokenizer = GraphTokenizer.preset("dag-nodes", identifiers="none")
    torch.manual_seed(0)
    model = new_model(tokenizer, SMALL).eval()
    outputs = model(tokenizer(graphs))[0]
    assert (outputs[0] - outputs[1]).abs().max() > 1e-3
    blind = new_model(tokenizer, replace(SMALL, bias="none")).eval()(tokenizer(graphs))[0]
    torch.testing.assert_close(blind[0], blind[1])


def test_forms() -> None:
    code = [0, 2, 1, 1, 1, 3]  # the first edge leads nowhere
    raw, pruned, canonical = (
        in_form([nb201_cell(code)], f)[0] for f in ("raw", "pruned", "canonical")
    )
    assert raw.num_nodes == 8
    assert pruned.op_names() == canonical.op_names() == ["input", "conv_3x3", "conv_1x1", "output"]
    kept = in_form([nb201_cell([1, 1, 0, 1, 1, 1])], "pruned")[0]
    assert kept.op_names() == ["input", "skip", "output"]
    assert (
        len(
            without_repeats(
                in_form([nb201_cell(code), nb201_cell([2, 1, 1, 1, 3, 0])], "canonical")
            )
        )
        == 1
    )
    with pytest.raises(ValueError, match="form: expected one of canonical"):
        in_form(CELLS, "tidy")


def test_pretraining_learns_and_repeats(encoder: PretrainedEncoder) -> None:
    first, last = encoder.card["loss"]
    assert last < 0.8 * first
    again = pretrain(CELLS, model=SMALL, settings=QUICK)
    np.testing.assert_array_equal(encoder.embed(CELLS), again.embed(CELLS))
    other = pretrain(CELLS, model=SMALL, settings=QUICK, seed=1)
    assert np.abs(encoder.embed(CELLS) - other.embed(CELLS)).max() > 1e-3


def test_pretraining_on_several_spaces_with_masks() -> None:
    nets = [build_graph(EndlessNets("train", seed=2, rules={"small": True})[k]) for k in range(4)]
    settings = PretrainSettings(epochs=1, batch_size=8, masked=1.0)
    found = pretrain({"cells": CELLS, "nets": nets}, model=SMALL, settings=settings)
    assert set(found.card["networks"]) == {"cells", "nets"} and "bn" in found.card["ops"]
    assert np.isfinite(found.embed(CELLS[:3] + nets)).all()


def test_encoder_round_trip(encoder: PretrainedEncoder, tmp_path: Path) -> None:
    path = encoder.save(tmp_path / "encoder.pt")
    loaded = PretrainedEncoder.load(path)
    np.testing.assert_array_equal(loaded.embed(CELLS), encoder.embed(CELLS))
    assert loaded.card == encoder.card and loaded.form == encoder.form
    assert find_encoder(path, CELLS).embed(CELLS[:1]).shape == (1, 16)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        TART(encoder=tmp_path / "none.pt").fit(CELLS, LABELS)


@pytest.mark.parametrize("head", ["both", "net", "gp", "linear"])
def test_heads_learn(head: str, encoder: PretrainedEncoder) -> None:
    model = TART(encoder=encoder, head=head, epochs=30, lr=3e-3).fit(CELLS, LABELS)
    predicted = model.predict(CELLS)
    assert np.corrcoef(predicted, LABELS)[0, 1] > 0.8
    assert np.array_equal(predicted, model.predict(CELLS))
    single = model.predict(CELLS[7:8])
    np.testing.assert_allclose(single, predicted[7:8], rtol=1e-4)
    if head in ("both", "gp"):
        assert (model.predict_std(CELLS) > 0).all()
    else:
        with pytest.raises(ValueError, match="no standard deviation"):
            model.predict_std(CELLS)


def test_several_targets_and_an_ensemble(encoder: PretrainedEncoder) -> None:
    targets = np.stack([LABELS, -LABELS], axis=1)
    model = TART(encoder=encoder, epochs=20, lr=3e-3, ensemble=2).fit(CELLS, targets)
    assert model.predict(CELLS[:6]).shape == model.predict_std(CELLS[:6]).shape == (6, 2)
    assert np.corrcoef(model.predict(CELLS).T)[0, 1] < -0.9


def test_from_scratch_is_deterministic_and_clones() -> None:
    model = TART(encoder="none", epochs=2, width=16, heads=2, layers=1, seed=3)
    first = clone(model).fit(CELLS, LABELS).predict(CELLS)
    state = torch.get_rng_state()
    assert np.array_equal(first, model.fit(CELLS, LABELS).predict(CELLS))
    assert torch.equal(state, torch.get_rng_state())
    other = clone(model).set_params(seed=4).fit(CELLS, LABELS).predict(CELLS)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("identifiers", ["orf", "random", "laplacian", "magnetic", "none"])
def test_identifiers(identifiers: str) -> None:
    model = TART(encoder="none", tokens="dag", identifiers=identifiers, epochs=1, width=16, heads=2)
    assert np.isfinite(model.fit(CELLS[:20], LABELS[:20]).predict(CELLS[20:])).all()


def test_published_recipe() -> None:
    model = TART(preset="published", epochs=1, layers=1).fit(CELLS[:12], LABELS[:12])
    tokens = model.tokenizer_.settings
    assert tokens.identifiers == "laplacian" and tokens.width == 3 and tokens.edges
    assert model.form_ == "raw" and model.encoder_ is None
    assert np.isfinite(model.predict(CELLS[12:])).all()


def test_networks_with_shapes_are_pretrained_on_the_fly() -> None:
    nets = EndlessNets("train", seed=4, rules={"small": True})
    graphs = [build_graph(nets[k]) for k in range(8)]
    quick = pretrain(graphs, model=SMALL, settings=PretrainSettings(epochs=1, batch_size=4))
    labels = [float(graph.num_params()) for graph in graphs]
    found = TART(encoder=quick, epochs=1).fit(graphs, labels).predict(graphs)
    assert found.shape == (8,) and np.isfinite(found).all()


def test_gaussian_process_head_interpolates() -> None:
    x = np.random.default_rng(0).standard_normal((60, 3))
    y = np.stack([np.sin(x[:, 0]), x[:, 1]], axis=1)
    head = EmbeddingHead("gp").fit(x[:50], y[:50])
    mean, std = head.predict(x)
    assert std is not None and np.abs(mean[50:] - y[50:]).mean() < 0.3
    assert std[50:].mean() > std[:50].mean()


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"head": "tree"}, "head: expected one of both"),
        ({"encoder": "none", "head": "gp"}, "head='gp' reads the embedding of a pre-trained"),
        ({"encoder": "none", "form": "tidy"}, "form: expected one of canonical"),
        ({"encoder": "none", "tokens": "words"}, "preset: expected one of tart"),
        ({"encoder": "none", "bias": "some"}, "bias: expected distance or none"),
        ({"encoder": "none", "width": 10}, "width 10 is not a multiple of heads 4"),
        ({"encoder": "none", "readout": "last"}, "readout: expected one of token"),
    ],
)
def test_bad_settings(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TART(epochs=1, **settings).fit(CELLS, LABELS)


def test_bad_input(encoder: PretrainedEncoder) -> None:
    ops = ("input", "warp", "output")
    strange = cell_graph(ops, [(0, 1), (1, 2)], vocabulary=ops, name="strange")
    with pytest.raises(ValueError, match="'warp'"):
        TART(encoder=encoder, epochs=1).fit([*CELLS, strange], [*LABELS, 1.0])
    model = TART(encoder=encoder, head="linear")
    with pytest.raises(ValueError, match="not fitted"):
        model.predict(CELLS)
    with pytest.warns(UnknownOperationWarning, match=r"TART: 1 of 1 .*\(strange\), .*warp → skip"):
        model.fit(CELLS, LABELS).predict([strange])
    with pytest.raises(ValueError, match="at least one network to pre-train"):
        pretrain([])
    with pytest.raises(ValueError, match="one of them above 0"):
        PretrainSettings(analytic=0.0)
    with pytest.raises(ValueError, match="share: expected"):
        PretrainSettings(share=1.0)
