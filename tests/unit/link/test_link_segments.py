"""Which segments of a collection are still to be copied after a crash."""

from __future__ import annotations

from typing import Any

import bson
import pytest

from repman.link.clone import cut
from repman.link.segments import MESSAGE_BYTES, unfinished


def at(number: int | None) -> bytes | None:
    """The document with that ``_id``, as the bound of a segment."""
    return bson.encode({"_id": number}) if number is not None else None


def known(number: int, start: int | None, end: int | None, done: bool) -> dict[str, Any]:
    return {"number": number, "start": at(start), "end": at(end), "done": done}


def left(*segments: dict[str, Any]) -> list[tuple[int, bytes | None, bytes | None]]:
    return [(each.number, each.start, each.end) for each in unfinished(list(segments))]


def test_nothing_is_known() -> None:
    assert left() == []


def test_what_is_done_is_left_out() -> None:
    assert left(known(0, None, 10, True), known(1, 10, 20, False), known(2, 20, None, True)) == [(1, at(10), at(20))]


def test_what_is_missing_between_two_is_copied_in_one_piece() -> None:
    assert left(known(0, None, 10, True), known(3, 40, None, True)) == [(1, at(10), at(40))]


def test_the_first_may_be_missing() -> None:
    assert left(known(2, 30, 40, False)) == [(0, None, at(30)), (2, at(30), at(40))]


def test_a_piece_that_filled_a_gap_leaves_none() -> None:
    """Its number is the first of several."""
    assert left(known(0, None, 10, True), known(1, 10, 40, True), known(3, 40, None, False)) == [(3, at(40), None)]


def test_everything_is_covered_once_whatever_is_missing() -> None:
    whole = [known(number, number * 10 or None, (number + 1) * 10 if number < 5 else None, True) for number in range(6)]
    for chosen in range(1, 1 << 5):
        kept = [each for each in whole[:5] if chosen >> each["number"] & 1] + whole[5:]
        covered = [(each["start"], each["end"]) for each in kept] + [(start, end) for _, start, end in left(*kept)]
        in_order = sorted(covered, key=lambda bounds: bson.decode(bounds[0])["_id"] if bounds[0] else -1)
        assert in_order[0][0] is None
        assert in_order[-1][1] is None
        assert [end for _, end in in_order[:-1]] == [start for start, _ in in_order[1:]]


@pytest.mark.parametrize("sizes", [[10, 10], [MESSAGE_BYTES - 1, 2], [MESSAGE_BYTES + 5, 1, 1], [4_000_000] * 9])
def test_messages_hold_everything_in_order_and_no_more_than_the_server_takes(sizes: list[int]) -> None:
    documents = [bytes([number]) * size for number, size in enumerate(sizes)]
    messages = cut(documents)
    assert b"".join(messages) == b"".join(documents)
    assert all(len(message) <= MESSAGE_BYTES or message in documents for message in messages)
