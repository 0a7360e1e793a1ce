"""Old names still work, and say where they are now."""

from __future__ import annotations

import pytest

import graph2nn.runs
import graph2nn.training


@pytest.mark.parametrize("name", ["RunFolder", "parse_config", "seeded", "save_checkpoint"])
def test_names_of_the_ground_are_still_found_in_training(name):
    with pytest.warns(DeprecationWarning, match=f"is now graph2nn.runs.{name}"):
        found = getattr(graph2nn.training, name)
    assert found is getattr(graph2nn.runs, name)


def test_other_names_are_missing_as_anywhere():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        graph2nn.training.nothing  # noqa: B018
