"""Zero-cost proxies on real networks: what they tell of their accuracy before any training."""

# Importing a module registers its proxies, in the order of the table.
from predictors.proxies import size  # noqa: I001
from predictors.proxies import saliency
from predictors.proxies import flow
from predictors.proxies import jacobian
from predictors.proxies import regions
from predictors.proxies import zen
from predictors.proxies import hypernetwork
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
    "hypernetwork",
    "jacobian",
    "proxy_attributes",
    "regions",
    "saliency",
    "size",
    "with_proxies",
    "zen",
]
