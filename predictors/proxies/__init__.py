"""Zero-cost proxies on real networks: what they tell of their accuracy before any training."""

from graph2nn.deprecated import moved

# Importing a module registers its proxies, in the order of the table.
from predictors.proxies import (
    flow,
    jacobian,
    regions,
    saliency,
    size,  # noqa: I001
    zen,
)
from predictors.proxies.compute import ProxyValues, compute_proxies
from predictors.proxies.ground_truth import add_proxies
from predictors.proxies.registry import PROXIES, Proxy
from predictors.proxies.sets import PREFIX, proxy_attributes, with_proxies

__all__ = [
    "PREFIX",
    "PROXIES",
    "Proxy",
    "ProxyValues",
    "add_proxies",
    "compute_proxies",
    "flow",
    "jacobian",
    "proxy_attributes",
    "regions",
    "saliency",
    "size",
    "with_proxies",
    "zen",
]

__getattr__ = moved(__name__, {"hypernetwork": "predictors.proxies:compute"})
