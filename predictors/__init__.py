"""From the graph of a network to its accuracy and other properties: scikit-learn estimators."""

from predictors.bananas import BANANASPredictor
from predictors.base import ArchPredictor
from predictors.baseline import LinearBaseline
from predictors.classical import FeaturePredictor
from predictors.embeddings import GHNEmbedding, GHNPredictor
from predictors.features import GraphFeatures
from predictors.multispace import MultiSpacePredictor
from predictors.neural.gcn import GCNPredictor
from predictors.neural.message_passing import PyGPredictor
from predictors.registry import BASELINE, MODELS, make_predictor
from predictors.stacking import StackedEnsemble
from predictors.tables import TABLES, Table, load_table, read_table
from predictors.tart import TART

__all__ = [
    "BASELINE",
    "MODELS",
    "TABLES",
    "TART",
    "ArchPredictor",
    "BANANASPredictor",
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
    "load_table",
    "make_predictor",
    "read_table",
]
