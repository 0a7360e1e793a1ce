"""Where is the file of a hypernetwork known by name? Shipped, cached or published elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from graph2nn.runs import sha256_file
from graph2nn.runs.variables import variable

__all__ = ["AlteredFileError", "available", "resolve"]

HUB_VARIABLE = "NETWRIGHT_HUB"  # a Hugging Face repository that holds the files of the manifest
_PUBLISHED: dict[str, tuple[str | None, str]] = {
    **{
        f"{kind}-{data}": (None, f"{kind}_{data}.pt")
        for kind in ("ghn1", "ghn2", "mlp")
        for data in ("cifar10", "imagenet")
    },
    "ghn3tm8": ("SamsungSAILMontreal/ghn3", "ghn3tm8.pt"),
    "ghn3sm8": ("SamsungSAILMontreal/ghn3", "ghn3sm8.pt"),
    "ghn3lm8": ("SamsungSAILMontreal/ghn3", "ghn3lm8.pt"),
    "ghn3xlm16": ("SamsungSAILMontreal/ghn3", "ghn3xlm16.pt"),
}


class AlteredFileError(ValueError):
    """A file is there, and is not what the manifest describes."""


def resolve(name: str) -> Path:
    """Find the checked file that `from_pretrained` would load."""
    path = Path(name).expanduser()
    if path.is_file():
        return path
    entry = _manifest().get(name)
    filename = entry["file"] if entry else _PUBLISHED.get(name, (None, None))[1]
    if filename is None:
        raise ValueError(
            f"no hypernetwork {name!r}: expected a checkpoint file or one of "
            f"{', '.join(available())}"
        )
    for folder in (*_folders(), _cache()):
        if (folder / filename).is_file():
            return _checked(folder / filename, entry)
    return _checked(_download(name, filename), entry)


def available() -> list[str]:
    """List the names that `from_pretrained` knows: shipped ones, then published ones."""
    shipped = [name for name, entry in _manifest().items() if entry.get("kind", "ghn") == "ghn"]
    return list(dict.fromkeys((*shipped, *_PUBLISHED)))


def _folders() -> list[Path]:
    own = variable("NETWRIGHT_CHECKPOINTS")
    repository = Path(__file__).resolve().parent.parent / "checkpoints"
    return [Path(own).expanduser()] if own else [repository]


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "netwright"


def _manifest() -> dict[str, dict[str, Any]]:
    for folder in (*_folders(), _cache()):
        file = folder / "MANIFEST.json"
        if file.is_file():
            return _entries(file)
    return {}


def _entries(file: Path) -> dict[str, dict[str, Any]]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
        if all(isinstance(entry["file"], str) for entry in entries.values()):
            return entries
        reason = "an entry's file is not a name"
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise ValueError(
        f"{file} is damaged ({reason}): expected names with 'file' and 'sha256'; fetch it again"
    )


def _checked(path: Path, entry: dict[str, Any] | None) -> Path:
    expected = (entry or {}).get("sha256")
    if expected is not None and sha256_file(path) != expected:
        raise AlteredFileError(
            f"{path} is not the file that the manifest describes (sha256 differs): "
            "delete it and fetch it again"
        )
    return path


def _download(name: str, filename: str) -> Path:
    repository = _PUBLISHED.get(name, (None, ""))[0] or variable(HUB_VARIABLE)
    reason = "no hub repository is known for it"
    if repository:
        try:
            from huggingface_hub import hf_hub_download

            return Path(hf_hub_download(repo_id=repository, filename=filename, cache_dir=_cache()))
        except ImportError:
            reason = "downloading needs the extra 'hub': pip install netwright[hub]"
        except Exception as e:  # offline, no such file, refused: all end in the same advice
            reason = f"{repository} did not deliver it ({type(e).__name__})"
    places = " or ".join(str(f) for f in (*_folders(), _cache()))
    raise FileNotFoundError(f"{filename} of {name!r} is not in {places}, and {reason}")
