"""From the graph of a network to its accuracy and other properties: scikit-learn estimators."""

from typing import TYPE_CHECKING, Any

from graph2nn.deprecated import moved
from predictors.base import ArchPredictor
from predictors.features import GraphFeatures
from predictors.models.bananas import BANANASPredictor
from predictors.models.baseline import LinearBaseline
from predictors.models.classical import GRAF_BLOCKS, ONE_HOT_BLOCKS, FeaturePredictor
from predictors.models.curves import CurvePredictor
from predictors.models.embeddings import GHNEmbedding, GHNPredictor
from predictors.models.multispace import MultiSpacePredictor
from predictors.models.stacking import StackedEnsemble, features_and_tokens, standard_members
from predictors.neural.gcn import GCNPredictor
from predictors.registry import BASELINE, MODELS, make_predictor
from predictors.tables import TABLES, Table, load_table, read_table
from predictors.targets import TargetTransform
from predictors.tart import TART

if TYPE_CHECKING:
    from predictors.neural.message_passing import PyGPredictor

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
    "LinearBaseline",
    "MultiSpacePredictor",
    "PyGPredictor",
    "StackedEnsemble",
    "Table",
    "TargetTransform",
    "features_and_tokens",
    "load_table",
    "make_predictor",
    "read_table",
    "standard_members",
]


def __getattr__(name: str) -> Any:
    """`PyGPredictor` on first use: PyTorch Geometric takes seconds to import."""
    if name == "PyGPredictor":
        from predictors.neural.message_passing import PyGPredictor

        return PyGPredictor
    return _moved(name)


_moved = moved(__name__, dict.fromkeys(("sparsity", "properties"), "predictors.studies"))
