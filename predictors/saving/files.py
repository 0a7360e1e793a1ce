"""What is in the file of a predictor, and who can read it? Format and versions, checked first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from graph2nn.runs.checkpoint import check_format, format_entries
from graph2nn.runs.tensors import read_tensors, write_tensors
from predictors.saving.reader import Reader
from predictors.saving.versions import check_versions, versions_of
from predictors.saving.writer import Writer

__all__ = ["FORMAT", "KIND", "Saveable", "load", "save"]

KIND = "netwright-predictor"
"""Entry `kind` of the file."""

FORMAT = 1
"""Version of the format; a file of another one is refused."""


class Saveable:
    """A class whose objects are saved by their own method and loaded by that of the class."""

    def save(self, path: str | Path) -> Path:
        """Write the object, fitted or not, to one file, which appears whole or not at all.

        Args:
            path: Path of the file; any suffix.

        Raises:
            ValueError: A part that cannot be saved, such as a function of one's own as a setting.
            OSError: Full disk, no permission, ...; no partial file stays behind.
        """
        return save(path, self)

    @classmethod
    def load(cls, path: str | Path) -> Any:
        """Load an object of this class; nothing in the file is executed.

        Raises:
            FileNotFoundError, ValueError, ImportError: See `predictors.load`; or the file
                holds an object of another class.
        """
        found = load(path, classes=[cls])
        if not isinstance(found, cls):
            raise ValueError(
                f"{path} holds a {type(found).__name__}, expected a {cls.__name__}: load it with "
                f"{type(found).__name__}.load, or with predictors.load, which takes any"
            )
        return found


def save(path: str | Path, predictor: Any) -> Path:
    """Write a predictor, a transformer or a pipeline of them to one file.

    Fitted state and settings are stored, and the versions that they were made with; `load` gives
    the same predictions bit for bit. The file has the layout of safetensors and holds no code.

    Args:
        path: Path of the file; any suffix. It appears whole or not at all.
        predictor: Object of `predictors`, fitted or not, or a `Pipeline` of such objects and
            scikit-learn's usual ones.

    Raises:
        ValueError: A part that cannot be saved; the message says where it is.
        OSError: Full disk, no permission, ...; no partial file stays behind.

    Examples:
        >>> from predictors import LinearBaseline, load_table
        >>> X, y = load_table("nb101_500")
        >>> save("accuracy.safetensors", LinearBaseline().fit(X[:100], y[:100])).name
        'accuracy.safetensors'
    """
    writer = Writer(Saveable)
    tree = writer.tree(predictor)
    if not isinstance(tree, dict) or "class" not in tree:
        raise ValueError(f"expected a predictor to save, got a {type(predictor).__name__}")
    metadata = {
        **{name: str(said) for name, said in format_entries(KIND, FORMAT).items()},
        "class": tree["class"],
        "versions": json.dumps(versions_of(writer.packages)),
        "tree": json.dumps(tree, separators=(",", ":"), allow_nan=False),
    }
    return write_tensors(path, writer.tensors, metadata)


def load(path: str | Path, *, classes: Iterable[type] = ()) -> Any:
    """Load what `save` has written; nothing in the file is executed.

    Only classes of a fixed list are made, and whatever compiled code would read is checked first.
    Files of any version of netwright with the same format are read. With another major version of
    scikit-learn a file is refused; with another minor one it loads with a warning, because
    scikit-learn promises nothing there.

    Args:
        path: Path of the file.
        classes: Predictors of your own that the file may hold beside those of the library.

    Raises:
        FileNotFoundError: No such file.
        ValueError: Truncated, altered, of another kind, format or version, or with a class that is
            not in the list.
        ImportError: XGBoost or LightGBM is needed and not installed.

    Examples:
        >>> from predictors import LinearBaseline, load_table
        >>> X, y = load_table("nb101_500")
        >>> model = LinearBaseline().fit(X[:100], y[:100])
        >>> same = load(save("accuracy.safetensors", model))
        >>> bool((same.predict(X) == model.predict(X)).all())
        True
    """
    tensors, metadata = read_tensors(path)
    tree = _tree(path, metadata)
    try:
        return Reader(tensors, classes).value(tree)
    except ImportError as error:
        raise ImportError(f"{path} cannot be loaded: {error}") from None
    except Exception as error:  # a file with the right checksum may hold anything
        reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        reason = str(error) if isinstance(error, ValueError) else reason
        raise ValueError(f"{path} cannot be loaded: {reason.splitlines()[0][:300]}") from error


def _tree(path: str | Path, metadata: Mapping[str, str]) -> Any:
    """The plain values of a file, once kind, format and versions are right."""
    if metadata.get("kind") != KIND:
        raise ValueError(
            f"{path} holds no predictor, its kind is {metadata.get('kind', 'unknown')[:40]!r}; "
            "hypernetworks are loaded by ghn.load_ghn"
        )
    try:
        check_format(path, {**metadata, "format": int(metadata["format"])}, FORMAT, unsaid=False)
        versions = json.loads(metadata["versions"])
        check_versions(path, {str(k): str(v) for k, v in versions.items()})
        tree = json.loads(metadata["tree"])
        if not isinstance(tree, dict) or "class" not in tree:
            raise TypeError("a value that is no object")
        return tree
    except (KeyError, AttributeError, TypeError, RecursionError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} cannot be loaded: its description is damaged ({type(error).__name__})"
        ) from None
