"""Accuracy of networks whose parameters a hypernetwork predicted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from tqdm import tqdm

from ghn.model import GHN
from graph2nn.archgraph import ArchGraph
from graph2nn.families import Net, build_blueprint
from graph2nn.runs.summaries import standard_error, with_error
from graph2nn.training import evaluate
from graph2nn.training.precise_bn import use_batch_statistics
from graph2nn.vision import Batches, ImageData

__all__ = [
    "NetResult",
    "Summary",
    "accuracy",
    "evaluate_nets",
    "evaluation_batches",
    "merge_results",
    "network_function",
    "read_results",
    "result_rows",
    "summarise",
    "top1_by_method",
]

EVAL_SEED = 1111

Results = dict[str, dict[str, dict[str, "NetResult"]]]
"""Results of `eval_ghn.py` by split, method and network."""


@dataclass(frozen=True, kw_only=True)
class NetResult:
    """One evaluated network: top-1 and top-5 accuracy in percent, parameters and graph size."""

    index: int
    top1: float
    top5: float
    num_params: int
    num_nodes: int


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Mean over networks, its standard error (NaN for one), extremes; percent."""

    n: int
    mean: float
    stderr: float
    median: float
    best: float
    worst: float

    def to_json(self) -> dict[str, Any]:
        """Return the numbers by name, None for NaN."""
        return {name: None if value != value else value for name, value in asdict(self).items()}

    def __str__(self) -> str:
        extremes = f"best {self.best:.2f}, worst {self.worst:.2f}"
        return f"{with_error(self.mean, self.stderr, 2)} (n={self.n}, {extremes})"


def summarise(values: Sequence[float]) -> Summary:
    """Summarise a list of accuracies.

    Raises:
        ValueError: The list is empty.
    """
    if not values:
        raise ValueError("no networks were evaluated, so there is nothing to summarise")
    v = torch.tensor(values, dtype=torch.float64)
    return Summary(
        n=len(v),
        mean=v.mean().item(),
        stderr=standard_error(values),
        median=v.quantile(0.5).item(),
        best=v.max().item(),
        worst=v.min().item(),
    )


Forward = Callable[[Tensor], Tensor]


@torch.no_grad()
def accuracy(forward: Forward, batches: Batches) -> tuple[float, float]:
    """Measure the top-1 and top-5 accuracy, in percent, of `forward` over all `batches`.

    Networks with predicted parameters normalise by batch, so the figure depends on the batch size
    (64 in the published tables). When memory runs out the batch is halved, as in the original, down
    to 2.
    """
    while True:
        try:
            # a network of NaN logits predicts nothing, whatever their order
            found = evaluate(forward, batches, loss=False, finite_only=True)
            return 100 * found.top1 / found.images, 100 * found.top5 / found.images
        except torch.OutOfMemoryError:
            if batches.batch_size <= 2:
                raise
            batches = evaluation_batches(
                batches.data, batches.batch_size // 2, device=batches.device, noise=batches.noise
            )
            torch.cuda.empty_cache()


def evaluation_batches(
    data: ImageData,
    batch_size: int = 64,
    *,
    device: torch.device | str = "cpu",
    noise: bool | float = False,
    limit: int | None = None,
) -> Batches:
    """Make batches of all images once, in the order of the published evaluation.

    `limit` takes at most so many, spread evenly over the file, so that all classes occur.
    """
    if limit is not None and limit < len(data):
        data = data.subset(torch.linspace(0, len(data) - 1, limit).long())
    return Batches(data, batch_size, train=False, seed=EVAL_SEED, device=device, noise=noise)


@torch.no_grad()
def evaluate_nets(
    ghn: GHN,
    nets: Iterable[tuple[Net, ArchGraph]],
    batches: Batches,
    *,
    progress: bool = True,
    title: str = "evaluate",
) -> list[NetResult]:
    """Predict the parameters of each network and measure it.

    The hypernetwork is in evaluation mode meanwhile.
    """
    was_training, results = ghn.training, []
    ghn.eval()
    nets = nets if isinstance(nets, Sequence) else list(nets)
    for index, (net, graph) in enumerate(tqdm(nets, desc=title, disable=not progress, leave=False)):
        parameters = ghn.predict_graphs([graph])[0]
        parameters = {k: v.to(batches.device) for k, v in parameters.items()}
        top1, top5 = accuracy(network_function(net, parameters), batches)
        size = sum(p.numel() for p in parameters.values())
        results.append(
            NetResult(index=index, top1=top1, top5=top5, num_params=size, num_nodes=graph.num_nodes)
        )
    ghn.train(was_training)
    return results


def network_function(net: Net, parameters: dict[str, Tensor]) -> Forward:
    """Make a network of any family with these parameters, in evaluation mode.

    It normalises by batch; parameters have the shapes of the network's own.
    """
    device = next(iter(parameters.values())).device
    model = build_blueprint(net, device).eval()
    use_batch_statistics(model)
    return lambda images: functional_call(model, parameters, (images,))


def result_rows(results: Results) -> dict[str, Any]:
    """Return results as `results.json` has them: by split and method a summary and all networks.

    Args:
        results: Results by split, method and network.
    """
    rows: dict[str, Any] = {}
    for split, by_method in results.items():
        for method, nets in by_method.items():
            values = [r.top1 for r in nets.values()]
            summary = summarise(values).to_json() if values else None
            networks = {name: asdict(r) for name, r in nets.items()}
            rows.setdefault(split, {})[method] = {"top1": summary, "networks": networks}
    return rows


def read_results(path: str | Path) -> Results:
    """Read the `results.json` of a run of `eval_ghn.py`.

    Args:
        path: Path of the file, or of its folder.

    Raises:
        ValueError: The file holds something else.
        FileNotFoundError: There is no such file.
    """
    path = Path(path) / "results.json" if Path(path).is_dir() else Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist: expected a results.json of eval_ghn.py")
    try:
        return {
            split: {
                method: {name: NetResult(**row) for name, row in found["networks"].items()}
                for method, found in by_method.items()
            }
            for split, by_method in json.loads(path.read_text(encoding="utf-8"))["results"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} does not hold results of eval_ghn.py ({type(error).__name__}: {error})"
        ) from None


def merge_results(results: Mapping[str, Results]) -> Results:
    """Merge results of several runs; methods of one name get the run's name unless they agree.

    Two runs agree on a method if they share a split, and give the same results on all they share.

    Args:
        results: Results by a name of the run.

    Examples:
        >>> def run(top1):
        ...     net = NetResult(index=0, top1=top1, top5=99.0, num_params=10, num_nodes=3)
        ...     return {"test": {"initial weights": {"0": net}}}
        >>> list(merge_results({"one": run(10.0), "two": run(10.0)})["test"])
        ['initial weights']
        >>> list(merge_results({"one": run(10.0), "two": run(12.0)})["test"])
        ['initial weights (one)', 'initial weights (two)']
    """
    by_method: dict[str, dict[str, dict[str, dict[str, NetResult]]]] = {}
    for run, found in results.items():
        for split, methods in found.items():
            for method, nets in methods.items():
                by_method.setdefault(method, {}).setdefault(run, {})[split] = nets
    merged: Results = {}
    for method, runs in by_method.items():
        same = all(_agree(a, b) for a, b in combinations(runs.values(), 2))
        for run, splits in runs.items():
            for split, nets in splits.items():
                merged.setdefault(split, {})[method if same else f"{method} ({run})"] = nets
    return merged


def _agree(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    shared = a.keys() & b.keys()
    return bool(shared) and all(a[split] == b[split] for split in shared)


def top1_by_method(results: Results) -> dict[str, dict[str, list[float]]]:
    """Collect the accuracies in percent by method, then split, as `plot_distributions` takes them.

    Args:
        results: Results by split, method and network.
    """
    found: dict[str, dict[str, list[float]]] = {}
    for split, by_method in results.items():
        for method, nets in by_method.items():
            found.setdefault(method, {})[split] = [r.top1 for r in nets.values()]
    return found
