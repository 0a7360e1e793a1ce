"""Networks of other libraries: traced, seen in every view, predicted, and left as they were."""

from __future__ import annotations

import importlib.util
import logging
import re
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from libraries import CASES, FAMILIES, Case, untouched, used

from archtokens import GraphTokenizer
from ghn import GHN
from graph2nn.archgraph import PRIMITIVES, ArchGraph, coverage, trace

FAST = {
    "transformers-bert", "transformers-t5", "transformers-qwen3-moe", "transformers-mamba",
    "transformers-segformer", "transformers-wav2vec2", "transformers-clip",
    "transformers-patchtst", "diffusers-unet-text", "torch_geometric-relational",
    "segmentation_models_pytorch-unet-timm-mobilenetv3_small_minimal_100",
    "torch_geometric-data", "peft-lora", "monai-unet", "monai-diffusion-unet",
}  # fmt: skip
"""A sample of each library, in the default suite."""

UNUSED_SAID = re.compile(r"not used by its forward pass")


def marked(case: Case) -> Any:
    return pytest.param(case, marks=() if str(case) in FAST else pytest.mark.slow, id=str(case))


@pytest.fixture(autouse=True, scope="module")
def offline() -> Iterator[None]:
    """No library looks for files elsewhere, or writes to the log that sizes are unusual."""
    before = logging.root.manager.disable
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # set by MONAI when it is imported
        for name in ("CC", "CXX"):  # set by peft's BOFT
            patch.setenv(name, "gcc")
        logging.disable(logging.WARNING)
        yield
        logging.disable(before)


@pytest.fixture(scope="module")
def hypernetwork() -> GHN:
    return GHN.from_pretrained("ghn2-digits-mixed")


@pytest.fixture
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    if importlib.util.find_spec(found.library) is None:
        pytest.skip(f'{found.library} is not installed: pip install "netwright[zoo]"')
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of packages about each other, when they are imported
        found.build()
    return found


def learned(case: Case) -> set[str]:
    """Parameters that gradients reach; in train mode where a network has none in the other."""
    try:
        return used(case.build(), case.input())
    except (AssertionError, RuntimeError):
        return used(case.build().train(), case.input())


every = pytest.mark.parametrize("case", [marked(case) for case in CASES], indirect=True)


@every
@pytest.mark.filterwarnings("ignore")
def test_every_parameter_is_found_and_nothing_is_changed(case: Case) -> None:
    model, input = case.build(), case.input()
    graphs = {}
    for training in (False, True):
        with untouched(model, input):
            graphs[training] = trace(model, input, training=training)
    report = coverage(graphs[False], model)
    names = {name for name, _ in model.named_parameters()}
    reaching = names.difference(report.missing, report.cut_off)
    assert not learned(case) - reaching, "a gradient reaches what the graph says is not used"
    assert not report.misshapen
    for view in ("primitives", "ghn2", "ghn3"):
        with untouched(model, input):
            graph = trace(model, input, view=view)
        check_tokens(graph)


def check_tokens(graph: ArchGraph) -> None:
    tokens = GraphTokenizer.preset("dag")([graph])
    assert graph.ops == PRIMITIVES
    assert (tokens.nodes.tolist(), tokens.edges.tolist()) == ([graph.num_nodes], [graph.num_edges])


@every
@pytest.mark.filterwarnings("ignore")
def test_a_prediction_writes_everything(case: Case, hypernetwork: GHN) -> None:
    model, input = case.build(), case.input()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        hypernetwork(model, input, predict_class_layers="auto", bn_train=False)
    told = " ".join(str(w.message) for w in said if UNUSED_SAID.search(str(w.message)))
    after = dict(model.named_parameters())
    assert {n: p.shape for n, p in after.items()} == {n: p.shape for n, p in before.items()}
    assert all(p.isfinite().all() for p in after.values())
    same = [n for n, p in before.items() if p.numel() and torch.equal(p, after[n])]
    assert not set(same) & learned(case), "a gradient reaches what was not written"
    assert bool(same) == bool(told)
    changed = [n for n, b in model.named_buffers() if not torch.equal(b, buffers[n])]
    assert not changed, "buffers belong to the network"


def test_the_zoo_is_as_large_as_it_says() -> None:
    names = [str(case) for case in CASES]
    assert len(set(names)) == len(names)
    assert set(names) >= FAST
    hugging = sum(len(cases) for family, cases in FAMILIES.items() if "transformers" in family)
    assert hugging >= 60 and len(names) >= 300
    for family, cases in FAMILIES.items():
        assert FAST & set(map(str, cases)), f"no sample of {family}"
