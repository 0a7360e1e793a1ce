"""Looking up names: what is not there is named, with all that are and the one that was meant."""

from __future__ import annotations

import pytest

from graph2nn.names import check_choice, choose

ENTRIES = {"snip": 1, "grasp": 2, "synflow": 3}


def test_what_is_there() -> None:
    assert choose("pruner", "grasp", ENTRIES) == 2
    assert choose("pruner", "grasp", tuple(ENTRIES)) == "grasp"
    check_choice("scope", None, (None, "layer"))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("snap", {}, r"^unknown pruner 'snap'; choose one of snip, grasp, synflow \(did you mean"),
        ("x", {}, "^unknown pruner 'x'; choose one of snip, grasp, synflow$"),
        ("SNIP", {"where": "Grid.pruners"}, "^Grid.pruners: unknown pruner 'SNIP'; choose one of"),
        ("x", {"more": "or a file"}, "one of snip, grasp, synflow, or a file$"),
        (None, {}, "^unknown pruner None; choose one of"),
        (3, {}, "^unknown pruner 3; choose one of"),
    ],
)
def test_what_is_not(name: object, options: dict, message: str) -> None:
    for registry in (ENTRIES, list(ENTRIES), iter(ENTRIES)):
        with pytest.raises(ValueError, match=message):
            choose("pruner", name, registry, **options)


def test_values_of_a_setting() -> None:
    with pytest.raises(ValueError, match=r"^Recipe.amp: expected one of no, 16, got '17'$"):
        check_choice("Recipe.amp", "17", ("no", 16))
    with pytest.raises(ValueError, match=r"got 'synflo' \(did you mean 'synflow'\?\)$"):
        check_choice("method", "synflo", ENTRIES)
