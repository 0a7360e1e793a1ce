"""The shipped files of published tables hold every value of the originals, and nothing else."""

from __future__ import annotations

import csv
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest
from repository import ROOT

from graph2nn.cells.as_archgraph import NB201_OPS, nb201_string
from graph2nn.runs.tables import read_packed
from predictors.tables.publish import main, publish, published_page
from predictors.tables.published import PUBLISHED, published_columns, read_published

SHIPPED = ROOT / "data" / "published"
ROWS = {
    "nb201": 15625,
    "nb201_latency": 15625,
    "nb201_9x": 199,
    "tnb101_micro": 4096,
    "tnb101_macro": 3256,
    "nas_bench_macro": 6561,
    "nb101_500": 500,
    "nb101_unlabelled": 10250,
    "ec_nas": 4310,
    "nb_nlp": 345,
    "hwgpt": 10000,
    "fbnet": 5000,
    "timm_models": 987,
    "deepnets1m_cifar10": 1402,
    "deepnets1m_cifar10_extended": 1402,
    "deepnets1m_imagenet": 1402,
    "relational": 20496,
    "relational_by_epoch": 98679,
    "connectomes": 153,
    "sparse": 2337,
    "sparse_layers": 46392,
}
CSV = [name for name, table in PUBLISHED.items() if ".csv" in table.file]
DEEPNETS = [name for name in PUBLISHED if name.startswith("deepnets1m")]
NOT_CSV = {"ec_nas", "nb_nlp", "connectomes", *DEEPNETS}


def _original(reference: Path, name: str) -> dict[str, list[str]]:
    """The columns of a CSV file as text, read without the library."""
    path = reference / "data" / PUBLISHED[name].part / PUBLISHED[name].file
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", newline="") as file:
        header, *rows = csv.reader(file)
    return {column: list(values) for column, values in zip(header, zip(*rows))}


def _same(column: np.ndarray, text: list[str]) -> bool:
    """Whether the values are those that the text says, empty where they are missing."""
    if column.dtype.kind == "U":
        return column.tolist() == text
    if column.dtype.kind == "b":
        return column.tolist() == [value in ("1", "True") for value in text]
    missing = -1 if column.dtype.kind == "i" else np.nan
    numbers = np.array([float(value) if value else missing for value in text])
    return np.array_equal(column, numbers, equal_nan=True)


def test_every_file_is_there_and_small() -> None:
    assert set(ROWS) == set(PUBLISHED) and set(CSV) | NOT_CSV == set(PUBLISHED)
    files = {path.name for path in SHIPPED.iterdir()}
    assert files == {f"{name}.h5" for name in PUBLISHED} | {"README.md"}
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 10e6


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_file_says_what_it_is(name: str) -> None:
    table = read_packed(SHIPPED / f"{name}.h5")
    facts, said = table.facts, PUBLISHED[name]
    assert table.num_rows == ROWS[name]
    assert (facts.name, facts.title, facts.source) == (name, said.title, said.source)
    assert (facts.cite, facts.licence) == (said.cite, said.licence)
    assert list(facts.units) == list(table.columns) and all(facts.units.values())
    assert facts.notes["pitfalls"] == said.pitfalls
    assert re.search(r"MIT|Apache-2.0", facts.licence)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+: .*", facts.source, re.DOTALL)


def test_the_page_is_that_of_the_files() -> None:
    made = published_page(SHIPPED)
    again = "make it again: python -m predictors.tables.publish REFERENCE --out data/published"
    assert (SHIPPED / "README.md").read_text(encoding="utf-8") == made, again


def test_what_has_no_licence_is_not_shipped() -> None:
    assert "c10_vis_acc" not in published_columns("nb201")


@pytest.mark.parametrize("name", CSV)
def test_every_value_of_csv_files(name: str, reference: Path) -> None:
    shipped, original = dict(published_columns(name)), _original(reference, name)
    if name == "nb201":
        del original["c10_vis_acc"]
    if name in ("nb201", "nb201_latency"):
        codes = [json.loads(f"[{code[1:-1]}]") for code in shipped["arch"]]
        shipped["arch_str"] = np.array(
            [nb201_string([NB201_OPS[c] for c in code]) for code in codes]
        )
    if name == "nb201_latency":
        del shipped["arch"]
    assert set(shipped) == set(original)
    assert [n for n in original if not _same(shipped[n], original[n])] == []


def test_noise_of_nb201(reference: Path) -> None:
    folder = reference / "data" / "predictors"
    kept, again = (read_published("nb201", place).facts.notes["noise"] for place in (None, folder))
    assert kept["c10_val"]["tau"] == pytest.approx(0.8789818544667035, abs=1e-12)
    assert again["c10_val"]["tau"] == pytest.approx(kept["c10_val"]["tau"], abs=1e-12)
    assert again["c10_val"]["meaning"] == kept["c10_val"]["meaning"]


def test_every_value_of_ec_nas(reference: Path) -> None:
    shipped = published_columns("ec_nas")
    numbers = np.array([json.loads(f"[{text[1:-1]}]") for text in shipped["arch"]])
    with np.load(reference / "data/predictors/ec_nas_7v_energy.npz") as data:
        np.testing.assert_array_equal(numbers[:, :49].reshape(-1, 7, 7), data["adj"])
        np.testing.assert_array_equal(numbers[:, 49:], data["ops"])
        np.testing.assert_array_equal(shipped["energy"].astype(np.float32), data["y2"])
        np.testing.assert_array_equal(shipped["params"], data["y3"])


def test_every_value_of_nb_nlp(reference: Path) -> None:
    shipped = published_columns("nb_nlp")
    with gzip.open(reference / "data/predictors/nb_nlp_wikitext2.jsonl.gz", "rt") as file:
        records = [json.loads(line) for line in file]
    for row, record in enumerate(records):
        epochs = shipped["epochs"][row]
        for name in ("id", "status", "num_params"):
            assert shipped[name][row] == record[name]
        recipe = json.loads(shipped["recipe"][row])
        assert json.dumps(recipe) == json.dumps(record["recipe"])  # order included
        for name in ("val_losses", "test_losses"):
            np.testing.assert_array_equal(shipped[name][row][:epochs], record[name])
            assert np.isnan(shipped[name][row][epochs:]).all()


@pytest.mark.parametrize("name", DEEPNETS)
def test_every_value_of_deepnets(name: str, reference: Path) -> None:
    shipped = published_columns(name)
    with gzip.open(reference / "data" / "deepnets" / PUBLISHED[name].file, "rt") as file:
        splits = json.load(file)
    rows = [(s, int(k), row) for s, found in splits.items() for k, row in found.items()]
    assert list(zip(shipped["split"], shipped["index"])) == [(s, k) for s, k, _ in rows]
    for column, values in shipped.items():
        if column in ("split", "index"):
            continue
        for value, (_, _, row) in zip(values.tolist(), rows):
            missing = column not in row
            assert value != value if missing else value == row[column]


def test_every_value_of_connectomes(reference: Path) -> None:
    shipped = published_columns("connectomes")
    for name in ("cat", "mcvisual", "mcwhole"):
        lines = (reference / f"data/relational/{name}.txt").read_text().split()
        assert shipped["line"][shipped["name"] == name].tolist() == lines


SMALL = ["nb201_9x", "nb101_500", "timm_models", "connectomes", "deepnets1m_imagenet"]


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in SMALL else pytest.mark.slow) for n in PUBLISHED],
)
def test_made_again(name: str, reference: Path, tmp_path: Path) -> None:
    made = read_packed(publish(name, reference, tmp_path))
    shipped = read_packed(SHIPPED / f"{name}.h5")
    assert made.facts == shipped.facts and list(made.columns) == list(shipped.columns)
    for column, values in made.columns.items():
        np.testing.assert_array_equal(shipped.columns[column], values)


def test_command_line(reference: Path, tmp_path: Path, capsys) -> None:
    main([str(reference), "--out", str(tmp_path), "--only", "nb201_9x"])
    assert "nb201_9x.h5" in capsys.readouterr().out
    assert "## nb201_9x" in (tmp_path / "README.md").read_text(encoding="utf-8")
    with pytest.raises(ValueError, match="unknown published table 'nothing'"):
        main([str(reference), "--out", str(tmp_path), "--only", "nothing"])


def test_missing_originals(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nb101_500.csv"):
        publish("nb101_500", tmp_path, tmp_path)
