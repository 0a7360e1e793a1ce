"""Does everything work for somebody who has only the installed package? Thirteen user stories.

    python tests/wheel/user_stories.py            # all
    python tests/wheel/user_stories.py errors     # those whose names contain a word

Needs the package and its core dependencies, nothing of the repository. Writes into the current
folder only. Prints a line for each story with its seconds, and what was left out for want of an
extra; exits with 1 where one fails.
"""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

STORIES: dict[str, Callable[[], str]] = {}
EXTRAS = {"xgboost": "boost", "lightgbm": "boost"}


def story(function: Callable[[], str]) -> Callable[[], str]:
    """List a story; what it returns says what was done."""
    STORIES[function.__name__] = function
    return function


def has(package: str) -> bool:
    """Whether a package that an extra brings is installed; says so where not."""
    if importlib.util.find_spec(package) is not None:
        return True
    print(f'     skipped: {package} is not there (pip install "netwright[{EXTRAS[package]}]")')
    return False


def check(truth: object, what: str) -> None:
    """Fail with a sentence; an assertion would vanish under `python -O`."""
    if not truth:
        raise RuntimeError(what)


def refuses(message: str, call: Callable[[], object]) -> None:
    """Check that a call fails with a message that has these words in this order."""
    try:
        call()
    except (ValueError, OSError, ImportError) as error:
        words, text = message.split(" ... "), " ".join(str(error).split())
        at = 0
        for part in words:
            at = text.find(part, at) + 1
            check(at, f"expected {part!r} in: {text}")
        return
    raise RuntimeError(f"nothing refused where {message!r} was expected")


def small_cnn() -> nn.Module:
    """A network of the user's."""
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        nn.Linear(32, 10),
    )


@story
def weights() -> str:
    """Every shipped hypernetwork predicts a network, every shipped encoder reads graphs."""
    from ghn import GHN
    from graph2nn.archgraph import trace
    from graph2nn.deepnets import EndlessNets, build_graph
    from graph2nn.runs.pretrained import manifest_entries
    from predictors import load_table
    from predictors.tart.encoders import SHIPPED, find_encoder

    names = [n for n, entry in manifest_entries().items() if entry.get("kind", "ghn") == "ghn"]
    check({"ghn2-digits", "mlp-digits", "ghn2-cifar10"} <= set(names), f"hypernetworks: {names}")
    images = torch.rand(2, 3, 32, 32)
    for name in names:
        ghn = GHN.from_pretrained(name)
        model = ghn(small_cnn().eval(), images)
        check(model(images).isfinite().all(), f"{name}: predicted parameters are not finite")
    graphs = {
        "tart-cells": load_table("nas_bench_macro")[0][:8],
        "tart-deepnets": [build_graph(EndlessNets("train")[k]) for k in range(8)],
    }
    for name in SHIPPED:
        vectors = find_encoder(name, graphs[name]).embed(graphs[name])
        check(len(vectors) == 8 and np.isfinite(vectors).all(), f"{name}: no vectors")
    check(trace(model, images).num_nodes > 10, "no graph of the predicted network")
    return f"{', '.join(names)}; {', '.join(SHIPPED)}"


@story
def tables() -> str:
    """Every table loads by its name, with labels."""
    from predictors import TABLES, load_table

    elsewhere = {"deepnets_published"}  # its networks are a download of the publishers
    get = "not there ... download deepnets1m_eval.hdf5"
    refuses(get, lambda: load_table("deepnets_published"))
    rows = 0
    for name in TABLES:
        if name in elsewhere:
            continue
        if name == "nb101_unlabelled":
            from predictors import read_table

            rows += len(read_table(name).graphs)
            continue
        X, y = load_table(name)
        check(len(X) == len(y) > 0 and np.isfinite(y).all(), f"{name}: labels are missing")
        rows += len(X)
    return f"{len(TABLES) - len(elsewhere)} tables, {rows} networks"


@story
def predictors() -> str:
    """Every kind of predictor is fitted, saved, loaded, and predicts the same."""
    from predictors import MODELS, ArchPredictor, load_table, make_predictor

    X, y = load_table("nas_bench_macro")
    nets, accuracies = load_table("deepnets_digits")
    sized = load_table("tnb101_macro")
    neural = ("gcn", "gcn-raw", "neurpred", "gin", "gat", "pna", "bananas", "bananas-published")
    neural += ("ghn-joint", "ghn-labels", "ghn-frozen")
    quick = dict.fromkeys((*neural, "tart", "tart-scratch", "tart-published"), {"epochs": 2})
    done = 0
    for name, entry in MODELS.items():
        needed = {"xgb": "xgboost", "lgbm": "lightgbm"}.get(name.split("-")[0])
        if needed and not has(needed):
            continue
        graphs, targets = (nets, accuracies) if entry.place.endswith("GHNPredictor") else (X, y)
        if name == "roofline":
            graphs, targets = sized
        model = make_predictor(name, **quick.get(name, {}))
        model.fit(graphs[:40], targets[:40])
        before = model.predict(graphs[40:50])
        check(before.shape == (10,) and np.isfinite(before).all(), f"{name}: {before}")
        after = ArchPredictor.load(model.save(f"{name}.safetensors")).predict(graphs[40:50])
        check(np.array_equal(before, after), f"{name}: loaded, it predicts other numbers")
        done += 1
    return f"{done} of {len(MODELS)} kinds"


@story
def pictures() -> str:
    """A network of the user's is traced, drawn, and given to scikit-learn and networkx."""
    from graph2nn.archgraph import coverage, draw, to_networkx, to_pyg, trace

    model, images = small_cnn(), torch.rand(1, 3, 32, 32)
    graph = trace(model, images)
    for ending in ("png", "pdf", "svg", "html"):
        draw(graph, f"network.{ending}")
        check(Path(f"network.{ending}").stat().st_size > 2000, f"network.{ending} is empty")
    check(to_networkx(graph).number_of_nodes() == graph.num_nodes, "networkx lost nodes")
    check(to_pyg(graph).num_nodes == graph.num_nodes, "PyTorch Geometric lost nodes")
    check(graph.num_params() == sum(p.numel() for p in model.parameters()), "parameters are lost")
    check(coverage(graph, model).complete, "parameters have no node")
    script = [sys.executable, "-m", "graph2nn.draw", "--help"]
    check("draw" in subprocess.run(script, capture_output=True, text=True).stdout, "no command")
    return f"{graph.num_nodes} nodes"


@story
def command() -> str:
    """The command does all its words on a file of the user's, and says what is wrong."""
    Path("mine.py").write_text(
        "from torch import nn\n\ndef net(width=8):\n"
        "    return nn.Sequential(nn.Conv2d(3, width, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1),\n"
        "        nn.Flatten(), nn.Linear(width, 10))\n"
    )
    program = Path(sys.executable).with_name("netwright")
    start = [str(program)] if program.exists() else [sys.executable, "-m", "netwright"]

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*start, *words], capture_output=True, text=True)

    size = ("--input", "2x3x8x8")
    weights = ("--checkpoint", "ghn2-digits", "--out", "mine.safetensors")
    calls = [
        (
            "graph",
            "mine.py:net",
            "width=12",
            *size,
            "--html",
            "mine.html",
            "--json",
            "mine.json.gz",
        ),
        ("summary", "mine.json.gz"),
        ("predict", "mine:net", *size, *weights),
        ("accuracy", "mine.py:net", *size, "--table", "timm_models", "--train", "60"),
        ("diff", "mine.json.gz", "mine.py:net", *size),
        ("data", "nb101_500", "--csv", "labels.csv"),
    ]
    for words in calls:
        done = run(*words)
        check(done.returncode == 0 and done.stdout, f"{' '.join(words)}: {done.stderr}")
    for name in ("mine.html", "mine.json.gz", "mine.safetensors", "labels.csv"):
        check(Path(name).stat().st_size > 300, f"{name} is empty")
    wrong = run("graph", "resnet50")
    check("nothing is imported that is not named" in wrong.stderr, wrong.stderr)
    check("netwright predict" in run("--help").stdout, "no help")
    return f"{len(calls)} calls of {Path(start[0]).name}"


@story
def relational() -> str:
    """A graph becomes a network; many graphs are swept; the user's own model is made relational."""
    import networkx as nx

    from graph2nn.relational import (
        GRAPH_SETS,
        SweepGrid,
        as_graph,
        graph_set,
        load_connectome,
        make_relational,
        measure,
        relational_mlp,
        run_sweep,
        ws_flex,
    )

    net = relational_mlp(ws_flex(64, 12.5, 0.2, seed=1), num_classes=10, image_size=8)
    check(net(torch.rand(4, 3, 8, 8)).shape == (4, 10), "the relational network has no logits")
    star = make_relational(small_cnn(), as_graph(nx.star_graph(15)), torch.rand(2, 3, 32, 32))
    check(star(torch.rand(2, 3, 32, 32)).shape == (2, 10), "the star has no logits")
    grid = SweepGrid(nodes=16, k_min=4, k_max=14, degrees=5, probabilities=5, seeds=2)
    sweep = run_sweep(grid, progress=False)
    check(np.isfinite(sweep.C).all() and sweep.C.size == 50, "the sweep has holes")
    entries = sum(len(graph_set(name)) for name in GRAPH_SETS)
    cat = load_connectome("cat")
    check(cat.num_nodes == 52 and measure(cat.undirected()).C > 0, "the connectome of the cat")
    return f"50 graphs swept, {entries} graphs in sets, a connectome"


@story
def sparsity() -> str:
    """A network is pruned, seen as a multipartite graph, and measured."""
    from graph2nn.sparsity import build, encode, prune, ramanujan, topometrics

    weights = sum(weight.numel() for weight in build("Resnet-20").parameters())
    check(weights > 250_000, "the published network is not there")
    model = small_cnn()
    masks = prune(model, "synflow", sparsity=0.95, input_shape=(3, 6, 6))
    found = topometrics(encode(model, masks, "unrolled", (3, 6, 6)))
    check(len(found) >= 16, f"topometrics: {found}")
    layers = encode(model, masks, "rolled")
    check(all(ramanujan(layer) for layer in layers.values()), "no Ramanujan properties")
    return f"{int(found['nodes'])} nodes, {int(found['edges'])} edges"


@story
def wirings() -> str:
    """A wiring is discovered on digits for an epoch, compacted, and predicts the same."""
    from graph2nn.vision import load_images
    from graph2nn.wirings import compact, find_config, load_wiring, train_wiring

    config = find_config("small/static_dnw", dataset="digits", epochs=1, batch_size=128)
    train, test = (load_images("digits", split=name) for name in ("val", "test"))
    model, records = train_wiring(config, train, test, folder="wiring", progress=False)
    check(records[-1]["epoch"] == 1, "no epoch was trained")
    again = load_wiring("wiring")[1].eval()
    images = torch.rand(2, 3, *model.expected_input_sz[1:]) * 2 - 1
    with torch.no_grad():
        check(
            torch.allclose(again(images), compact(again)(images), atol=1e-4), "compacting changed"
        )
    return f"test error {records[-1]['top1_error']:.0f} % after an epoch"


@story
def grammar() -> str:
    """Architectures as strings: any of them is a network; they are mutated and crossed."""
    from archtokens import ArchGrammar, GraphTokenizer

    rng = np.random.default_rng(0)
    for space in ("deepnets", "dag", "relational"):
        one, two = ArchGrammar(space).sample(2, seed=0)
        language = ArchGrammar(space)
        tokens, others = language.encode(one), language.encode(two)
        check(language.encode(language.decode(tokens)) == tokens, f"{space}: another came back")
        for child in (language.mutate(tokens, rng), language.crossover(tokens, others, rng)):
            check(child and language.decode(child) is not None, f"{space}: no child")
    network = ArchGrammar("deepnets").decode("[OP:msa][FC:2][OP:cse]")
    graph = ArchGrammar("deepnets").graph(network)
    check(len(GraphTokenizer().fit([graph])([graph])) == 1, "the graph has no tokens")
    return "deepnets, dag, relational"


@story
def results() -> str:
    """Published and own results are read by name and studied."""
    from graph2nn.ground_truth import read_ground_truth, summarise_ground_truth
    from graph2nn.relational import read_results
    from graph2nn.relational.campaign.results import OWN_RESULTS, published_results
    from graph2nn.sparsity import accuracy_drop, published_table, read_sparse_table
    from graph2nn.wirings.campaign.results import OWN_RUNS, compare_runs, read_collected
    from predictors.studies.relational import analyze

    published = published_results()
    check({"mlp_cifar10", "resnet34_imagenet"} <= set(published.tasks), "tasks are missing")
    check(published_results(by_epoch=True).num_rows > published.num_rows, "no epochs")
    for name in OWN_RESULTS:
        check(
            read_results(name).num_rows == read_results(name, by_epoch=True).final().num_rows, name
        )
    sparse = published_table()
    check(sparse.num_rows == 2290 and np.isfinite(accuracy_drop(sparse)).all(), repr(sparse))
    check(read_sparse_table("digits").num_rows == 210, "the own sparse table is cut")
    for name in OWN_RUNS:
        check(math.isfinite(compare_runs(read_collected(name))[0]["accuracy"]), name)
    check("deepnets_digits" in summarise_ground_truth(read_ground_truth("deepnets_digits")), "name")
    found = analyze("mlp_digits_52", "analysis", formats=())
    check(found.page.is_file(), "no page was written")
    return f"{published.num_rows} relational and {sparse.num_rows} sparse networks"


@story
def own_table() -> str:
    """A table of the user's own models: made, saved, loaded, learned from."""
    from predictors import load_table, make_predictor
    from predictors.tables import Table

    models = {f"width{n}": lambda n=n: nn.Sequential(
        nn.Conv2d(3, n, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(n, 10)
    ) for n in range(4, 44)}  # fmt: skip
    accuracies = [50 + math.log(n) for n in range(4, 44)]
    table = Table.from_models(models, {"acc": accuracies}, inputs=(1, 3, 8, 8), progress=False)
    path = table.save("mine.h5")
    X, y = load_table(path)
    check(len(X) == 40 and np.allclose(y, accuracies), "the table came back different")
    model = make_predictor("rf-graph").fit(X[:30], y[:30])
    check(np.isfinite(model.predict(X[30:])).all(), "no predictions")
    refuses("", lambda: Table.from_models(models, {"acc": accuracies[:3]}, progress=False))
    return "40 models"


@story
def hypernetwork() -> str:
    """A hypernetwork is trained for a few steps, saved, loaded, and evaluated."""
    from ghn import GHN
    from ghn.evaluation import evaluate_nets
    from ghn.training import TrainConfig, Trainer
    from graph2nn.runs import RunFolder

    config = TrainConfig(steps=2, meta_batch_size=1, batch_size=8, val_every=0, debug=0)
    run = RunFolder("hypernetwork", {"steps": 2})
    trained = Trainer(config, run=run).fit()
    check(any(Path("hypernetwork").glob("*.pt")), "no checkpoint was written")
    again = GHN.load(trained.eval().save("mine.pt"))
    images = torch.rand(1, 3, 8, 8)
    check(again.predict(small_cnn(), images)["0.weight"].isfinite().all(), "not finite")
    check(callable(evaluate_nets), "no evaluation")
    return "2 steps"


@story
def errors() -> str:
    """What is not there is said with a command that gets it, what is wrong with what is right."""
    from ghn import GHN
    from graph2nn.ground_truth import read_ground_truth
    from graph2nn.relational import read_results
    from graph2nn.sparsity import read_sparse_table
    from graph2nn.vision import load_images
    from predictors import load_table, make_predictor

    get = "python -m graph2nn.vision.download cifar10"
    refuses(f"cifar10 is not in ... {get}", lambda: load_images("cifar10"))
    refuses(
        "no hypernetwork 'ghn2-digit' ... ghn2-digits", lambda: GHN.from_pretrained("ghn2-digit")
    )
    refuses("ghn1_imagenet.pt ... put", lambda: GHN.from_pretrained("ghn1-imagenet"))
    refuses("unknown table 'nb301' ... nb201", lambda: load_table("nb301"))
    refuses("unknown model 'tarte' ... did you mean 'tart'", lambda: make_predictor("tarte"))
    refuses("does not exist ... mlp_digits_52", lambda: read_results("absent"))
    refuses("does not exist ... digits", lambda: read_sparse_table("absent.csv"))
    refuses("does not exist ... deepnets_digits", lambda: read_ground_truth("absent.h5"))
    for package, name in (("xgboost", "xgb-graph"), ("lightgbm", "lgbm-graph")):
        if importlib.util.find_spec(package) is None:
            X, y = load_table("nas_bench_macro")
            extra = 'pip install "netwright[boost]"'
            refuses(extra, lambda n=name, X=X, y=y: make_predictor(n).fit(X[:9], y[:9]))
    Path("cut.pt").write_bytes(b"PK")
    refuses("cut.pt is truncated or altered", lambda: GHN.load("cut.pt"))
    return "each says what to do"


def run(name: str) -> bool:
    """Run one story and print its line; whether it ended well."""
    start = time.perf_counter()
    try:
        said = STORIES[name]()
    except Exception:
        traceback.print_exc(file=sys.stdout)
        print(f"FAIL {time.perf_counter() - start:6.1f} s  {name}", flush=True)
        return False
    print(f"ok   {time.perf_counter() - start:6.1f} s  {name}: {said}", flush=True)
    return True


def main(words: list[str]) -> int:
    """Run the stories whose names have one of the words; 0 if all ended well."""
    import graph2nn

    # Networks this small gain nothing from more, and on a busy machine lose.
    torch.set_num_threads(1)
    print(f"netwright in {Path(graph2nn.__file__).parents[1]}, user {os.getuid()}", flush=True)
    chosen = [name for name in STORIES if not words or any(word in name for word in words)]
    failed = [name for name in chosen if not run(name)]
    print(f"{len(chosen) - len(failed)} of {len(chosen)} stories ended well" + (
        f"; failed: {', '.join(failed)}" if failed else ""
    ))  # fmt: skip
    return 1 if failed or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
