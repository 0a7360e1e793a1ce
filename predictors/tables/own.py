"""Where is what `predictors.tables.own` had? In `predictors.tables.trained`."""

from graph2nn.deprecated import moved

__getattr__ = moved(
    __name__,
    {
        **dict.fromkeys(
            ("PROPERTIES", "ground_truth_folder", "ground_truth_table"), "predictors.tables.trained"
        ),
        "own_table": "predictors.tables.trained:trained_table",
    },
)
