"""Accuracy of predicted networks, on functions whose accuracy is known."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ghn.evaluation import (
    NetResult,
    accuracy,
    evaluate_nets,
    evaluation_batches,
    merge_results,
    network_function,
    read_results,
    result_rows,
    summarise,
    top1_by_method,
)
from graph2nn.deepnets import Network, build_graph, eval_nets
from graph2nn.vision import ImageData, load_images


@pytest.fixture(scope="module")
def digits() -> ImageData:
    data = load_images("digits", split="test", image_size=8)
    return data.subset(torch.arange(90))


def batches(data: ImageData, size: int = 32):
    return evaluation_batches(data, size)


class Oracle:
    """Logits made from the labels of the batches, in their order."""

    def __init__(self, data: ImageData, make) -> None:
        self.labels = iter([y for _, y in batches(data)])
        self.make = make

    def __call__(self, images: Tensor) -> Tensor:
        y = next(self.labels)
        assert len(y) == len(images)
        return self.make(y)


def one_hot(y: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(y, 10).float()


@pytest.mark.parametrize(
    "make, top1, top5",
    [
        (one_hot, 100, 100),
        (lambda y: -one_hot(y), 0, 0),
        (lambda y: one_hot((y + 1) % 10) * 2 + one_hot(y), 0, 100),
        (lambda y: (one_hot(y), None), 100, 100),  # with an auxiliary output
        (lambda y: one_hot(y) * torch.nan, 0, 0),
        (lambda y: torch.full((len(y), 10), torch.inf), 0, 0),
    ],
)
def test_accuracy(digits: ImageData, make, top1: float, top5: float) -> None:
    assert accuracy(Oracle(digits, make), batches(digits)) == (top1, top5)


def test_every_image_counts_once(digits: ImageData) -> None:
    """Also those of the last, smaller batch; rows of NaN are wrong, the others are not."""

    def make(y: Tensor) -> Tensor:
        logits = one_hot(y)
        logits[0] = torch.nan
        return logits

    found, _ = accuracy(Oracle(digits, make), batches(digits))
    assert len(batches(digits)) == 3
    assert found == pytest.approx(100 * (90 - 3) / 90)


def test_fewer_than_five_classes(digits: ImageData) -> None:
    top1, top5 = accuracy(lambda x: torch.ones(len(x), 3), batches(digits))
    share = 100 * (digits.labels < 3).float().mean().item()
    assert top5 == pytest.approx(share) and top1 <= top5


def test_smaller_batches_when_memory_runs_out(digits: ImageData) -> None:
    sizes = []

    def forward(images: Tensor) -> Tensor:
        sizes.append(len(images))
        if len(images) > 10:
            raise torch.OutOfMemoryError("out of memory")
        return torch.zeros(len(images), 10)

    accuracy(forward, batches(digits))
    assert sizes[:3] == [32, 16, 8] and sum(sizes[2:]) == 90

    def never(images: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        accuracy(never, batches(digits))


def test_summary() -> None:
    s = summarise([50.0, 70.0, 90.0, 30.0])
    assert (s.n, s.mean, s.median, s.best, s.worst) == (4, 60, 60, 90, 30)
    deviation = math.sqrt((100 + 100 + 900 + 900) / 3)  # of the sample
    assert s.stderr == pytest.approx(deviation / 2)
    assert str(s) == "60.00 ± 12.91 (n=4, best 90.00, worst 30.00)"
    one = summarise([12.5])
    assert math.isnan(one.stderr) and one.to_json()["stderr"] is None
    assert str(one) == "12.50 (n=1, best 12.50, worst 12.50)"
    with pytest.raises(ValueError, match="no networks were evaluated"):
        summarise([])


def test_network_function_is_the_network(generator) -> None:
    config = eval_nets("val", 1, image_size=8)[0]
    net = Network(config)
    images = torch.randn(4, 3, 8, 8, generator=generator)
    parameters = dict(net.named_parameters())
    found = network_function(config, parameters)(images)
    net.train()  # batch statistics; these networks have no dropout before their last layers
    if config.fc_layers > 1:
        for module in net.modules():
            if isinstance(module, torch.nn.Dropout):
                module.eval()
    expected = net(images)
    expected = expected[0] if isinstance(expected, tuple) else expected
    torch.testing.assert_close(found, expected)


def test_evaluate_nets(tiny, digits: ImageData) -> None:
    kind = {"image_size": 8, "num_classes": 10, "in_channels": digits.channels}
    nets = [(c, build_graph(c)) for c in eval_nets("test", 2, **kind)]
    ghn = tiny(in_channels=digits.channels).train()
    results = evaluate_nets(ghn, nets, batches(digits), progress=False)
    assert ghn.training, "in the mode it was in"
    assert [r.index for r in results] == [0, 1]
    for result, (config, graph) in zip(results, nets, strict=True):
        count = sum(p.numel() for p in Network(config, device="meta").parameters())
        assert (result.num_params, result.num_nodes) == (count, graph.num_nodes)
        assert 0 <= result.top1 <= result.top5 <= 100
    assert evaluate_nets(ghn, iter(nets), batches(digits), progress=False) == results
    assert isinstance(results[0], NetResult)


def result(top1: float) -> NetResult:
    return NetResult(index=0, top1=top1, top5=99.0, num_params=10, num_nodes=3)


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    results = {"test": {"a": {"0": result(50.0), "1": result(70.0)}, "b": {}}}
    (tmp_path / "results.json").write_text(json.dumps({"results": result_rows(results)}))
    assert read_results(tmp_path) == read_results(tmp_path / "results.json") == results
    assert result_rows(results)["test"]["a"]["top1"]["mean"] == 60
    assert top1_by_method(results) == {"a": {"test": [50.0, 70.0]}, "b": {"test": []}}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"results": {"test": {"a": {"networks": 3}}}}'])
def test_other_files_are_no_results(tmp_path: Path, text: str) -> None:
    path = tmp_path / "results.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="does not hold results of eval_ghn.py"):
        read_results(path)


def test_merged_methods_have_one_name_only_where_they_agree() -> None:
    start, one, two = {"0": result(10.0)}, {"0": result(80.0)}, {"0": result(90.0)}
    first = {"test": {"start": start, "ghn": one}}
    second = {"test": {"start": start, "ghn": two}, "wide": {"start": start}}
    found = merge_results({"x": first, "y": second})
    assert found == {
        "test": {"start": start, "ghn (x)": one, "ghn (y)": two},
        "wide": {"start": start},
    }
    # nothing shows that what was measured on other networks is the same method
    apart = merge_results({"x": {"test": {"ghn": one}}, "y": {"deep": {"ghn": one}}})
    assert apart == {"test": {"ghn (x)": one}, "deep": {"ghn (y)": one}}
