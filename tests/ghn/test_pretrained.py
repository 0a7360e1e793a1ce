"""Hypernetworks by name: where files are looked for, and what is said when there are none."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ghn import GHN, GHN1, GHN2, GHN3, from_pretrained, get_metadata, norm_check, save_ghn
from ghn.pretrained_files import available, resolve
from graph2nn.runs import sha256_file


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An empty checkpoint folder and an empty cache, and no hub."""
    folder, cache = tmp_path / "checkpoints", tmp_path / "cache" / "netwright"
    folder.mkdir()
    cache.mkdir(parents=True)
    monkeypatch.setenv("NETWRIGHT_CHECKPOINTS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("NETWRIGHT_HUB", raising=False)
    return SimpleNamespace(folder=folder, cache=cache)


def manifest(folder: Path, name: str, source: Path, **changes: object) -> None:
    entry = {"file": source.name, "sha256": sha256_file(source), **changes}
    (folder / "MANIFEST.json").write_text(json.dumps({name: entry}))


def test_a_path(shelf, tiny, tmp_path: Path) -> None:
    ghn = tiny()
    path = save_ghn(tmp_path / "mine.pt", ghn)
    for name in (str(path), path):
        loaded = from_pretrained(name)
        assert loaded.config == ghn.config and not loaded.training
        assert all(torch.equal(v, ghn.state_dict()[k]) for k, v in loaded.state_dict().items())
    assert GHN.from_pretrained(str(path)).config == ghn.config


def test_a_shipped_one(shelf, tiny) -> None:
    file = save_ghn(shelf.folder / "ghn2_toys.pt", tiny())
    manifest(shelf.folder, "ghn2-toys", file)
    assert from_pretrained("ghn2-toys").config.hid == 8
    assert resolve("ghn2-toys") == file
    assert "ghn2-toys" in available()


def test_a_published_file_put_into_the_folder_or_the_cache(shelf, tiny) -> None:
    save_ghn(shelf.cache / "ghn2_cifar10.pt", tiny(num_classes=7))
    assert GHN2("cifar10").config.num_classes == 7
    save_ghn(shelf.folder / "ghn2_cifar10.pt", tiny(num_classes=8))
    assert GHN2("cifar10").config.num_classes == 8, "the folder comes first"
    save_ghn(shelf.folder / "ghn1_imagenet.pt", tiny(ve=False))
    assert not GHN1().config.ve
    torch.save(tiny(hypernet="graphormer").state_dict(), shelf.folder / "ghn3tm8.pt")
    with pytest.raises(ValueError, match="do not fit"):
        GHN3("ghn3tm8.pt")  # heads are inferred as published: 8


def test_a_published_name_is_not_ours(shelf, tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our weaker file has the same name; it is never taken for the published one."""
    said = r"of the published 'ghn2-cifar10' .*ppuda and put .*our own .*from_pretrained..ghn2-cifa"
    monkeypatch.delenv("NETWRIGHT_CHECKPOINTS")
    assert from_pretrained("ghn2-cifar10").config.dataset == "cifar10"
    with pytest.raises(FileNotFoundError, match=said):
        GHN2("cifar10")
    save_ghn(shelf.cache / "ghn2_cifar10.pt", tiny(num_classes=7))
    assert GHN2("cifar10").config.num_classes == 7
    assert from_pretrained("ghn2-cifar10").config.num_classes == 10
    monkeypatch.setenv("NETWRIGHT_CHECKPOINTS", str(shelf.folder))
    ours = save_ghn(shelf.folder / "ghn2_cifar10.pt", tiny(num_classes=8))
    assert GHN2("cifar10").config.num_classes == 8, "no manifest says that it is ours"
    manifest(shelf.folder, "ghn2-cifar10", ours)
    assert GHN2("cifar10").config.num_classes == 7, "the cache, as the folder's is ours"
    assert from_pretrained("ghn2-cifar10").config.num_classes == 8
    monkeypatch.setenv("NETWRIGHT_HUB", "me/mine")
    (shelf.cache / "ghn2_cifar10.pt").unlink()
    with pytest.raises(FileNotFoundError, match=said):
        GHN2("cifar10")


def test_data_sets_that_no_file_was_published_for() -> None:
    assert GHN2("digits").config.dataset == "digits"
    with pytest.raises(ValueError, match="no hypernetwork 'ghn1-digits'"):
        GHN1("digits")


def test_untrained_ghn3() -> None:
    ghn = GHN3(hid=16, heads=4, layers=1, max_shape=(16, 16, 3, 3))
    assert ghn.config.is_ghn3 and ghn.view == "ghn3"


def test_unknown_name(shelf) -> None:
    with pytest.raises(
        ValueError, match=r"no hypernetwork 'ghn9'.*one of .*ghn2-cifar10.*ghn3xlm16"
    ):
        from_pretrained("ghn9")


@pytest.mark.parametrize("make", [GHN1, GHN2, lambda: from_pretrained("mlp-cifar10")])
def test_a_known_name_without_its_file(shelf, make) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"_(imagenet|cifar10)\.pt of .* is not in .*netwright"
    ):
        make()


def test_a_missing_path(shelf, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no hypernetwork .*expected a checkpoint file or one of"):
        from_pretrained(str(tmp_path / "none.pt"))
    with pytest.raises(FileNotFoundError, match="none.pt does not exist"):
        GHN.load(tmp_path / "none.pt")


def test_a_hub_that_fails(shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    def refuse(**_: object) -> str:
        raise ConnectionError("offline")

    fake = SimpleNamespace(hf_hub_download=refuse)
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    with pytest.raises(FileNotFoundError, match=r"did not deliver it \(ConnectionError\)"):
        from_pretrained("ghn3tm8")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(FileNotFoundError, match=r'pip install "netwright\[hub\]"'):
        from_pretrained("ghn3tm8")


def test_a_hub_that_delivers(shelf, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    file, asked = save_ghn(tmp_path / "remote.pt", tiny()), {}

    def deliver(**what: object) -> str:
        asked.update(what)
        return str(file)

    fake = SimpleNamespace(hf_hub_download=deliver)
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    monkeypatch.setenv("NETWRIGHT_HUB", "me/mine")
    assert from_pretrained("ghn2-cifar10").config.hid == 8
    assert (asked["repo_id"], asked["filename"]) == ("me/mine", "ghn2_cifar10.pt")
    manifest(shelf.folder, "ghn2-cifar10", file, file="ghn2_cifar10.pt", sha256="0" * 64)
    with pytest.raises(ValueError, match="sha256 differs"):
        from_pretrained("ghn2-cifar10")


@pytest.mark.parametrize("kept", [False, True])
def test_a_hub_out_of_reach_is_asked_once(
    shelf, tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: bool
) -> None:
    """Its client would try again for half a minute, and print it; what it has kept is taken."""
    import sys

    file, asked = save_ghn(tmp_path / "remote.pt", tiny(hypernet="graphormer")), []

    def unreachable(url: str) -> None:
        asked.append(url)
        raise ConnectionError("no route")

    def stored(*, local_files_only: bool = False, **_: object) -> str:
        assert local_files_only, "asked for again"
        if not kept:
            raise FileNotFoundError("nothing kept")
        return str(file)

    fake = SimpleNamespace(
        hf_hub_download=stored,
        get_hf_file_metadata=unreachable,
        hf_hub_url=lambda repository, name: f"{repository}/{name}",
    )
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    if kept:
        assert from_pretrained("ghn3tm8").config.is_ghn3
    else:
        with pytest.raises(FileNotFoundError, match=r"did not deliver it \(ConnectionError\)"):
            from_pretrained("ghn3tm8")
    assert asked == ["SamsungSAILMontreal/ghn3/ghn3tm8.pt"]


def test_what_is_known_of_hypernetworks() -> None:
    """Names and numbers as of GHN-3's function, and the manifest's of ours."""
    found = get_metadata("ghn3xlm16.pt", arch="resnet50")
    assert found == {"ghn3": 19.996, "paramnorm": 108.453, "sgd1ep": 43.69, "sgd10ep": 59.23}
    assert get_metadata("ghn3tm8", "resnet50") == {"t": 10.442, "paramnorm": 78.6197}
    assert get_metadata("ghn2", "resnet50", "paramnorm") == 286.4883
    norms = get_metadata(attr="paramnorm")
    assert len(norms) == 74 and norms["resnet50"] == 108.453
    everything = get_metadata(None)
    assert len(everything) == 74 and len(everything["alexnet"]) == 12
    assert get_metadata("ghn2-digits")["card"]["test"]["n"] == 100
    assert get_metadata("ghn2-digits.pt", attr="dataset") == "digits"
    for call, message in (
        (lambda: get_metadata("ghn4"), "unknown hypernetwork 'ghn4'; choose one of ghn3xlm16"),
        (lambda: get_metadata("tart-cells"), "unknown hypernetwork 'tart-cells'"),
        (lambda: get_metadata(arch="resnet51"), "unknown network 'resnet51'"),
        (lambda: get_metadata(attr="norm"), "unknown entry 'norm'; choose one of ghn3, paramnorm"),
        (lambda: get_metadata("ghn2-digits", attr="norm"), "unknown entry 'norm'"),
        (lambda: norm_check(torch.nn.Linear(2, 2), "net"), "unknown network 'net'"),
        (lambda: norm_check(torch.nn.Linear(2, 2), ghn3_name="ghn2-digits"), "'paramnorm'"),
    ):
        with pytest.raises(ValueError, match=message):
            call()


def test_norm_check() -> None:
    """The norm of all parameters together, within a hundredth of the published one."""
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    norm = torch.cat([p.detach().flatten() for p in model.parameters()]).norm()
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(108.453 / norm)
    found = norm_check(model, "resnet50")
    assert found.passed and found.expected == 108.453 and abs(found.norm - 108.453) < 1e-3
    assert "check passed" in str(found)
    other = norm_check(model.requires_grad_(False), "resnet18", "ghn3tm8.pt")
    assert not other.passed and "expected 54.9382" in str(other)


def test_a_file_that_is_not_the_manifests(shelf, tiny) -> None:
    file = save_ghn(shelf.folder / "ghn2_toys.pt", tiny())
    manifest(shelf.folder, "ghn2-toys", file)
    save_ghn(file, tiny(seed=1))
    with pytest.raises(
        ValueError, match=r"ghn2_toys.pt is not the file .*manifest.*sha256 differs"
    ):
        from_pretrained("ghn2-toys")


@pytest.mark.parametrize("text", ["{", "[1]", '{"ghn2-toys": {"sha256": "0"}}', '{"ghn2-toys": 3}'])
def test_a_damaged_manifest(shelf, text: str) -> None:
    (shelf.folder / "MANIFEST.json").write_text(text)
    with pytest.raises(ValueError, match=r"MANIFEST.json is damaged"):
        from_pretrained("ghn2-toys")
