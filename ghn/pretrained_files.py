"""Where is the file of a hypernetwork known by name? Shipped, cached or published elsewhere."""

from __future__ import annotations

from pathlib import Path

from graph2nn.runs.pretrained import (
    Published,
    find_pretrained,
    find_published,
    manifest_entries,
)

__all__ = ["available", "resolve", "resolve_published"]

_PPUDA = "https://github.com/facebookresearch/ppuda"
_GHN3 = "SamsungSAILMontreal/ghn3"
_PUBLISHED = {
    **{
        f"{kind}-{data}": Published(f"{kind}_{data}.pt", page=_PPUDA)
        for kind in ("ghn1", "ghn2", "mlp")
        for data in ("cifar10", "imagenet")
    },
    **{
        name: Published(f"{name}.pt", _GHN3)
        for name in ("ghn3tm8", "ghn3sm8", "ghn3lm8", "ghn3xlm16")
    },
}


def resolve(name: str) -> Path:
    """Find the checked file that `from_pretrained` would load."""
    return find_pretrained(name, _PUBLISHED, what="hypernetwork", names=available())


def resolve_published(name: str) -> Path:
    """Find the file that others have published under a name, and ours only if there is none."""
    return find_published(name, _PUBLISHED[name]) if name in _PUBLISHED else resolve(name)


def available() -> list[str]:
    """List the names that `from_pretrained` knows: shipped ones, then published ones."""
    entries = manifest_entries().items()
    shipped = [name for name, entry in entries if entry.get("kind", "ghn") == "ghn"]
    return list(dict.fromkeys((*shipped, *_PUBLISHED)))
