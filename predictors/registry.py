"""`MODELS`: every predictor by name, with the settings it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from graph2nn.names import check_choice, choose
from predictors.base import ArchPredictor
from predictors.targets import AIMS

__all__ = ["BASELINE", "MODELS", "ModelEntry", "make_predictor"]

BASELINE = "ridge"
"""The linear model that stands beside every result."""


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """A predictor under a name.

    Args:
        place: Module and class (or function), imported when first used.
        summary: One line for lists and tables.
        options: Constructor arguments other than the defaults.
        attributes: Whether it can use attributes of the graphs (zero-cost proxies).
        values: Constructor arguments where values are the aim instead of ranks; None where it only
            orders.
    """

    place: str
    summary: str
    options: Mapping[str, Any] = field(default_factory=dict)
    attributes: bool = False
    values: Mapping[str, Any] | None = None


def _features(model: str, summary: str, **options: Any) -> ModelEntry:
    return ModelEntry(
        place="predictors.models.classical:FeaturePredictor",
        summary=f"{summary} on graph features",
        options={"model": model, **options},
        attributes=True,
        values={"target": "standard"},
    )


def _graf(model: str, summary: str, **options: Any) -> ModelEntry:
    return ModelEntry(
        place="predictors.models.classical:FeaturePredictor",
        summary=f"{summary} on one-hot operations and GRAF's features",
        options={"model": model, "blocks": ("positions", "graf"), **options},
        attributes=True,
        values={"target": "standard"},
    )


_TART = "predictors.tart:TART"
_GCN = "predictors.neural.gcn:GCNPredictor"
_PYG = "predictors.neural.message_passing:PyGPredictor"
_JOINT = "predictors.models.joint:JointGHNPredictor"
_BANANAS = "predictors.models.bananas:BANANASPredictor"

MODELS: dict[str, ModelEntry] = {
    "ridge": ModelEntry(
        place="predictors.models.baseline:LinearBaseline",
        summary="ridge regression on one-hot operations (or counts): the linear baseline",
        attributes=True,
        values={},
    ),
    "gp-graph": _features("gp", "Gaussian process"),
    "svr-graph": _features("svr", "support vector regression"),
    "rf-graph": _features("rf", "random forest"),
    "et-graph": _features("et", "extremely random trees"),
    "xgb-graph": _features("xgb", "XGBoost (extra boost)"),
    "lgbm-graph": _features("lgbm", "LightGBM (extra boost)"),
    "roofline": ModelEntry(
        place="predictors.models.roofline:RooflinePredictor",
        summary="prices of work and traffic, and a process of what they leave: times of networks",
        attributes=True,
        values={},
    ),
    "ensemble": ModelEntry(
        place="predictors.models.stacking:StackedEnsemble",
        summary="gp, svr, rf (and xgb, lgbm: extra boost) on graph features, two lines, gcn, "
        "weighed by how well they predict networks left out",
        options={"combine": "scores", "prior": 100.0},
        attributes=True,
        values={"aim": "values"},
    ),
    "ensemble-mean": ModelEntry(
        place="predictors.models.stacking:StackedEnsemble",
        summary="mean of gp, svr, rf (and xgb, lgbm: extra boost) on graph features",
        options={"combine": "mean"},
        attributes=True,
        values={"aim": "values"},
    ),
    "stack": ModelEntry(
        place="predictors.models.stacking:StackedEnsemble",
        summary="members of ensemble, weighted by cross-validation alone",
        attributes=True,
        values={"aim": "values"},
    ),
    "ensemble-tart": ModelEntry(
        place="predictors.models.stacking:features_and_tokens",
        summary="mean of ensemble-mean and tart",
        attributes=True,
    ),
    "xgb-graf": _graf("xgb-deep", "XGBoost (extra boost)", target="standard"),
    "rf-graf": _graf("rf", "random forest", target="standard"),
    "svr-graf": _graf("svr-scale", "support vector regression"),
    "gp-graf": _graf("gp-matern", "Gaussian process"),
    "tart": ModelEntry(place=_TART, summary="token transformer, pre-trained"),
    "tart-scratch": ModelEntry(
        place=_TART,
        summary="token transformer without pre-training",
        options={"encoder": "none"},
    ),
    "tart-published": ModelEntry(
        place=_TART,
        summary="token transformer, TART's published settings (its bugs left out)",
        options={"preset": "published"},
    ),
    "gcn": ModelEntry(
        place=_GCN,
        summary="bidirectional GCN on canonical graphs, pairwise hinge",
        options={"preset": "canonical"},
        attributes=True,
    ),
    "gcn-raw": ModelEntry(
        place=_GCN,
        summary="the same on graphs as given",
        options={"preset": "hinge"},
        attributes=True,
    ),
    "neurpred": ModelEntry(
        place=_GCN,
        summary="the same GCN, NeurPred's published recipe",
        options={"preset": "published"},
        attributes=True,
    ),
    "gin": ModelEntry(
        place=_PYG, summary="graph isomorphism network", options={"conv": "gin"}, attributes=True
    ),
    "gat": ModelEntry(
        place=_PYG, summary="graph attention network", options={"conv": "gat"}, attributes=True
    ),
    "pna": ModelEntry(
        place=_PYG,
        summary="principal neighbourhood aggregation",
        options={"conv": "pna"},
        attributes=True,
    ),
    "bananas": ModelEntry(
        place=_BANANAS, summary="ensemble of perceptrons on path encodings", attributes=True
    ),
    "bananas-published": ModelEntry(
        place=_BANANAS,
        summary="the same, BANANAS' published recipe",
        options={"preset": "published"},
        attributes=True,
    ),
    "ghn-svr": ModelEntry(
        place="predictors.models.embeddings:GHNPredictor",
        summary="SVR on GHN-2 embeddings (DeepNets-1M networks only)",
    ),
    "ghn-joint": ModelEntry(
        place=_JOINT, summary="GHN-2 and a head, trained on labels and on generating weights"
    ),
    "ghn-labels": ModelEntry(
        place=_JOINT, summary="the same, on labels alone", options={"preset": "labels"}
    ),
    "ghn-frozen": ModelEntry(
        place=_JOINT, summary="the same, the head alone", options={"preset": "frozen"}
    ),
}
"""Names for `make_predictor` and the command lines."""


def make_predictor(
    name: str,
    *,
    seed: int = 0,
    attributes: Sequence[str] = (),
    aim: str = "ranks",
    **options: Any,
) -> ArchPredictor:
    """Make a predictor by name, not fitted.

    Args:
        name: Key of `MODELS`.
        seed: Seed of whatever is random in it.
        attributes: Patterns of graph attributes to use beside the graph, such as `zc_*`.
        aim: What predictions are for: `ranks`, the order of networks, or `values`, their numbers
            with small squared errors (milliseconds, say).
        options: Further constructor arguments.

    Raises:
        ValueError: An unknown name, attributes for a model that reads graphs only, or values of one
            that only orders.
        ImportError: An optional package is missing; the message says which extra has it.

    Examples:
        >>> X, y = load_table("nb101_500", target="val_accuracy")
        >>> make_predictor("ridge").fit(X[:100], y[:100]).predict(X[100:]).shape
        (400,)
    """
    choose("model", name, MODELS)
    entry = MODELS[name]
    check_choice("aim", aim, AIMS)
    settings: dict[str, Any] = {**entry.options, "seed": seed}
    if aim == "values":
        if entry.values is None:
            able = ", ".join(n for n, e in MODELS.items() if e.values is not None)
            raise ValueError(f"model {name} orders networks only; those with values are {able}")
        settings |= entry.values
    settings |= options
    if attributes:
        if not entry.attributes:
            able = ", ".join(n for n, e in MODELS.items() if e.attributes)
            raise ValueError(f"model {name} reads graphs only; those with attributes are {able}")
        settings["attributes"] = tuple(attributes)
    module, _, attribute = entry.place.partition(":")
    return getattr(import_module(module), attribute)(**settings)
