"""Old names still work, and say where they are now."""

from __future__ import annotations

import pytest

import graph2nn.runs
import graph2nn.training
import predictors.proxies


@pytest.mark.parametrize("name", ["RunFolder", "parse_config", "seeded", "save_checkpoint"])
def test_names_of_the_ground_are_still_found_in_training(name):
    with pytest.warns(DeprecationWarning, match=f"is now graph2nn.runs.{name}"):
        found = getattr(graph2nn.training, name)
    assert found is getattr(graph2nn.runs, name)


def test_other_names_are_missing_as_anywhere():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        graph2nn.training.nothing  # noqa: B018


def test_proxies_of_hypernetworks_stand_with_the_others():
    with pytest.warns(DeprecationWarning, match="is now predictors.proxies.compute"):
        found = predictors.proxies.hypernetwork
    assert found.ghn_acc is predictors.proxies.PROXIES["ghn_acc"].compute
