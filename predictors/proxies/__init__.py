"""Zero-cost proxies on real networks: what they tell of their accuracy before any training."""

from graph2nn.deprecated import moved

# Importing a module registers its proxies: this order is that of `PROXIES` and of every table.
# isort: off
from predictors.proxies import size
from predictors.proxies import saliency
from predictors.proxies import flow
from predictors.proxies import jacobian
from predictors.proxies import regions
from predictors.proxies import zen
from predictors.proxies import maps

# isort: on
from predictors.proxies.compute import ProxyValues, compute_proxies
from predictors.proxies.ground_truth import add_proxies
from predictors.proxies.maps import AZ_NAS, az_nas
from predictors.proxies.registry import PROXIES, Proxy
from predictors.proxies.sets import PREFIX, proxy_attributes, with_proxies

__all__ = [
    "AZ_NAS",
    "PREFIX",
    "PROXIES",
    "Proxy",
    "ProxyValues",
    "add_proxies",
    "az_nas",
    "compute_proxies",
    "flow",
    "jacobian",
    "maps",
    "proxy_attributes",
    "regions",
    "saliency",
    "size",
    "with_proxies",
    "zen",
]

__getattr__ = moved(__name__, {"hypernetwork": "predictors.proxies:compute"})
