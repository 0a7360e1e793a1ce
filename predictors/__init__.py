"""From the graph of a network to its accuracy and other properties: scikit-learn estimators.

Every name is imported when it is first used: scikit-learn takes as long to import as torch.
"""

from typing import TYPE_CHECKING

from graph2nn.deprecated import moved
from graph2nn.lazy import on_first_use

if TYPE_CHECKING:
    from predictors.base import ArchPredictor
    from predictors.features import GraphFeatures
    from predictors.latency import LatencyPredictor
    from predictors.models.bananas import BANANASPredictor
    from predictors.models.baseline import LinearBaseline
    from predictors.models.classical import GRAF_BLOCKS, ONE_HOT_BLOCKS, FeaturePredictor
    from predictors.models.curves import CurvePredictor
    from predictors.models.embeddings import GHNEmbedding, GHNPredictor
    from predictors.models.joint import JointGHNPredictor
    from predictors.models.multispace import MultiSpacePredictor
    from predictors.models.roofline import RooflinePredictor
    from predictors.models.stacking import StackedEnsemble, features_and_tokens, standard_members
    from predictors.neural.gcn import GCNPredictor
    from predictors.neural.message_passing import PyGPredictor
    from predictors.registry import BASELINE, MODELS, make_predictor
    from predictors.saving import load, save
    from predictors.tables import TABLES, Table, graphs_of, load_table, read_table
    from predictors.targets import TargetTransform
    from predictors.tart import TART

__all__ = [
    "BASELINE",
    "GRAF_BLOCKS",
    "MODELS",
    "ONE_HOT_BLOCKS",
    "TABLES",
    "TART",
    "ArchPredictor",
    "BANANASPredictor",
    "CurvePredictor",
    "FeaturePredictor",
    "GCNPredictor",
    "GHNEmbedding",
    "GHNPredictor",
    "GraphFeatures",
    "JointGHNPredictor",
    "LatencyPredictor",
    "LinearBaseline",
    "MultiSpacePredictor",
    "PyGPredictor",
    "RooflinePredictor",
    "StackedEnsemble",
    "Table",
    "TargetTransform",
    "features_and_tokens",
    "graphs_of",
    "load",
    "load_table",
    "make_predictor",
    "read_table",
    "save",
    "standard_members",
]

_NAMES = {
    "predictors.base": ("ArchPredictor",),
    "predictors.features": ("GraphFeatures",),
    "predictors.latency": ("LatencyPredictor",),
    "predictors.models.bananas": ("BANANASPredictor",),
    "predictors.models.baseline": ("LinearBaseline",),
    "predictors.models.classical": ("GRAF_BLOCKS", "ONE_HOT_BLOCKS", "FeaturePredictor"),
    "predictors.models.curves": ("CurvePredictor",),
    "predictors.models.embeddings": ("GHNEmbedding", "GHNPredictor"),
    "predictors.models.joint": ("JointGHNPredictor",),
    "predictors.models.multispace": ("MultiSpacePredictor",),
    "predictors.models.roofline": ("RooflinePredictor",),
    "predictors.models.stacking": (
        "StackedEnsemble",
        "features_and_tokens",
        "standard_members",
    ),
    "predictors.neural.gcn": ("GCNPredictor",),
    "predictors.neural.message_passing": ("PyGPredictor",),
    "predictors.registry": ("BASELINE", "MODELS", "make_predictor"),
    "predictors.saving": ("load", "save"),
    "predictors.tables": ("TABLES", "Table", "graphs_of", "load_table", "read_table"),
    "predictors.targets": ("TargetTransform",),
    "predictors.tart": ("TART",),
}
_ROOMS = (
    *(
        "base",
        "benchmark",
        "features",
        "latency",
        "models",
        "neural",
        "proxies",
        "registry",
        "search",
    ),
    *("saving", "studies", "tables", "targets", "tart"),
)

__getattr__, __dir__ = on_first_use(
    __name__,
    {name: module for module, names in _NAMES.items() for name in names},
    modules=_ROOMS,
    otherwise=moved(__name__, dict.fromkeys(("sparsity", "properties"), "predictors.studies")),
)
