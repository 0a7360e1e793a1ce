"""The page in a real browser: what it shows, folds, finds and tells. Needs Chromium."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from graph2nn.archgraph import ArchGraph, TraceError, draw, trace
from graph2nn.archgraph.pictures.folding import folded
from graph2nn.archgraph.pictures.picture import picture_of
from graph2nn.relational import ws_flex

Open = Callable[..., Any]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Rectangles of all cards and boxes in the drawing's own units, with the box that each lies in.
PLACES = """
() => {
  const world = document.getElementById("world").getCTM().inverse();
  const all = (selector) => [...document.querySelectorAll(selector)];
  const spot = (rect) => {
    const { e, f } = world.multiply(rect.getCTM());
    return [e, f, e + rect.width.baseVal.value, f + rect.height.baseVal.value];
  };
  const cards = {}, boxes = {};
  for (const card of all(".item:not(.box) > .card")) cards[card.parentNode.dataset.id] = spot(card);
  for (const area of all("#boxes .area")) boxes[area.parentNode.dataset.box] = spot(area);
  const edges = all("#edges .edge").map((path) => {
    const a = path.getPointAtLength(0), b = path.getPointAtLength(path.getTotalLength());
    return [path.dataset.from, path.dataset.to, a.x, a.y, b.x, b.y];
  });
  return { cards, boxes, edges };
}
"""
# Smallest contrast of texts to what they stand on, as WCAG 2.2 defines it.
CONTRAST = """
([selector, ground]) => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const fill = (colour) => { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); };
  const shine = (colour, below) => {
    fill(below);
    fill(colour);
    const parts = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3).map((c) => c / 255);
    const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = parts.map(linear);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const under = getComputedStyle(document.body).backgroundColor;
  return Math.min(...[...document.querySelectorAll(selector)].map((text) => {
    const back = getComputedStyle(text.closest(".item").querySelector(ground)).fill;
    const a = shine(getComputedStyle(text).fill, under), b = shine(back, under);
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }));
}
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip("no Chromium here")
    with sync.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser, tmp_path) -> Iterator[Open]:
    """Opens drawings; nothing may fail, warn, or be fetched."""
    said: list[str] = []
    opened = []

    def show(graph: Any, *, dark: bool = False, **options: Any) -> Any:
        path = tmp_path / "net.html"
        with suppress(TraceError):  # it is drawn all the same
            draw(graph, path, **options)
        scheme = "dark" if dark else "light"
        view = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme=scheme)
        opened.append(view)
        view.on("pageerror", lambda error: said.append(str(error)))
        view.on("console", lambda message: said.append(message.text))
        view.on("request", lambda request: said.append(request.url))
        view.goto(path.as_uri())
        # No function to wait for: the page's policy forbids to evaluate text again and again.
        view.wait_for_selector("html[data-ready]", state="attached")
        assert said == [path.as_uri()]
        return view

    yield show
    assert len(said) == len(opened)
    for view in opened:
        view.close()


@pytest.fixture(scope="module")
def resnet() -> ArchGraph:
    from torchvision.models import resnet50

    with torch.device("meta"):
        model = resnet50()
    return trace(model, measures=True)


def shown(page: Any) -> list[str]:
    return page.eval_on_selector_all("#nodes .item", "all => all.map((g) => g.dataset.id)")


def names(page: Any) -> list[str]:
    return page.eval_on_selector_all("#nodes .name", "all => all.map((t) => t.textContent)")


def facts(page: Any) -> dict[str, str]:
    rows = page.eval_on_selector_all(
        "#panel tr", "rows => rows.map((r) => [...r.children].map((c) => c.textContent))"
    )
    return dict(rows)


def number(text: str) -> float:
    return float(re.sub(r"\s.*", "", text).replace(",", ""))


def item(page: Any, label: str) -> str:
    """Selector of the first item with a label."""
    found = page.eval_on_selector_all(
        "#nodes .item",
        "(all, label) => all.filter((g) => g.ariaLabel === label)[0].dataset.id",
        label,
    )
    return f"[data-id={found}]"


def check_places(page: Any) -> None:
    """Nothing overlaps, boxes hold what is theirs, lines end where they should."""
    places = page.evaluate(PLACES)
    boxes = places["boxes"]
    spots = {**places["cards"], **boxes}
    for (a, first), (b, second) in combinations(spots.items(), 2):
        apart = (
            first[2] <= second[0] + 0.2 or second[2] <= first[0] + 0.2
            or first[3] <= second[1] + 0.2 or second[3] <= first[1] + 0.2
        )  # fmt: skip
        nested = within(first, second) if b in boxes else False
        nested = nested or (within(second, first) if a in boxes else False)
        assert apart or nested, (a, first, b, second)
    for source, target, x0, y0, x1, y1 in places["edges"]:
        assert near((x0, y0), places["cards"][source]), (source, target)
        assert near((x1, y1), places["cards"][target]), (source, target)


def within(inner: list[float], outer: list[float]) -> bool:
    low = inner[0] >= outer[0] - 0.2 and inner[1] >= outer[1] - 0.2
    return low and inner[2] <= outer[2] + 0.2 and inner[3] <= outer[3] + 0.2


def near(point: tuple[float, float], spot: list[float]) -> bool:
    return spot[0] - 2 <= point[0] <= spot[2] + 2 and spot[1] - 2 <= point[1] <= spot[3] + 2


def contrast(page: Any, selector: str, ground: str) -> float:
    return page.evaluate(CONTRAST, [selector, ground])


def test_it_starts_unfolded_as_far_as_it_fits_and_can_be_read(page, resnet):
    view = page(resnet)
    assert view.text_content("#title") == "ResNet"
    assert view.text_content("#subtitle").startswith("177 operations, 192 edges, 25,557,032")
    window = view.evaluate("document.getElementById('stage').getBoundingClientRect().toJSON()")
    for box in view.locator("#nodes .item").all():
        place = box.bounding_box()
        assert place["y"] >= window["y"] and place["y"] + place["height"] <= window["bottom"]
    size = view.evaluate("document.querySelector('#nodes .name').getBoundingClientRect().height")
    assert size > 8
    assert {"input", "conv1", "bn1", "relu", "layer1", "layer4", "fc"} <= set(names(view))
    check_places(view)


def test_modules_fold_and_unfold(page, resnet):
    view = page(resnet)
    before = sorted(shown(view))
    layer = item(view, "layer4")
    assert view.get_attribute(layer, "aria-expanded") == "false"
    spot = view.locator(layer).bounding_box()
    view.click(f"{layer} .sign")
    assert view.get_attribute(layer, "aria-expanded") == "true"
    assert "0: Bottleneck" in names(view) and len(shown(view)) == len(before) + 2
    moved = view.locator(layer).bounding_box()
    assert abs(moved["y"] - spot["y"]) < 3  # it stays where it was clicked
    check_places(view)
    view.click(f"{layer} .sign")
    assert sorted(shown(view)) == before
    view.dblclick(f"{layer} .name")
    assert view.get_attribute(layer, "aria-expanded") == "true"
    view.click("#less")
    assert view.locator("#boxes .back").count() == 0
    view.keyboard.press("e")
    assert view.locator("#boxes .back").count() >= 4
    check_places(view)


def test_what_is_shown_is_the_folded_graph(page, resnet):
    """The screenshot by its structure: items and lines are those that Python finds."""
    view = page(resnet)
    view.click("#less")
    picture = picture_of(resnet)
    for depth in (1, 2):
        found = folded(picture, depth)
        tree = picture.hierarchy
        numbers = {id(group): k for k, group in enumerate(tree.groups)}
        ids = [
            f"n{box.start}" if box.group is None else f"g{numbers[id(box.group)]}"
            for box in found.boxes
        ]
        assert sorted(view.evaluate(PLACES)["cards"]) == sorted(ids)
        edges = {(source, target) for source, target, *_ in view.evaluate(PLACES)["edges"]}
        assert edges == {(ids[u], ids[v]) for u, v in found.edges.T.tolist()}
        view.keyboard.press("e")


def test_equal_blocks_are_shown_once_with_their_count(page):
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm, self.linear = nn.LayerNorm(8), nn.Linear(8, 8)

        def forward(self, x):
            return x + self.linear(self.norm(x))

    graph = trace(nn.Sequential(*(Block() for _ in range(12)), nn.Linear(8, 2)), torch.zeros(2, 8))
    view = page(graph)
    assert "0: Block  ×12" in names(view)
    assert names(view).count("norm") == 1
    repeat = "[data-id=g1]"
    view.click(f"{repeat} .name")
    assert facts(view)["operations"] == "48"
    assert "12 equal blocks, one behind the other" in view.text_content("#panel")
    view.click("#panel button[title='The next block']")
    assert "1: Block  ×12" in names(view) and "1 (2 of 12)" in view.text_content("#panel")
    check_places(view)
    view.click("#panel >> text=Show all 12")
    assert names(view).count("norm") + names(view).count("11: Block") >= 1
    assert len([name for name in names(view) if re.fullmatch(r"\d+: Block", name)]) == 12
    check_places(view)
    view.click("#panel >> text=Show one")
    assert names(view).count("norm") == 1


def test_search_reveals_what_it_finds(page, resnet):
    view = page(resnet)
    view.keyboard.press("/")
    view.keyboard.type("layer3 conv2")
    rows = view.eval_on_selector_all("#results li", "all => all.map((r) => r.textContent)")
    assert rows[:2] == ["conv2dlayer3.0.conv2", "conv2dlayer3.1.conv2×5"]
    view.keyboard.press("Enter")
    view.keyboard.press("Enter")
    chosen = view.locator("#nodes .item.selected")
    assert chosen.count() == 1 and chosen.get_attribute("aria-label") == "conv2"
    assert "layer3.1.conv2.weight (256×256×3×3)" in view.text_content("#panel")
    place, stage = chosen.bounding_box(), view.locator("#stage").bounding_box()
    assert stage["x"] < place["x"] < stage["x"] + stage["width"] - 340
    assert stage["y"] < place["y"] < stage["y"] + stage["height"] - 20
    view.fill("#search", "layer3.4.conv2.weight")  # a block that is not the one shown
    view.keyboard.press("Enter")
    assert "layer3.4.conv2.weight" in view.text_content("#panel")
    assert "4: Bottleneck  ×5" in names(view)
    view.fill("#search", "nothing of the kind")
    assert "nothing found" in view.text_content("#results")


def test_a_click_shows_the_numbers(page, resnet):
    view = page(resnet)
    layer = item(view, "layer2")
    view.click(f"{layer} .name")
    inside = [scope.path.startswith("layer2") for scope in resnet.scopes]
    nodes = np.array([inside[k] for k in resnet.scope])
    said = facts(view)
    assert number(said["operations"]) == nodes.sum()
    for name in ("flops", "parameters", "activation_bytes"):
        assert number(said[name.replace("_", " ")]) == resnet.columns[name][nodes].sum()
    view.click(f"{item(view, 'conv1')} .name")
    said = facts(view)
    assert said["operation"] == "conv2d" and said["output shape"] == "1×64×112×112"
    assert said["kernel"] == "7×7" and said["parameter names"] == "conv1.weight (64×3×7×7)"
    assert said["site"].startswith("torchvision.models.resnet")
    assert view.locator(".edge.in").count() == view.locator(".edge.out").count() == 1
    view.click("#panel >> text=batch_norm")  # what reads it
    assert facts(view)["operation"] == "batch_norm"
    view.keyboard.press("ArrowUp")
    assert facts(view)["operation"] == "conv2d"
    view.keyboard.press("Escape")
    assert view.locator("#panel").is_hidden()


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("colour", [None, "flops", "gain"])
def test_colours_can_be_read_in_both_themes(page, resnet, dark, colour):
    gain = np.linspace(-1, 1, resnet.num_nodes)
    view = page(resnet, dark=dark, colour=colour, numbers={"gain": gain})
    view.keyboard.press("e")
    assert contrast(view, ".item:not(.box) .name", ".card") > 4.4
    assert contrast(view, ".item:not(.box) .detail", ".card") > 3.0
    assert contrast(view, ".item.box .name", ".head") > 7
    legend = view.text_content("#legend")
    assert ("convolution" in legend) == (colour is None)
    if colour == "flops":
        assert legend.startswith("flops0")
    if colour == "gain":
        view.select_option("#colour", "parameters")
        assert view.text_content("#legend").startswith("parameters")


def test_moving_zooming_turning_and_themes(page, resnet):
    view = page(resnet)

    def camera() -> list[float]:
        text = view.get_attribute("#world", "transform")
        return [float(x) for x in re.findall(r"-?[\d.]+", text)]

    before, (_, _, scale) = view.get_attribute("#world", "transform"), camera()
    view.mouse.move(200, 400)
    view.mouse.wheel(0, -400)
    for _ in range(100):
        if view.get_attribute("#world", "transform") != before:
            break
        view.wait_for_timeout(20)
    assert camera()[2] > 1.5 * scale
    view.mouse.down()
    view.mouse.move(260, 430, steps=3)
    view.mouse.up()
    assert view.locator("#panel").is_hidden()  # that was no click
    moved = camera()
    view.mouse.down()
    view.mouse.move(300, 430, steps=3)
    view.mouse.up()
    assert camera()[0] == pytest.approx(moved[0] + 40, abs=1)
    view.click("#fit")
    assert camera()[2] == pytest.approx(scale, rel=0.3)
    view.keyboard.press("d")
    places = view.evaluate(PLACES)["cards"]
    assert places["n0"][2] < places["n1"][0] and abs(places["n0"][1] - places["n1"][1]) < 30
    check_places(view)
    ground = "getComputedStyle(document.body).backgroundColor"
    light = view.evaluate(ground)
    view.keyboard.press("t")
    assert view.evaluate(ground) != light


def test_the_drawing_can_be_saved(page, resnet, tmp_path):
    view = page(resnet)
    with view.expect_download() as download:
        view.click("#save")
    download.value.save_as(tmp_path / "saved.svg")
    root = ElementTree.parse(tmp_path / "saved.svg").getroot()
    texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "conv1" in texts and root.get("viewBox")


def test_differences_are_marked(page):
    one = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    other = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 5))
    view = page((trace(one, torch.zeros(2, 4)), trace(other, torch.zeros(2, 4))))
    assert view.locator("#nodes .item.added").count() == 1
    assert view.locator("#nodes .item.changed").count() >= 1
    assert view.locator("#edges .edge.added").count() == 2
    assert view.locator("#edges .edge.removed").count() == 1
    legend = view.text_content("#legend")
    assert "added" in legend and "changed" in legend and "same in both" in legend
    view.select_option("#colour", "kind")
    assert "matrix product" in view.text_content("#legend")
    check_places(view)


def test_the_operation_that_fails_is_shown_at_once(page):
    stages = [nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.ReLU()) for _ in range(30)))] * 3
    stages.insert(2, nn.Sequential(nn.ReLU(), nn.Sequential(nn.Linear(8, 8), nn.Linear(9, 9))))
    view = page(nn.Sequential(*stages), input=torch.zeros(2, 8))
    (failed,) = view.locator("#nodes .failed:not(.box)").all()
    assert failed.get_attribute("class").split()[:2] == ["item", "leaf"]
    place, stage = failed.bounding_box(), view.locator("#stage").bounding_box()
    assert stage["y"] < place["y"] < stage["y"] + stage["height"] - 20
    assert "module '2.1.1' failed: RuntimeError: mat1 and mat2" in view.text_content("#note")
    assert "failed" in view.text_content("#panel") and "failed" in view.text_content("#legend")


def test_relational_graphs_have_neighbours(page):
    graph = ws_flex(16, 4.0, 0.2, seed=1)
    view = page(graph)
    assert view.locator("#nodes .dot").count() == 16
    view.click("[data-id=n3]")
    degree = int(graph.adjacency[3].sum())
    assert facts(view)["degree"] == str(degree)
    assert f"Neighbours ({degree})" in view.text_content("#panel")
    drawn = view.eval_on_selector_all("[data-edges]", "all => all.map((p) => +p.dataset.edges)")
    assert sum(drawn) == graph.num_edges


def test_names_are_text(page):
    evil = "</script><script>document.title='x'</script><b>&amp;"
    graph = trace(nn.Sequential(nn.Linear(4, 8), nn.ReLU()), torch.zeros(2, 4)).replace(name=evil)
    view = page(graph)
    assert view.text_content("#title") == view.title() == evil
    assert view.locator("#bar b").count() == 0


@pytest.mark.parametrize("flat", [False, True])
def test_ten_thousand_nodes_open_in_two_seconds(page, flat):
    rng = np.random.default_rng(0)
    n = 10_000
    far = {(max(0, k - int(rng.integers(2, 60))), k) for k in range(2, n) if rng.random() < 0.3}
    edges = np.array(sorted({(k - 1, k) for k in range(1, n)} | far)).T
    ops = tuple("conv2d linear relu add mul cat view softmax layer_norm max_pool2d".split())
    modules = tuple(f"stage{k // 1000}.block{k // 40}.part{k // 8}" for k in range(n))
    graph = ArchGraph(
        op=rng.integers(0, 10, n), shape=np.zeros((n, 4), dtype=np.int64), edges=edges,
        params=((),) * n, param_shapes={}, cell=np.zeros(n, dtype=np.int64), ops=ops,
        columns={} if flat else {"module": modules},
    )  # fmt: skip
    view = page(graph)
    # what the page itself took; other processes of the machine are not its own
    busy = view.context.new_cdp_session(view)
    busy.send("Performance.enable")
    spent = {m["name"]: m["value"] for m in busy.send("Performance.getMetrics")["metrics"]}
    assert spent["TaskDuration"] < 2
    assert 5 <= len(shown(view)) <= 150
    view.fill("#search", "#7777")
    view.keyboard.press("Enter")
    assert facts(view)["node"] == "7777"
    check_places(view)


@pytest.mark.parametrize("seed", [1, 2, 6])
def test_any_graph_is_laid_out_without_overlaps(page, seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(20, 60))
    pairs = np.sort(rng.integers(0, n, (2 * n, 2)), axis=1).tolist()
    edges = np.array(sorted({(a, b) for a, b in pairs if a < b})).T
    modules = tuple(".".join(rng.choice(list("abc"), rng.integers(0, 4))) for _ in range(n))
    graph = ArchGraph(
        op=rng.integers(0, 4, n), shape=np.zeros((n, 4), dtype=np.int64), edges=edges,
        params=((),) * n, param_shapes={}, cell=np.zeros(n, dtype=np.int64), ops=tuple("abcd"),
        columns={"module": modules},
    )  # fmt: skip
    view = page(graph)
    check_places(view)
    for key in "eedec":
        view.keyboard.press(key)
        check_places(view)
    view.fill("#search", f"#{n - 1}")
    view.keyboard.press("Enter")
    assert facts(view)["node"] == str(n - 1)
    check_places(view)


def vit() -> tuple[nn.Module, Any]:
    from torchvision.models import vit_l_16

    with torch.device("meta"):
        return vit_l_16(), None


def llama() -> tuple[nn.Module, Any]:
    transformers = pytest.importorskip("transformers", reason="Llama is one of its models")
    config = transformers.LlamaConfig(
        hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32,
        num_key_value_heads=8, vocab_size=128256, use_cache=False,
    )  # fmt: skip
    with torch.device("meta"):
        model = transformers.LlamaForCausalLM(config)
        mask = torch.zeros(1, 1, 64, 64)
        return model, {"input_ids": torch.zeros(1, 64, dtype=torch.long), "attention_mask": mask}


@pytest.mark.parametrize(
    ("make", "blocks"), [(vit, 24), pytest.param(llama, 32, marks=pytest.mark.slow)]
)
def test_transformers_of_billions(page, make, blocks):
    model, example = make()
    view = page(model, input=example)
    view.click("#less")
    for _ in range(4):
        view.keyboard.press("e")
        check_places(view)
    assert any(f"×{blocks}" in name for name in names(view))
    assert len(shown(view)) < 200
    count = sum(p.numel() for p in model.parameters())
    assert f"{count:,} parameters" in view.text_content("#subtitle")
