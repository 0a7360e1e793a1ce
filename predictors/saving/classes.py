"""Which classes and functions may stand in a file of a predictor? Those of this list alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module
from types import FunctionType
from typing import Any

__all__ = [
    "class_name",
    "find_class",
    "find_function",
    "function_name",
    "imported",
    "own_name",
    "package_of",
]

_OURS = {
    "ghn.model": ("GHN",),
    "predictors.features.attributes": ("AttributeScaler",),
    "predictors.features.graph_features": ("GraphFeatures",),
    "predictors.features.path_encoding": ("AdjacencyEncoding", "PathEncoding"),
    "predictors.features.space": ("Space",),
    "predictors.gaussian": ("GroupedGP",),
    "predictors.latency.predictor": ("LatencyPredictor",),
    "predictors.latency.times": ("OperationTimes",),
    "predictors.models.bananas": ("BANANASPredictor",),
    "predictors.models.baseline": ("LinearBaseline",),
    "predictors.models.classical": ("FeaturePredictor",),
    "predictors.models.curves": ("CurvePredictor",),
    "predictors.models.embeddings": ("GHNEmbedding", "GHNPredictor"),
    "predictors.models.joint": ("JointGHNPredictor",),
    "predictors.models.multispace": ("MultiSpacePredictor",),
    "predictors.models.regressors": ("Regressor", "_Unnamed", "_WideSVR"),
    "predictors.models.roofline": ("RooflinePredictor",),
    "predictors.models.stacking": ("StackedEnsemble",),
    "predictors.neural.gcn": ("GCNPredictor",),
    "predictors.neural.message_passing": ("PyGPredictor",),
    "predictors.neural.node_features": ("NodeFeatures",),
    "predictors.targets": ("TargetTransform",),
    "predictors.tart.heads": ("EmbeddingHead",),
    "predictors.tart.pretraining": ("PretrainedEncoder",),
    "predictors.tart.tart": ("TART",),
}
_THEIRS = {
    "lightgbm": ("LGBMRegressor",),
    "sklearn.compose": ("TransformedTargetRegressor",),
    "sklearn.decomposition": ("PCA", "TruncatedSVD"),
    "sklearn.ensemble": ("ExtraTreesRegressor", "RandomForestRegressor"),
    "sklearn.feature_selection": ("SelectKBest", "SelectPercentile", "VarianceThreshold"),
    "sklearn.gaussian_process": ("GaussianProcessRegressor",),
    "sklearn.gaussian_process.kernels": (
        *("ConstantKernel", "DotProduct", "Exponentiation", "Matern", "Product", "RBF"),
        *("RationalQuadratic", "Sum", "WhiteKernel"),
    ),
    "sklearn.impute": ("SimpleImputer",),
    "sklearn.kernel_ridge": ("KernelRidge",),
    "sklearn.linear_model": (
        *("ARDRegression", "BayesianRidge", "ElasticNet", "ElasticNetCV", "HuberRegressor"),
        *("Lasso", "LassoCV", "LinearRegression", "Ridge", "RidgeCV"),
    ),
    "sklearn.model_selection": ("GridSearchCV", "KFold", "RandomizedSearchCV"),
    "sklearn.neural_network": ("MLPRegressor",),
    "sklearn.pipeline": ("FeatureUnion", "Pipeline"),
    "sklearn.preprocessing": (
        *("MaxAbsScaler", "MinMaxScaler", "PolynomialFeatures", "PowerTransformer"),
        *("QuantileTransformer", "RobustScaler", "StandardScaler"),
    ),
    "sklearn.svm": ("LinearSVR", "NuSVR", "SVR"),
    "sklearn.tree": ("DecisionTreeRegressor", "ExtraTreeRegressor"),
    "xgboost": ("XGBRegressor",),
}
_FUNCTIONS = {
    "predictors.metrics": ("kendall_tau",),
    "predictors.models.stacking": ("features_and_tokens", "standard_members"),
    "sklearn.feature_selection": ("f_regression", "mutual_info_regression", "r_regression"),
}

# Ours are stored by name alone, so that they may move; others with the package they come from.
_CLASSES = {name: module for module, names in _OURS.items() for name in names}
_CLASSES |= {f"{module}.{name}": module for module, names in _THEIRS.items() for name in names}
_OWN = "own:"
_CALLABLES = {f"{m}.{name}": m for m, names in _FUNCTIONS.items() for name in names}


def class_name(kind: type) -> str | None:
    """Return the name under which a class is stored; None where it is not in the list."""
    return _name(kind, kind.__name__, _CLASSES)


def function_name(function: Callable[..., Any]) -> str | None:
    """Return the name under which a function is stored; None where it is not in the list."""
    if not isinstance(function, FunctionType):
        return None
    return _name(function, function.__name__, _CALLABLES)


def find_class(name: str, own: Iterable[type] = ()) -> type:
    """Return the class of a name.

    Args:
        name: Name in a file.
        own: Further classes that the file may name.

    Raises:
        ImportError: XGBoost or LightGBM is not installed.
        ValueError: Another name.
    """
    for kind in own:
        if own_name(kind) == name:
            return kind
    if isinstance(name, str) and name in _CLASSES:
        return _found(name, _CLASSES)
    last = str(name).removeprefix(_OWN)[:80]
    if str(name).startswith(_OWN):
        raise ValueError(
            f"it holds a {last}, a class of the one who wrote it: pass classes=[{last}], or call "
            f"{last}.load"
        )
    raise ValueError(f"it names the class {last!r}, which is not among those that are loaded")


def own_name(kind: type) -> str:
    """Return the name under which a class that is not in the list is stored."""
    return _OWN + kind.__name__


def find_function(name: str) -> Callable[..., Any]:
    """Return the function of a name.

    Raises:
        ValueError: Another name.
    """
    if not isinstance(name, str) or name not in _CALLABLES:
        raise ValueError(
            f"it names the function {str(name)[:80]!r}, which is not among those that are loaded"
        )
    return _found(name, _CALLABLES)


def package_of(name: str) -> str:
    """Return the package that a stored class comes from, empty for ours.

    Examples:
        >>> package_of("sklearn.svm.SVR"), package_of("TART")
        ('sklearn', '')
    """
    return name.partition(".")[0] if "." in name else ""


def imported(module: str) -> Any:
    """Import a module of a fixed name.

    Raises:
        ImportError: Its package is not installed; the message says how to get it.
    """
    try:
        return import_module(module)
    except ImportError:
        raise ImportError(
            f"{_root(module)} is not installed and the predictor needs it; run: "
            'pip install "netwright[boost]"'
        ) from None


def _name(found: Any, last: str, table: dict[str, str]) -> str | None:
    for name in table:
        if name.rpartition(".")[2] == last and _root(table[name]) == _root(found.__module__):
            if _found(name, table) is found:
                return name
    return None


def _root(module: str) -> str:
    return module.partition(".")[0]


def _found(name: str, table: dict[str, str]) -> Any:
    return getattr(imported(table[name]), name.rpartition(".")[2])
