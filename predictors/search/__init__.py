"""Search for good networks, guided by a predictor: propose, evaluate, learn, again."""

from predictors.search.comparison import (
    Comparison,
    compare,
    compare_on_table,
    compare_trained,
)
from predictors.search.figures import draw_evaluated, draw_progress, mean_and_error
from predictors.search.loop import best_so_far, run_search
from predictors.search.spaces import CellSpace, GrammarSpace, SearchSpace, TableSpace
from predictors.search.strategies import (
    Evaluated,
    GuidedSearch,
    RandomSearch,
    RegularisedEvolution,
    Strategy,
)
from predictors.search.training import TrainedNetworks

__all__ = [
    "CellSpace",
    "Comparison",
    "Evaluated",
    "GrammarSpace",
    "GuidedSearch",
    "RandomSearch",
    "RegularisedEvolution",
    "SearchSpace",
    "Strategy",
    "TableSpace",
    "TrainedNetworks",
    "best_so_far",
    "compare",
    "compare_on_table",
    "compare_trained",
    "draw_evaluated",
    "draw_progress",
    "mean_and_error",
    "run_search",
]
