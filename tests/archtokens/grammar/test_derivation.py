"""The engine: numbers in digits, forced decisions, what tokens mean."""

from __future__ import annotations

import numpy as np
import pytest

from archtokens.grammar import Choices, NotInLanguage
from archtokens.grammar.derivation import BASE, Exhausted, Follower, Prober, Reader, Tracer, Writer


@pytest.mark.parametrize("count", [1, 2, 15, 16, 17, 31, 32, 33, 255, 256, 257, 4096, 1_000_001])
def test_numbers_are_written_and_read(count: int) -> None:
    values = range(3, 3 + count)
    rng = np.random.default_rng(count)
    places = {0, count - 1, count // 2, *rng.integers(count, size=20).tolist()}
    for value in (values[place] for place in places):
        writer = Writer([value, "end"])
        assert writer.number(values, ("n",)) == value
        assert all(0 <= digit < BASE for digit in writer.ids)
        reader = Reader(writer.ids)
        assert reader.number(values, ("n",)) == value
        assert reader.at == len(writer.ids)


@pytest.mark.parametrize("count", [2, 16, 17, 33, 300])
def test_any_digits_are_a_number_and_every_number_has_digits(count: int) -> None:
    values = list(range(count))
    rng = np.random.default_rng(0)
    found = {
        Reader(rng.integers(40, size=4).tolist()).number(values, ()) for _ in range(60 * count)
    }
    assert found <= set(values)
    assert len(found) > 0.9 * count
    assert Reader([]).number(values, ()) == 0


def test_a_token_means_itself_or_its_number_modulo_the_list() -> None:
    choices = Choices([("a", 7), ("b", 5), ("c", 9)])
    assert [Reader([t]).pick(choices, ()) for t in (7, 5, 9)] == ["a", "b", "c"]
    assert [Reader([t]).pick(choices, ()) for t in (6, 10, 8)] == ["a", "b", "c"]
    assert Reader([]).pick(choices, ()) == "a"


def test_what_is_forced_has_no_token() -> None:
    forced = Choices([("a", 7)])
    reader, writer = Reader([5]), Tracer(["a", 4])
    assert reader.pick(forced, ()) == "a" and reader.number([4], ()) == 4
    assert reader.at == 0
    writer.pick(forced, ())
    writer.number([4], ())
    assert writer.ids == [] and writer.decisions == []


def test_an_answer_that_is_not_admissible_is_refused_even_where_forced() -> None:
    with pytest.raises(NotInLanguage, match="op 3: the grammar admits 'a' here, got 'b'"):
        Writer(["b"]).pick(Choices([("a", 7)]), ("op", 3))
    with pytest.raises(NotInLanguage, match=r"n: the grammar admits 0, 1, .*19, \.\.\. here"):
        Writer([50]).number(range(50), ("n",))


def test_a_prober_names_what_may_follow() -> None:
    prober = Prober([1])
    assert prober.digit(2) == 1
    with pytest.raises(Exhausted) as end:
        prober.number(range(300), ())
    assert end.value.args[0] == (0, 1)  # 299 is 12B: the first digit is 0 or 1
    with pytest.raises(Exhausted) as end:
        Prober([]).pick(Choices([("a", 7), ("b", 5)]), ())
    assert end.value.args[0] == (7, 5)


def test_a_follower_repeats_what_it_can() -> None:
    follower = Follower({("a",): 5, ("b",): 99}, np.random.default_rng(0))
    assert follower.number(range(10), ("a",)) == 5
    assert follower.number(range(10), ("b",)) in range(10)
    assert follower.number(range(10), ("c",)) in range(10)
