"""Damaged files: every reader gives what was written, or an error with the path; never more."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutations import Outcome, fuzzed, mutated
from readers import CASES


def check(found: dict[str, Outcome]) -> None:
    for name, outcome in found.items():
        allowed = set() if CASES[name].sealed else {"wrong"}
        wrong = {what for what in outcome.counts if what not in ("equal", "refused", *allowed)}
        assert not wrong, "\n".join(outcome.examples[:20])
        assert outcome.counts["refused"] > 0


def test_mutations_change_files_and_depend_on_their_seed() -> None:
    data = bytes(range(48, 58)) * 20
    found = [mutated(data, seed) for seed in range(200)]
    assert data not in found and len(set(found)) > 150
    assert found == [mutated(data, seed) for seed in range(200)]


def test_a_hundred_mutations_of_every_file(tmp_path: Path) -> None:
    check(fuzzed(list(CASES), 100, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_thousand_mutations(name: str, tmp_path: Path) -> None:
    check(fuzzed([name], 2000, tmp_path))
