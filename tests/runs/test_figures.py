"""Figures: no window, no state left in pyplot, whole files, formats refused before the work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from graph2nn.runs.figures import (
    FORMATS,
    canvas,
    check_formats,
    figure_path,
    save_figure,
    save_formats,
    shades,
    tidy,
)


def _figure():
    figure, (left, right) = canvas(2, 1, 1, 2, sharey=True)
    left.plot([0, 1], [0, 1])
    tidy(right, title="t", x="x", y="y")
    return figure


def test_every_format_is_written_and_twice_the_same(tmp_path: Path) -> None:
    made = save_formats(_figure(), tmp_path / "new", "f", FORMATS)
    assert [path.name for path in made] == ["f.png", "f.pdf", "f.svg"]
    heads = [path.read_bytes()[:5] for path in made]
    assert heads == [b"\x89PNG\r", b"%PDF-", b"<?xml"]
    assert b"CreationDate" not in made[1].read_bytes() and b"dc:date" not in made[2].read_bytes()
    png = made[0].read_bytes()
    assert save_figure(_figure(), made[0], dpi=110).read_bytes() == png
    assert {path.name for path in made[0].parent.iterdir()} == {path.name for path in made}


@pytest.mark.parametrize("path", ["a.jpg", "a", "png"])
def test_other_suffixes(tmp_path: Path, path: str) -> None:
    for refuse in (figure_path, lambda p: save_figure(_figure(), p)):
        with pytest.raises(ValueError, match=r"cannot draw to .*ends in \.png, \.pdf, \.svg"):
            refuse(tmp_path / path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("formats", ["png", ("png", "gif"), ["PNG"]])
def test_other_formats(tmp_path: Path, formats) -> None:
    with pytest.raises(ValueError, match="figure formats .*: expected a list of png, pdf, svg"):
        check_formats(formats)
    with pytest.raises(ValueError, match="figure formats"):
        save_formats(_figure(), tmp_path, "f", formats)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_the_old_file(tmp_path: Path, monkeypatch) -> None:
    path = save_figure(_figure(), tmp_path / "f.png")
    before, figure = path.read_bytes(), _figure()
    monkeypatch.setattr(figure, "savefig", lambda *a, **k: (_ for _ in ()).throw(MemoryError))
    with pytest.raises(MemoryError):
        save_figure(figure, path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_colours_of_a_map() -> None:
    assert shades("viridis", [0.0, 1.0]).shape == (2, 4)


def test_pyplot_is_not_even_imported(tmp_path: Path) -> None:
    code = (
        "import sys, graph2nn.runs.figures as f\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"figure, _ = f.canvas(1, 1)\nf.save_figure(figure, {str(tmp_path / 'f.png')!r})\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_notebook_shows_the_figure():
    content = getattr(_figure(), "_repr_png_")()  # noqa: B009
    assert content[:4] == b"\x89PNG"
