"""The table of zero-cost proxies by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from predictors.proxies.probe import ProxyProbe

__all__ = ["PROXIES", "Proxy", "proxy"]


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A number of an untrained network that is meant to tell how well it will learn.

    Args:
        name: Name, also of the column `zc_<name>` in published tables, where there is one.
        compute: Function that gives the value; it raises where there is none.
        source: Publication it comes from.
        needs_ghn: Whether it predicts parameters with a hypernetwork.
    """

    name: str
    compute: Callable[[ProxyProbe], float]
    source: str
    needs_ghn: bool = False


PROXIES: dict[str, Proxy] = {}
"""Every proxy by name."""


def proxy(
    name: str, source: str, *, needs_ghn: bool = False
) -> Callable[[Callable[[ProxyProbe], float]], Callable[[ProxyProbe], float]]:
    """Register a function of a `ProxyProbe` under a name."""

    def register(compute: Callable[[ProxyProbe], float]) -> Callable[[ProxyProbe], float]:
        assert name not in PROXIES, name
        PROXIES[name] = Proxy(name=name, compute=compute, source=source, needs_ghn=needs_ghn)
        return compute

    return register
