"""Whether what was written without waiting for a majority outlives an election."""

from __future__ import annotations

import pytest
from pymongo.errors import AutoReconnect

from repman.link.writing import Terms


def wrote(*terms: int) -> Terms:
    made = Terms()
    for term in terms:
        made.wrote(term)
    return made


def test_a_barrier_of_the_same_term_keeps_what_was_written_before_it() -> None:
    assert wrote(5, 5).kept_by(lambda: 5)


@pytest.mark.parametrize("terms", [(5,), (5, 6), (7,)])
def test_a_barrier_of_another_term_may_have_lost_it(terms: tuple[int, ...]) -> None:
    assert not wrote(*terms).kept_by(lambda: 6)


def test_no_barrier_is_needed_where_nothing_was_written() -> None:
    def barrier() -> int:
        raise AssertionError("nobody has to wait")

    assert Terms().kept_by(barrier)
    terms = wrote(5)
    assert terms.kept_by(lambda: 5)
    assert terms.kept_by(barrier)


def test_what_is_written_during_a_barrier_is_a_matter_of_the_next_one() -> None:
    """It may have come after it, and be lost with the primary although the barrier is kept."""
    terms = wrote(5)

    def barrier() -> int:
        terms.wrote(5)
        return 5

    assert terms.kept_by(barrier)
    assert not terms.kept_by(lambda: 6)


def test_a_barrier_that_failed_settles_nothing() -> None:
    terms = wrote(5)

    def broken() -> int:
        raise AutoReconnect("the primary is gone")

    with pytest.raises(AutoReconnect):
        terms.kept_by(broken)
    assert not terms.kept_by(lambda: 6)
