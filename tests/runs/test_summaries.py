"""Numbers in text: one standard error for all."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest

from graph2nn.runs.summaries import format_rows, standard_error, with_error


def test_standard_error_divides_by_one_less_than_the_runs() -> None:
    values = [3.0, 5.0, 4.0, 9.0]
    assert standard_error(values) == pytest.approx(statistics.stdev(values) / 2)
    table = np.array([values, values[::-1]])
    assert standard_error(table, axis=1).tolist() == pytest.approx([standard_error(values)] * 2)
    assert standard_error(table).shape == (4,)
    assert standard_error([2.0, 2.0]) == 0


@pytest.mark.parametrize("values", [[], [5.0]])
def test_one_value_has_no_standard_error(values: list[float]) -> None:
    assert math.isnan(standard_error(values))
    assert np.isnan(standard_error(np.ones((1, 3)))).tolist() == [True] * 3


@pytest.mark.parametrize(
    ("value", "error", "options", "text"),
    [
        (0.8312, 0.0041, {}, "0.831 ± 0.004"),
        (0.8312, float("nan"), {}, "0.831"),
        (-0.5, None, {"digits": 1}, "-0.5"),
        (0.5, 0.25, {"digits": 2, "signed": True}, "+0.50 ± 0.25"),
        (float("nan"), 0.1, {}, ""),
        (None, None, {}, ""),
    ],
)
def test_a_mean_with_its_error(value, error, options: dict, text: str) -> None:
    assert with_error(value, error, **options) == text


def test_rows_as_text() -> None:
    rows = [{"name": "a", "tau": 0.123456789}, {"name": "bcd", "n": np.int64(3), "tau": 2.0}]
    assert format_rows(rows) == "name  tau      n\na     0.12346\nbcd   2        3"
