"""Where are trained weights by name: shipped, in the user's cache, or published elsewhere?

A folder of checkpoints describes its files in `MANIFEST.json`: name → `file`, `sha256`, and what
else their owner wants to say. Nothing here knows what the weights are of.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from graph2nn.runs.checkpoint import sha256_file, write_text
from graph2nn.runs.shipped import shipped_file
from graph2nn.runs.variables import user_path, variable

__all__ = ["Published", "add_entry", "find_pretrained", "find_published", "manifest_entries"]

_MANIFEST = "MANIFEST.json"


class Published(NamedTuple):
    """A file that others have published.

    Args:
        file: Name of the file.
        repository: Hugging Face repository that holds it; None for that of `$NETWRIGHT_HUB`.
        page: Web page from which a user can download it.
    """

    file: str
    repository: str | None = None
    page: str | None = None


def find_pretrained(
    name: str,
    published: Mapping[str, Published] | None = None,
    *,
    what: str = "weights",
    names: Sequence[str] | None = None,
) -> Path:
    """Return the file of trained weights called `name`, checked where the manifest describes it.

    A path to a file is returned as it is. A name is looked for among the checkpoints that come with
    the package (or in the folder in `$NETWRIGHT_CHECKPOINTS`), in the user's cache, and on the
    Hugging Face hub if `huggingface_hub` is installed.

    Args:
        name: A path, a name of the manifest, or one of `published`.
        published: Files that others have published, by name.
        what: What the name is of, for the message.
        names: Names that the message lists; None for all.

    Raises:
        FileNotFoundError: A known name whose file cannot be had; says where to put it.
        ValueError: An unknown name, or a file that is not what the manifest says.
    """
    path, published = user_path(name), published or {}
    if path.is_file():
        return path
    entries = manifest_entries()
    entry = entries.get(name)
    if entry is None and name not in published:
        known = ", ".join(names or dict.fromkeys((*entries, *published)))
        raise ValueError(f"no {what} {name!r}: expected a checkpoint file or one of {known}")
    file = entry["file"] if entry else published[name].file
    found = _find(file)
    if found is not None:
        return _checked(found, entry)
    return _checked(_download(name, file, published.get(name) or Published(file)), entry)


def find_published(name: str, published: Published) -> Path:
    """Return the file that others have published, where weights of our own have the same name.

    It is looked for in the folder in `$NETWRIGHT_CHECKPOINTS` and in the user's cache, files that
    the manifest describes as ours left aside, and in its own repository.

    Args:
        name: Name of ours.
        published: The file.

    Raises:
        FileNotFoundError: It cannot be had; says where to put it, and what ours is called.
    """
    ours = {entry["file"]: entry.get("sha256") for entry in manifest_entries().values()}
    place = _cache()
    folders = [folder for folder in (_own_folder(), place) if folder is not None]
    for folder in folders:
        path = folder / published.file
        if path.is_file():
            if published.file not in ours or sha256_file(path) != ours[published.file]:
                return path
    reason = ""
    if published.repository:
        try:
            return _from_hub(published.repository, published.file)
        except Exception as error:  # all end in the same advice
            reason = f", and {published.repository} did not deliver it ({type(error).__name__})"
    known = published.file in ours
    also = f'; our own of that name is from_pretrained("{name}")' if known else ""
    raise FileNotFoundError(
        f"{published.file} of the published {name!r} is not in {' or '.join(map(str, folders))}"
        f"{reason}: download it from {published.page or published.repository} and put it into "
        f"{place}, or give its path to GHN.load{also}"
    )


def manifest_entries() -> dict[str, dict[str, Any]]:
    """Return the entries of the first manifest there is, by name; none without a manifest.

    Raises:
        ValueError: The manifest is damaged.
    """
    manifest = _find(_MANIFEST)
    return {} if manifest is None else _read(manifest)


def add_entry(path: str | Path, **facts: Any) -> dict[str, Any]:
    """Write the entry of a checkpoint into the manifest beside it, and return the entry.

    Its name is that of the file without suffix, with hyphens for underscores.

    Args:
        path: The checkpoint.
        facts: What the entry says besides `file` and `sha256`; JSON-able.

    Raises:
        OSError: A file cannot be read or written.
        ValueError: The manifest is damaged.
    """
    path = Path(path)
    entry = {"file": path.name, "sha256": sha256_file(path), **facts}
    manifest = path.with_name(_MANIFEST)
    entries = _read(manifest) if manifest.is_file() else {}
    entries[path.stem.replace("_", "-")] = entry
    write_text(manifest, json.dumps(dict(sorted(entries.items())), indent=2) + "\n")
    return entry


def _find(file: str) -> Path | None:
    """The file, in the user's own folder or else the package's, or in the cache."""
    own = _own_folder()
    if own is None:
        with suppress(FileNotFoundError):
            return shipped_file(f"checkpoints/{file}")
    folders = [_cache()] if own is None else [own, _cache()]
    return next((path for f in folders if os.path.isfile(path := f / file)), None)


def _own_folder() -> Path | None:
    own = variable("NETWRIGHT_CHECKPOINTS")
    return user_path(own) if own else None


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(base)) / "netwright"  # as it is for whoever has no home


def _read(manifest: Path) -> dict[str, dict[str, Any]]:
    try:
        entries = json.loads(manifest.read_text(encoding="utf-8"))
        if all(isinstance(entry["file"], str) for entry in entries.values()):
            return entries
        reason = "an entry's file is not a name"
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        reason = f"{type(error).__name__}: {error}"
    raise ValueError(
        f"{manifest} is damaged ({reason}): expected names with 'file' and 'sha256'; fetch it again"
    )


def _checked(path: Path, entry: Mapping[str, Any] | None) -> Path:
    expected = (entry or {}).get("sha256")
    if expected is not None and sha256_file(path) != expected:
        raise ValueError(
            f"{path} is not the file that the manifest describes (sha256 differs): "
            "delete it and fetch it again"
        )
    return path


def _from_hub(repository: str, file: str) -> Path:
    """The file of a repository of the Hugging Face hub, or what is cached of it.

    The hub is asked once before: its client would ask a network that is not there for half a
    minute, and print every attempt.
    """
    from huggingface_hub import hf_hub_download

    place: dict[str, Any] = {"repo_id": repository, "filename": file, "cache_dir": _cache()}
    try:
        from huggingface_hub import get_hf_file_metadata, hf_hub_url
    except ImportError:  # before version 0.8
        return Path(hf_hub_download(**place))
    try:
        get_hf_file_metadata(hf_hub_url(repository, file))
    except Exception:
        with suppress(Exception):
            return Path(hf_hub_download(**place, local_files_only=True))
        raise
    return Path(hf_hub_download(**place))


def _download(name: str, file: str, published: Published) -> Path:
    repository = published.repository or variable("NETWRIGHT_HUB")
    reason = "no hub repository is known for it"
    if repository:
        try:
            return _from_hub(repository, file)
        except ImportError:
            reason = 'downloading needs huggingface_hub; run: pip install "netwright[hub]"'
        except Exception as e:  # offline, no such file, refused: all end in the same advice
            reason = f"{repository} did not deliver it ({type(e).__name__})"
    page = published.page or (f"https://huggingface.co/{repository}" if repository else None)
    get = f"; or download it from {page} and" if page else ";"
    raise FileNotFoundError(
        f"{file} of {name!r} is not in {_own_folder() or 'the package'} or {_cache()}, and "
        f"{reason}{get} put it into {_own_folder() or _cache()}, or give its path instead of a name"
    )
