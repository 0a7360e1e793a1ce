"""Zero-cost proxies of many networks, and proxies as attributes of graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from ghn import GHN, from_pretrained
from graph2nn.archgraph import ArchGraph
from graph2nn.deepnets import NetConfig
from graph2nn.families import Blueprint, build_archgraph, build_network
from graph2nn.runs import parallel_map, seeded
from predictors.proxies.compute import ProxyValues, check_names, compute_proxies

__all__ = ["PREFIX", "proxy_attributes", "with_proxies"]

PREFIX = "zc_"
"""Start of the names of attributes that hold proxies."""


def proxy_attributes(
    networks: Iterable[Any],
    images: Tensor,
    labels: Tensor,
    *,
    build: Callable[[Any], nn.Module] | None = None,
    names: Sequence[str] | None = None,
    seed: int = 0,
    ghn: GHN | str | None = None,
    test: tuple[Tensor, Tensor] | None = None,
    jobs: int = 1,
    backend: str | None = None,
    progress: bool = True,
) -> Iterator[ProxyValues]:
    """Compute `compute_proxies` of each network, as they come in.

    Args:
        networks: Modules, `NetConfig`s, blueprints of other families, or what `build` makes modules
            of.
        images, labels, names, ghn, test: Arguments of `compute_proxies`; images (B, C, H, W),
            labels (B,).
        build: Function from an item to a network, run under the seed so that initial weights are
            reproducible; must be picklable where `jobs` is not 1.
        seed: Seed of initial weights and of what is random in the proxies.
        jobs, backend, progress: Arguments of `parallel_map`.

    Raises:
        ValueError: As `compute_proxies`, and for items that are no networks.
    """
    ghn = from_pretrained(ghn) if isinstance(ghn, str) else ghn
    job = _Job(build or _network, images, labels, check_names(names, ghn is not None), seed)
    job = replace(job, ghn=ghn, test=test)
    how: dict[str, Any] = {"jobs": jobs, "backend": backend, "progress": progress}
    return parallel_map(job, networks, description="proxies", **how)


def with_proxies(
    graphs: Sequence[ArchGraph], values: Sequence[Mapping[str, float]]
) -> list[ArchGraph]:
    """Copy the graphs with proxies among their attributes, under names that begin with `zc_`.

    Raises:
        ValueError: Not as many values as graphs.
    """
    if len(graphs) != len(values):
        raise ValueError(f"expected values of {len(graphs)} networks, got {len(values)}")
    return [
        g.replace(attributes={**g.attributes, **{PREFIX + n: x for n, x in v.items()}})
        for g, v in zip(graphs, values)
    ]


@dataclass(frozen=True)
class _Job:
    """One network: built under the seed, measured. A class, so that processes can be sent it."""

    build: Callable[[Any], nn.Module]
    images: Tensor
    labels: Tensor
    names: tuple[str, ...]
    seed: int
    ghn: GHN | None = None
    test: tuple[Tensor, Tensor] | None = None

    def __call__(self, item: Any) -> ProxyValues:
        with seeded(self.seed):
            model = self.build(item).to(self.images.device)
        # Networks of the families have exact graphs without tracing.
        reads_ghn2 = self.ghn is not None and self.ghn.view == "ghn2"
        known = isinstance(item, (NetConfig, Blueprint)) and reads_ghn2
        graph = build_archgraph(item) if known else None
        how: dict[str, Any] = {"names": self.names, "seed": self.seed, "test": self.test}
        return compute_proxies(model, self.images, self.labels, ghn=self.ghn, graph=graph, **how)


def _network(item: Any) -> nn.Module:
    if isinstance(item, nn.Module):
        return item
    if isinstance(item, (NetConfig, Blueprint)):
        return build_network(item)
    raise ValueError(
        f"expected networks (torch modules), NetConfigs or blueprints, got {type(item).__name__}; "
        "pass build= to make networks of them"
    )
