"""Search for good networks, guided by a predictor: propose, evaluate, learn, again."""

from predictors.search.comparison import (
    Comparison,
    compare,
    compare_on_table,
    compare_trained,
)
from predictors.search.figures import draw_evaluated, draw_progress, mean_and_error
from predictors.search.loop import best_so_far, run_search
from predictors.search.objectives import ParetoEvolution, ParetoGuided
from predictors.search.pareto import hypervolume, pareto_front
from predictors.search.spaces import CellSpace, GrammarSpace, SearchSpace, TableSpace
from predictors.search.strategies import (
    Evaluated,
    GuidedSearch,
    RandomSearch,
    RegularisedEvolution,
    Strategy,
)
from predictors.search.training import TrainedNetworks
from predictors.search.two import compare_two_on_table

__all__ = [
    "CellSpace",
    "Comparison",
    "Evaluated",
    "GrammarSpace",
    "GuidedSearch",
    "ParetoEvolution",
    "ParetoGuided",
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
    "compare_two_on_table",
    "draw_evaluated",
    "draw_progress",
    "hypervolume",
    "mean_and_error",
    "pareto_front",
    "run_search",
]
