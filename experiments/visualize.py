"""Look at networks, tokens, weights, accuracies and learning curves.

python experiments/visualize.py network test-0 -o network.png
python experiments/visualize.py network resnet18 -d cifar10 -o network.pdf
python experiments/visualize.py tokens ws:n=16,k=4,p=0.1 -o tokens.png
python experiments/visualize.py weights test-0 --ckpt ghn2-digits     trains a minute
python experiments/visualize.py weights test-0 --trained runs/RUN
python experiments/visualize.py accuracy runs/eval/results.json
python experiments/visualize.py learning runs/RUN runs/RUN

The suffix of `-o` (png, pdf, svg) is the format. Where there are several pictures or tables, their
names go on behind that of `-o`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archtokens import PRESETS, GraphTokenizer
from archtokens.grammar import module_string
from archtokens.pictures import draw_tokens, token_rows
from ghn import from_pretrained
from ghn.evaluation import merge_results, read_results
from ghn.figures import plot_results
from ghn.finetuning.config import NetworkConfig
from ghn.finetuning.figures import plot_learning, read_learning
from ghn.weights import compare_weights, plot_weights
from graph2nn.archgraph import draw
from graph2nn.runs import option, parse_command, run_script
from graph2nn.runs.figures import figure_path
from graph2nn.runs.tables import write_rows
from graph2nn.training import count_parameters

Made = list[Path]
VIEWS = ("ghn2", "ghn3", "full", "primitives")


@dataclass(frozen=True, kw_only=True)
class NetworkPicture(NetworkConfig):
    """Draw a network as its graph, by default as a hypernetwork sees it."""

    view: str = option("ghn2", help="view of the network", choices=VIEWS)
    virtual_edges: int = option(0, "-v", help="also draw shortest paths up to this length")
    labels: str = option("auto", help="write into the nodes", choices=("auto", "yes", "no"))
    out: str | None = option(None, "-o", help="picture; none for runs/visualize/NAME.png")


@dataclass(frozen=True, kw_only=True)
class TokensPicture(NetworkConfig):
    """Draw a network as its tokens, and write them as a table."""

    preset: str = option("dag", help="settings of the tokenizer", choices=tuple(PRESETS))
    most: int = option(400, help="tokens that are written out at most")
    out: str | None = option(None, "-o", help="picture; none for runs/visualize/NAME_tokens.png")


@dataclass(frozen=True, kw_only=True)
class WeightsPicture(NetworkConfig):
    """Draw predicted weights beside initial and trained ones, and write their numbers as tables."""

    ckpt: str = option("ghn2-digits", "-C", help="hypernetwork, name or file")
    trained: str | None = option(
        None, help="file of trained weights or run of train_net.py; none trains here"
    )
    fine_tuned: bool = option(False, help="also train from the predicted weights")
    epochs: int | None = option(None, "-e", help="epochs of training; 20 on digits")
    layers: int = option(8, help="layers in pictures of single layers")
    data_dir: str | None = option(None, "-D", help="folder of the images")
    out: str | None = option(None, "-o", help="pictures; none for runs/visualize/NAME_weights.png")

    def __post_init__(self) -> None:
        if self.layers < 1:
            raise ValueError(f"layers: expected at least 1, got {self.layers}")


@dataclass(frozen=True, kw_only=True)
class AccuracyPicture:
    """Draw accuracies by split, and against size, from files that eval_ghn.py wrote."""

    results: tuple[str, ...] = option(positional=True, help="results.json, or folders with one")
    title: str = option("", help="title")
    out: str = option("runs/visualize/accuracy.png", "-o", help="pictures")


@dataclass(frozen=True, kw_only=True)
class LearningPicture:
    """Draw loss and accuracy over the epochs of runs of train_net.py."""

    runs: tuple[str, ...] = option(positional=True, help="run folders")
    title: str = option("", help="title")
    out: str = option("runs/visualize/learning.png", "-o", help="picture")


def network(config: NetworkPicture) -> Made:
    found, images = config.network()
    path = out_path(config.out, found.name)
    graph = found.archgraph(images, config.view)
    labels = {"yes": True, "no": False}.get(config.labels, "auto")
    draw(graph, path, labels=labels, virtual_edges=config.virtual_edges)
    print(f"{graph!r}, {count_parameters(found.model):,} parameters")
    return [path]


def tokens(config: TokensPicture) -> Made:
    found, images = config.network()
    path = out_path(config.out, f"{found.name}_tokens")
    graph = found.archgraph(images)
    tokenizer = GraphTokenizer.preset(config.preset)
    rows = token_rows(tokenizer, graph)
    try:
        string = module_string(found.model)
        print(f"string: {''.join(string)}")
    except ValueError as error:
        string = []
        print(f"no string: {error}")
    draw_tokens(tokenizer, graph, path, string=string, most=config.most)
    print(f"{found.name}: {len(rows)} tokens of the graph, {len(string)} of the string")
    return [path, write_rows(path.with_suffix(".csv"), rows)]


def weights(config: WeightsPicture) -> Made:
    ghn, begin = from_pretrained(config.ckpt), time.perf_counter()
    setting = config.training(epochs=config.epochs, data_dir=config.data_dir)
    train, test, _ = setting.images()
    found, recipe = setting.network(train), setting.recipe(len(train))
    path = out_path(config.out, f"{found.name}_weights")
    if config.trained is None or config.fine_tuned:
        print(f"training: {recipe.epochs} epochs of {len(train)} images", flush=True)
    sets = compare_weights(
        found,
        (train, test),
        recipe,
        ghn,
        trained=config.trained,
        fine_tuned=config.fine_tuned,
        seed=config.seed,
        augment=setting.augment(),
    )
    print(f"{found.name}: {', '.join(map(str, sets))}; {time.perf_counter() - begin:.0f} s")
    title = f"{found.name} on {config.dataset}, predicted by {Path(config.ckpt).stem}"
    return plot_weights(sets, path, title=title, layers=config.layers)


def accuracy(config: AccuracyPicture) -> Made:
    found = {run: read_results(place) for run, place in by_folder(config.results).items()}
    return plot_results(merge_results(found), config.out, title=config.title)


def learning(config: LearningPicture) -> Made:
    found = {run: read_learning(place) for run, place in by_folder(config.runs).items()}
    curves = {
        run + (f": {name}" if len(records) > 1 else ""): rows
        for run, records in found.items()
        for name, rows in records.items()
    }
    return [plot_learning(curves, config.out, title=config.title)]


def by_folder(places: Sequence[str]) -> dict[str, str]:
    """Runs by the names of their folders."""
    found = {Path(place.removesuffix("results.json")).absolute().name: place for place in places}
    if len(found) < len(places):
        raise ValueError("expected runs in folders of different names, which pictures name them by")
    return found


def out_path(out: str | None, name: str) -> Path:
    """Where the picture goes."""
    return Path(out or f"runs/visualize/{name}.png")


COMMANDS: dict[str, tuple[type, Callable[[Any], Made]]] = {
    "network": (NetworkPicture, network),
    "tokens": (TokensPicture, tokens),
    "weights": (WeightsPicture, weights),
    "accuracy": (AccuracyPicture, accuracy),
    "learning": (LearningPicture, learning),
}


def main(argv: Sequence[str] | None = None) -> Made:
    """Draw what the command line names, and say where it is."""
    known = {name: cls for name, (cls, _) in COMMANDS.items()}
    config = parse_command(known, argv, description=__doc__)
    figure_path(config.out or "none.png")  # before anything is computed
    made = next(run for cls, run in COMMANDS.values() if cls is type(config))(config)
    print("wrote " + ", ".join(map(str, made)))
    return made


if __name__ == "__main__":
    run_script(main)
