"""Weights by name: where they are looked for, what is checked, what a manifest says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graph2nn.runs import sha256_file
from graph2nn.runs.pretrained import Published, add_entry, find_pretrained, manifest_entries

PUBLISHED = {"theirs": Published("theirs.pt")}


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The folder of checkpoints and the user's cache, both empty."""
    folder, cache = tmp_path / "checkpoints", tmp_path / "cache" / "netwright"
    folder.mkdir()
    cache.mkdir(parents=True)
    monkeypatch.setenv("NETWRIGHT_CHECKPOINTS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NETWRIGHT_HUB", raising=False)
    return folder, cache


def test_entries_are_added_and_renewed(folders) -> None:
    one, two = folders[0] / "b_one.pt", folders[0] / "a_two.pt"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    assert manifest_entries() == {}
    add_entry(one, kind="x", card={"steps": 3})
    add_entry(two)
    one.write_bytes(b"new")
    entry = add_entry(one, kind="y")
    assert entry == {"file": "b_one.pt", "sha256": sha256_file(one), "kind": "y"}
    assert list(manifest_entries()) == ["a-two", "b-one"] and manifest_entries()["b-one"] == entry
    text = (folders[0] / "MANIFEST.json").read_text()
    assert text == json.dumps(manifest_entries(), indent=2) + "\n"
    assert find_pretrained("b-one") == one


def test_the_folder_comes_before_the_cache(folders) -> None:
    folder, cache = folders
    (cache / "theirs.pt").write_bytes(b"cached")
    assert find_pretrained("theirs", PUBLISHED) == cache / "theirs.pt"
    (folder / "theirs.pt").write_bytes(b"mine")
    assert find_pretrained("theirs", PUBLISHED) == folder / "theirs.pt"
    assert find_pretrained(str(cache / "theirs.pt")) == cache / "theirs.pt"


def test_altered_and_missing_files(folders) -> None:
    path = folders[0] / "mine.pt"
    path.write_bytes(b"mine")
    add_entry(path)
    path.write_bytes(b"other")
    with pytest.raises(ValueError, match=r"mine.pt is not the file .*sha256 differs.*fetch it"):
        find_pretrained("mine")
    path.unlink()
    with pytest.raises(FileNotFoundError, match="mine.pt of 'mine' is not in .*no hub repository"):
        find_pretrained("mine")
    with pytest.raises(ValueError, match="no weights 'x': expected .* one of mine, theirs"):
        find_pretrained("x", PUBLISHED)
    with pytest.raises(ValueError, match="no encoder 'x': expected .* one of theirs"):
        find_pretrained("x", PUBLISHED, what="encoder", names=["theirs"])


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": {"sha256": "0"}}', '{"a": 3}'])
def test_a_damaged_manifest_is_neither_read_nor_written_over(folders, text: str) -> None:
    manifest, path = folders[0] / "MANIFEST.json", folders[0] / "a.pt"
    manifest.write_text(text)
    path.write_bytes(b"1")
    for use in (manifest_entries, lambda: find_pretrained("a"), lambda: add_entry(path)):
        with pytest.raises(ValueError, match=r"MANIFEST.json is damaged .*fetch it again"):
            use()
    assert manifest.read_text() == text
