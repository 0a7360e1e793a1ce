"""What cannot work is refused, with a message that says what to do; nothing bad is executed."""

from __future__ import annotations

import errno
import io
import os
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
import torch
from torch import nn

from ghn import GHN, GHNConfig, save_ghn
from graph2nn.archgraph import trace
from graph2nn.runs import save_checkpoint

IMAGES = torch.zeros(2, 3, 8, 8)


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"hypernet": "gru"}, r"hypernet: expected one of .*graphormer.*got 'gru'"),
        ({"decoder": "linear"}, "decoder: expected one of .*got 'linear'"),
        ({"max_shape": (64, 64, 11)}, r"max_shape must be \(out, in, size, size\)"),
        ({"max_shape": (64, 64, 11, 16)}, r"equal sizes, got \(64, 64, 11, 16\)"),
        ({"max_shape": (64, 0, 11, 11)}, "must be positive"),
        ({"num_classes": 0}, "must be positive"),
        ({"hid": 30}, "hid must be a positive multiple of 4, got 30"),
        ({"hid": 0}, "multiple of 4"),
        ({"hypernet": "graphormer", "hid": 12, "heads": 8}, "multiple of heads"),
        ({"hypernet": "tokens", "hid": 12, "heads": 8}, "multiple of heads"),
        ({"tokens": "cells"}, "tokens: expected one of nodes, edges, both, got 'cells'"),
        ({"layers": 0}, "layers, heads and in_channels must be positive"),
        ({"heads": 0, "hypernet": "graphormer"}, "must be positive"),
        ({"in_channels": 0}, "must be positive"),
        ({"ve_cutoff": 1}, "ve_cutoff must be at least 2, got 1: ve=False"),
    ],
)
def test_configuration(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GHNConfig(**fields)


@pytest.mark.parametrize("hypernet", ["gatedgnn", "graphormer"])
def test_wrong_number_of_classes(tiny, convnet, hypernet: str) -> None:
    ghn = tiny(hypernet=hypernet, num_classes=10, dataset="cifar10")
    model = convnet(num_classes=100)
    before = [p.detach().clone() for p in model.parameters()]
    message = (
        r"trained on 'cifar10' for 10 classes, but 5.\w+ of the network .* has 100: "
        r"build the network with num_classes=10, .*predict_class_layers=False"
    )
    for call in (ghn, ghn.predict):
        with pytest.raises(ValueError, match=message):
            call(model, IMAGES)
    assert all(torch.equal(p, b) for p, b in zip(model.parameters(), before, strict=True))
    with pytest.raises(ValueError, match="for 10 classes"):
        ghn.predict_graphs([trace(model, IMAGES, view=ghn.view)])


def test_wrong_number_of_classes_without_bias(tiny) -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 3), nn.Flatten(), nn.Linear(216, 7, bias=False))
    with pytest.raises(ValueError, match="for 10 classes, but .* has 7"):
        tiny().predict(model, IMAGES)


@pytest.mark.parametrize("channels", [1, 4])
def test_wrong_number_of_channels(tiny, convnet, channels: int) -> None:
    ghn, model = tiny(dataset="cifar10"), convnet(channels=channels)
    message = rf"on 'cifar10' for images of 3 channels, but {{}} {channels}: give the network 3"
    with pytest.raises(ValueError, match=message.format("the network's first convolution takes")):
        ghn(model)
    with pytest.raises(ValueError, match=message.format("the example input has")):
        ghn(model, torch.zeros(2, channels, 8, 8))
    model.expected_input_sz = (channels, 8, 8)
    with pytest.raises(ValueError, match=message.format("the network expects images of")):
        ghn(model)


def test_colour_network_for_a_hypernetwork_of_grey_images(tiny, convnet) -> None:
    with pytest.raises(ValueError, match="for images of 1 channels, but .* takes 3"):
        tiny(in_channels=1)(convnet())


def test_what_is_no_network(tiny, convnet) -> None:
    for call in (tiny(), tiny().predict):
        with pytest.raises(ValueError, match=r"expected a network .torch.nn.Module., got str"):
            call("resnet18")


def test_network_without_parameters(tiny) -> None:
    for call in (tiny(), tiny().predict):
        with pytest.raises(ValueError, match="Sequential has no parameters, so there is nothing"):
            call(nn.Sequential(nn.ReLU()), IMAGES)


def test_network_that_cannot_run(tiny, convnet) -> None:
    with pytest.raises(ValueError, match="cannot trace Sequential"):
        tiny()(nn.Sequential(nn.Flatten(), nn.Linear(5, 10)), IMAGES)


def test_graph_with_other_operations(tiny, convnet) -> None:
    graph = trace(convnet(), IMAGES, view="full")
    with pytest.raises(ValueError, match="reads graphs of the 15 primitives.*view='ghn2'"):
        tiny().encode([graph])
    with pytest.raises(ValueError, match="view='ghn3'"):
        tiny(hypernet="graphormer").encode([graph])


# -- checkpoints ---------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ghn.pt"


def test_round_trip(tiny, path: Path) -> None:
    for fields in ({}, {"hypernet": "graphormer"}, {"hypernet": "mlp", "decoder": "mlp"}):
        ghn = tiny(**fields, num_classes=7, dataset="toys", in_channels=1, image_size=9)
        loaded = GHN.load(save_ghn(path, ghn, card={"steps": 3}))
        assert loaded.config == ghn.config
        assert all(torch.equal(v, ghn.state_dict()[k]) for k, v in loaded.state_dict().items())


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="a.pt does not exist"):
        GHN.load(tmp_path / "a.pt")
    with pytest.raises(FileNotFoundError, match="is a folder"):
        GHN.load(tmp_path)


def test_another_kind(path: Path) -> None:
    save_checkpoint(path, {"kind": "sweep", "state_dict": {}})
    with pytest.raises(ValueError, match="kind 'sweep', expected 'ghn'"):
        GHN.load(path)


@pytest.mark.parametrize(
    "content, message",
    [
        ({"epoch": 3}, r"is not a hypernetwork's checkpoint: expected .* got the keys \['epoch'\]"),
        ({}, "is not a hypernetwork's checkpoint"),
        ([torch.zeros(2)], "holds a list, expected a dictionary"),
        (dict(nn.Linear(2, 2).state_dict()), "not the state dict of a hypernetwork: embed.weight"),
        ({"state_dict": nn.Linear(2, 2).state_dict()}, "not the state dict of a hypernetwork"),
        ({"state_dict": 3, "config": {}}, "'state_dict' should hold tensors by name"),
        ({"state_dict": {"a": 3}}, "'state_dict' should hold tensors by name"),
        ({"state_dict": {}, "config": 3}, "'config' settings by name"),
    ],
)
def test_not_a_hypernetwork(path: Path, content: Any, message: str) -> None:
    torch.save(content, path)
    with pytest.raises(ValueError, match=message):
        GHN.load(path)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"hid": 12}, r"do not fit their configuration: \S+ should have shape .*, the file has"),
        ({"num_classes": 11}, "do not fit their configuration"),
        ({"hypernet": "mlp"}, "missing .*gnn.fc.* unexpected .*gnn.mlp"),
        ({"layernorm": False}, "unexpected .'ln.weight', 'ln.bias'"),
        ({"hid": 13}, "configuration in .* cannot be used: hid must be a positive multiple of 4"),
        ({"num_classes": "ten"}, "configuration in .* cannot be used"),
        ({"max_shape": 64}, "configuration in .* cannot be used"),
        ({"hypernet": None}, "configuration in .* cannot be used: hypernet: expected one of"),
    ],
)
def test_configuration_that_does_not_fit(tiny, path: Path, change: dict, message: str) -> None:
    ghn = tiny()
    config = {**ghn.config.to_dict(), **change}
    save_checkpoint(path, {"kind": "ghn", "config": config, "state_dict": ghn.state_dict()})
    with pytest.raises(ValueError, match=message):
        GHN.load(path)


def test_a_transposed_weight(tiny, path: Path) -> None:
    ghn = tiny()
    state = {**ghn.state_dict()}
    state["decoder_1d.fc.0.weight"] = state["decoder_1d.fc.0.weight"].t().contiguous()
    save_checkpoint(path, {"kind": "ghn", "config": ghn.config.to_dict(), "state_dict": state})
    with pytest.raises(ValueError, match=r"should have shape \(16, 8\), the file has \(8, 16\)"):
        GHN.load(path)


def writers() -> dict[str, Callable[[GHN, Path], object]]:
    """Every format that is read."""

    def legacy(ghn: GHN, path: Path) -> None:
        torch.save(ghn.state_dict(), path, _use_new_zipfile_serialization=False)

    return {
        "ours": lambda ghn, path: save_ghn(path, ghn),
        "torch": lambda ghn, path: torch.save(ghn.state_dict(), path),
        "legacy": legacy,
        "joblib": lambda ghn, path: joblib.dump(ghn.state_dict(), path),
        "compressed": lambda ghn, path: joblib.dump(ghn.state_dict(), path, compress=3),
    }


@pytest.mark.parametrize("part", [0.0, 0.001, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("how", writers())
def test_truncated(tiny, path: Path, how: str, part: float) -> None:
    writers()[how](tiny(), path)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * part)])
    with pytest.raises(ValueError, match="(truncated|empty|refused|not a readable)"):
        GHN.load(path)


@pytest.mark.parametrize("how", ["ours", "torch", "compressed"])
def test_altered(tiny, path: Path, how: str) -> None:
    """Formats with checksums: any changed byte of the tensors is noticed."""
    writers()[how](tiny(), path)
    raw = path.read_bytes()
    for place in (0.3, 0.6):
        altered = bytearray(raw)
        for k in range(8):
            altered[int(len(raw) * place) + k] ^= 0xFF
        path.write_bytes(altered)
        with pytest.raises(ValueError, match="altered"):
            GHN.load(path)


class Touch:
    """Its unpickling makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.mark),)


class Smuggled:
    """A malicious pickle inside what looks like a stored tensor."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        buffer = io.BytesIO()
        torch.save(Touch(self.mark), buffer)
        return torch.storage._load_from_bytes, (buffer.getvalue(),)


def attacks() -> dict[str, Callable[[Any, Path], object]]:
    def compressed(content: Any, path: Path) -> None:
        path.write_bytes(zlib.compress(pickle.dumps(content)))

    def legacy(content: Any, path: Path) -> None:
        torch.save(content, path, _use_new_zipfile_serialization=False)

    return {
        "torch": torch.save,
        "legacy": legacy,
        "joblib": joblib.dump,
        "joblib compressed": lambda content, path: joblib.dump(content, path, compress=3),
        "zlib": compressed,
        **{
            f"pickle {p}": lambda content, path, p=p: path.write_bytes(pickle.dumps(content, p))
            for p in range(6)
        },
    }


@pytest.mark.filterwarnings("ignore:nothing vouches")
@pytest.mark.parametrize("how", attacks())
@pytest.mark.parametrize("payload", [Touch, Smuggled])
def test_malicious_pickles_never_run(tiny, path: Path, how: str, payload: type) -> None:
    mark = path.with_name("mark")
    state = OrderedDict(tiny().state_dict())
    for content in ({**state, "evil": payload(mark)}, payload(mark), {"state_dict": payload(mark)}):
        attacks()[how](content, path)
        with pytest.raises(ValueError, match="(refused|truncated|altered)"):
            GHN.load(path)
        assert not mark.exists()
    pickle.loads(pickle.dumps(Touch(mark)))
    assert mark.exists(), "the payload would have worked"


# -- writing -------------------------------------------------------------------------------------


def test_full_disk(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few hundred bytes there is no space left: the old file stays, no other does."""
    path = save_ghn(tmp_path / "ghn.pt", tiny(seed=1))
    before, opened = path.read_bytes(), Path.open

    class Full(io.RawIOBase):
        def __init__(self, file: Any) -> None:
            self.file, self.left = file, 300

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            self.left -= len(data)
            if self.left < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(data)

        def fileno(self) -> int:
            return self.file.fileno()

        def close(self) -> None:
            self.file.close()

    def full(file: Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
        found = opened(file, mode, *args, **kwargs)
        return Full(found) if mode == "wb" else found

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match=r"cannot write .*ghn.pt.*the disk is full") as caught:
        save_ghn(path, tiny())
    assert caught.value.errno == errno.ENOSPC
    assert [p.name for p in tmp_path.iterdir()] == ["ghn.pt"] and path.read_bytes() == before


def test_unwritable_folder(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write .*choose another folder"):
        save_ghn(tmp_path / "file" / "ghn.pt", tiny())

    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError, match="no permission to write there: choose another"):
        save_ghn(tmp_path / "ghn.pt", tiny())
    monkeypatch.undo()
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
