"""What is in the file of a hypernetwork? Ours, ppuda's (GHN-1, GHN-2, MLP) and GHN-3's."""

from __future__ import annotations

import io
import json
import pickle
import zlib
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ghn.config import GHNConfig
from graph2nn.archgraph import PRIMITIVES
from graph2nn.runs import load_checkpoint, save_checkpoint
from graph2nn.runs.checkpoint import check_format, format_entries
from graph2nn.runs.tensors import is_tensor_file, read_tensors, write_tensors

__all__ = [
    "FORMAT",
    "KIND",
    "check_entries",
    "ghn_entries",
    "infer_config",
    "matching_state",
    "read_ghn",
    "write_ghn",
]

KIND = "ghn"
"""Entry `kind` of our own files."""

FORMAT = 1
"""Entry `format` of our own files; those of before say none."""

_TEXTS = ("kind", "netwright")  # in the layout of safetensors, other entries are JSON
_NODE_EMBEDDINGS = ("centrality_embed_in", "centrality_embed_out", "input_dist_embed")


def read_ghn(path: str | Path) -> tuple[GHNConfig, dict[str, Tensor], dict[str, Any]]:
    """Read configuration, weights and the rest of a checkpoint.

    Published names are translated; weights are tensors of any shape.
    """
    content = _read(Path(path))
    if "state_dict" not in content:
        if not content or not _are_tensors(content):
            raise ValueError(
                f"{path} is not a hypernetwork's checkpoint: expected 'state_dict' and "
                f"'config', or a bare state dict, "
                f"got the keys {sorted(map(str, content))[:6]}"
            )
        state = _published_names(content)
        return infer_config(state), state, {}
    config = content.get("config") or {}
    if not _are_tensors(content["state_dict"]) or not isinstance(config, dict):
        raise ValueError(
            f"{path} is not a hypernetwork's checkpoint: 'state_dict' should hold tensors by name "
            "and 'config' settings by name"
        )
    state = _published_names(content["state_dict"])
    more = {k: v for k, v in content.items() if k not in ("state_dict", "config")}
    if "max_shape" not in config or "num_classes" not in config:
        return infer_config(state), state, more
    known = {**_published_config(config), "ve_cutoff": config.get("ve_cutoff", 50)}
    try:
        return GHNConfig.from_dict(known), state, more
    except (ValueError, TypeError) as e:
        raise ValueError(f"the configuration in {path} cannot be used: {e}") from None


def ghn_entries(config: GHNConfig, state: Mapping[str, Tensor], **more: Any) -> dict[str, Any]:
    """Return what a file of a hypernetwork holds.

    Args:
        config: Its configuration.
        state: Its weights by name, of any shape.
        more: Further entries.
    """
    return {
        **format_entries(KIND, FORMAT),
        "vocabulary": list(PRIMITIVES),
        "config": config.to_dict(),
        "state_dict": {name: tensor.detach() for name, tensor in state.items()},
        **more,
    }


def write_ghn(path: str | Path, entries: Mapping[str, Any]) -> Path:
    """Write the entries of a hypernetwork, with tensors of any shape, to one file.

    A path that ends in `.safetensors` gives that layout, where all but the weights is text.

    Raises:
        ValueError: For `.safetensors`, an entry that is no plain value.
        OSError: See `graph2nn.runs.save_checkpoint`.
    """
    if Path(path).suffix != ".safetensors":
        return save_checkpoint(path, entries)
    texts = {}
    for name, entry in entries.items():
        if name != "state_dict":
            try:
                texts[name] = entry if name in _TEXTS else json.dumps(entry)
            except TypeError:
                raise ValueError(
                    f"{path}: the entry {name!r} is no plain value, and beside the weights a file "
                    "of safetensors holds texts only; save to a name that ends in .pt"
                ) from None
    return write_tensors(path, entries["state_dict"], texts)


def _are_tensors(state: Any) -> bool:
    return isinstance(state, dict) and all(isinstance(v, Tensor) for v in state.values())


def infer_config(state: dict[str, Tensor]) -> GHNConfig:
    """Infer a configuration from the shapes of a state dict (for files that hold nothing else).

    Raises:
        ValueError: A tensor that every hypernetwork has is missing.
    """
    needed = (
        "embed.weight",
        "shape_enc.embed_spatial.weight",
        "decoder_1d.fc.2.weight",
        "bias_class.1.weight",
    )
    missing = [k for k in needed if k not in state]
    if missing:
        raise ValueError(
            f"not the state dict of a hypernetwork: {', '.join(missing)} missing "
            f"among {len(state)} tensors "
            f"({', '.join(list(state)[:3])}, ...)"
        )
    hid = state["embed.weight"].shape[1]
    size = 11 if state["shape_enc.embed_spatial.weight"].shape[0] == 9 else 16
    width = state["decoder_1d.fc.2.weight"].shape[0] // 2
    layers = sum(k.startswith("gnn.") and k.endswith(".ln1.weight") for k in state)
    hypernet = "graphormer" if layers else "gatedgnn" if "gnn.gru.weight_ih" in state else "mlp"
    has_norm = "ln.weight" in state
    return GHNConfig(
        num_classes=state["bias_class.1.weight"].shape[0],
        max_shape=(width, width, size, size),
        hypernet=hypernet,
        decoder="conv" if "decoder.fc.0.weight" in state else "mlp",
        weight_norm=has_norm,
        ve=hypernet != "gatedgnn" or "gnn.mlp_ve.fc.0.weight" in state,
        layernorm=has_norm,
        hid=hid,
        layers=layers or 3,
        heads=16 if hid > 64 else 8,
        accuracy="accuracy_head.out.weight" in state,
    )


def _published_config(values: dict[str, Any]) -> dict[str, Any]:
    """ppuda's and GHN-3's configuration keys to ours.

    `is_ghn2` marks a GatedGNN among GHN-3's files.
    """
    config = dict(values)
    if config.pop("is_ghn2", None) is False and "layers" in config:
        config["hypernet"] = "graphormer"
    return config


def _published_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Names that moved between releases, and `module.` prefixes of data-parallel training."""
    renamed = {}
    for key, value in state.items():
        name = key.removeprefix("module.")
        if name.startswith(_NODE_EMBEDDINGS):
            name = f"gnn.0.{name}"
        renamed[name] = value
    return renamed


def matching_state(
    path: str | Path, expected: Mapping[str, Tensor], state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Return the weights of a file in the shapes that a hypernetwork expects.

    Args:
        path: Name of the file, for messages.
        expected: State of a fresh hypernetwork of the file's configuration.
        state: Weights in the file.

    Shapes:
        As in `expected`, but for axes of length 1 at the end.

    Raises:
        ValueError: Weights are missing, left over or of another shape.
    """
    missing = [k for k in expected if k not in state]
    extra = [k for k in state if k not in expected]
    if missing or extra:
        raise ValueError(
            f"the weights in {path} do not fit their configuration: "
            f"missing {missing[:3] or 'none'}, unexpected {extra[:3] or 'none'}"
        )
    for key, value in expected.items():
        if _essential(value.shape) != _essential(state[key].shape):
            raise ValueError(
                f"the weights in {path} do not fit their configuration: {key} should have shape "
                f"{tuple(value.shape)}, the file has {tuple(state[key].shape)}"
            )
    return {k: state[k].view(value.shape).to(value.dtype) for k, value in expected.items()}


def _essential(shape: torch.Size) -> tuple[int, ...]:
    """Without trailing ones: GHN-3 stores the 1x1 convolutions of GHN-2 as matrices."""
    sizes = list(shape)
    while len(sizes) > 1 and sizes[-1] == 1:
        sizes.pop()
    return tuple(sizes)


def _read(path: Path) -> dict[str, Any]:
    """The file's content; joblib pickles (GHN-3's published files) through a restricted reader."""
    tensors = path.is_file() and is_tensor_file(path)  # whose first bytes may be those of others
    if path.is_file() and not tensors:
        with path.open("rb") as f:
            head = f.read(2)
        if head[:1] == b"\x80" or head in (b"\x78\x9c", b"\x78\x01", b"\x78\xda", b"\x78\x5e"):
            try:
                return _read_pickled_tensors(path)
            except pickle.UnpicklingError:
                pass  # an older torch file: the general reader below has the right message
    content = _tensor_file(path) if tensors else load_checkpoint(path)
    if "kind" in content:
        check_entries(path, content)
    return content


def check_entries(path: str | Path, content: Mapping[str, Any]) -> None:
    """Check that the entries of a hypernetwork are of a kind, format and vocabulary that are read.

    Args:
        path: The file.
        content: Its entries, with tensors of any shape.

    Raises:
        ValueError: They are not; the message says what to do.
    """
    _check_kind(path, content["kind"])
    check_format(path, content, FORMAT)
    known = list(PRIMITIVES)
    if content.get("vocabulary", known) != known:  # files of before did not say
        raise ValueError(
            f"{path} was trained on graphs of the primitives {content['vocabulary']}, and those of "
            f"netwright are {known}: load it with netwright {content.get('netwright', 'of then')}"
        )


def _check_kind(path: str | Path, kind: Any) -> None:
    if kind != KIND:
        hint = "; predictors.load loads fitted predictors" if kind == "netwright-predictor" else ""
        raise ValueError(f"{path} is a checkpoint of kind {kind!r}, expected {KIND!r}{hint}")


def _tensor_file(path: Path) -> dict[str, Any]:
    """The content of a file in the layout of safetensors; other entries are JSON texts."""
    state, texts = read_tensors(path, checked=False)
    if "kind" not in texts and "config" not in texts:
        return dict(state)  # of another program: as a bare state dict
    if "kind" in texts:
        _check_kind(path, texts["kind"])  # what follows is written another way in other kinds
    try:
        more = {k: v if k in _TEXTS else json.loads(v) for k, v in texts.items()}
    except ValueError as error:
        raise ValueError(f"the description in {path} is not JSON ({error})") from None
    return {**more, "state_dict": state}


class _TensorUnpickler(pickle.Unpickler):
    """Build tensors and ordered dictionaries and refuse everything else: no code runs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return torch._utils._rebuild_tensor_v2
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda data, *_: data
        if (module, name) == ("torch.storage", "_load_from_bytes"):
            return lambda data: torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        raise pickle.UnpicklingError(f"{module}.{name} is not a tensor")


def _read_pickled_tensors(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    if data[:1] == b"\x78":
        try:
            data = zlib.decompress(data)
        except zlib.error as e:
            raise ValueError(f"{path} is truncated or altered ({e}): fetch it again") from None
    try:
        content = _TensorUnpickler(io.BytesIO(data)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as e:
        raise ValueError(
            f"{path} is truncated or altered ({type(e).__name__}): fetch it again"
        ) from None
    if not isinstance(content, dict):
        raise pickle.UnpicklingError("not a dictionary")
    return content
