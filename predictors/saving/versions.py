"""Were the packages that a file needs those of today when it was written?"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["check_versions", "versions_of"]

_PROJECTS = {"sklearn": "scikit-learn"}


def versions_of(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of packages by name."""
    found = {name: _installed(name) for name in sorted(packages)}
    return {name: version for name, version in found.items() if version is not None}


def check_versions(path: str | Path, versions: Mapping[str, str]) -> None:
    """Check that fitted objects of other packages mean today what they meant when written.

    scikit-learn's attributes may change with every version: another major one is refused, another
    minor one warned of. The formats of XGBoost and LightGBM are read by all later versions.

    Raises:
        ValueError: Another major version of scikit-learn, or an older one of the others.
    """
    for name, then in versions.items():
        now = _installed(name)
        if now is None:
            continue  # whatever needs it says so
        project = _PROJECTS.get(name, name)
        advice = f'pip install "{project}=={then}", or fit the predictor again'
        older = _numbers(now)[:1] < _numbers(then)[:1]
        if older or (name == "sklearn" and _numbers(now)[:1] != _numbers(then)[:1]):
            raise ValueError(
                f"{path} was written with {project} {then}, whose fitted state {project} {now} "
                f"cannot read: {advice}"
            )
        if name == "sklearn" and _numbers(now)[:2] != _numbers(then)[:2]:
            warnings.warn(
                f"{path} was written with scikit-learn {then}, this is {now}: predictions are most "
                f"likely the same, but scikit-learn does not promise it; to be sure, {advice}",
                stacklevel=4,
            )


def _installed(name: str) -> str | None:
    try:
        return version(_PROJECTS.get(name, name))
    except PackageNotFoundError:
        return None


def _numbers(text: str) -> list[int]:
    return [int(part) if part.isdigit() else 0 for part in text.split(".")]
