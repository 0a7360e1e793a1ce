"""How do the figures show sweet spots and errors?"""

from __future__ import annotations

from typing import Any

__all__ = ["ERROR_LABEL", "STYLES", "spot_label"]

ERROR_LABEL = "top-1 error (%)"
STYLES: dict[str, dict[str, Any]] = {
    "published": {"color": "#d1222a", "linestyle": "-"},
    "welch + holm": {"color": "#e08a00", "linestyle": "-."},
    "held out": {"color": "#111111", "linestyle": "--"},
    "controlled": {"color": "#0b8457", "linestyle": ":"},
}
"""Lines of the sweet spots that are drawn."""


def spot_label(name: str) -> str:
    """Return what legends call a sweet spot."""
    return "published test" if name == "published" else name
