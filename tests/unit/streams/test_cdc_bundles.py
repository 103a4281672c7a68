"""Bundles and the queue between a stream's halves."""

from __future__ import annotations

import threading

import pytest

from repman.errors import StreamFailed
from repman.streams.cdc.bundle import Bundler
from repman.streams.cdc.changes import DELETE, INSERT, Bundle, Change, Followed, Truncate
from repman.streams.cdc.transport import InProcess
from repman.streams.job import ALL_OPERATIONS, Operation

TABLE = Followed(0, "t", "d", "t", "d", "t", ("a",), ("a",), (0,), ALL_OPERATIONS)
INSERTS = Followed(1, "i", "d", "i", "d", "i", ("a",), ("a",), (0,), frozenset({Operation.INSERT}))
TABLES = (TABLE, INSERTS)


def inserts(count: int, table: int = 0) -> list[Change]:
    return [(INSERT, table, None, (b"%d" % number,)) for number in range(count)]


def test_a_bundle_is_cut_by_rows_and_ends_with_a_transaction() -> None:
    bundler = Bundler(10)
    bundler.add(inserts(4), 40, TABLES)
    bundler.commit("p1", 1.0)
    assert bundler.ready() == []
    bundler.add(inserts(7), 70, TABLES)
    (cut,) = bundler.ready()
    assert (len(cut.changes), cut.ends, cut.position) == (11, False, "")
    bundler.commit("p2", 2.0)
    bundler.flush()
    assert bundler.ready() == []
    bundler.add(inserts(1), 10, TABLES)
    bundler.commit("p3", 3.0)
    bundler.flush()
    (cut,) = bundler.ready()
    assert (len(cut.changes), cut.ends, cut.position, cut.committed_at) == (1, True, "p3", 3.0)


def test_a_bundle_is_cut_by_bytes() -> None:
    bundler = Bundler(1000, most_bytes=100)
    for _ in range(5):
        bundler.add(inserts(1), 60, TABLES)
    assert [bundle.size for bundle in bundler.ready()] == [120, 120]


def test_what_is_inside_a_transaction_is_not_flushed() -> None:
    bundler = Bundler(10)
    bundler.add(inserts(1), 1, TABLES)
    bundler.flush(empty=True)
    assert bundler.ready() == []


def test_a_position_alone_is_handed_out_when_it_is_due() -> None:
    bundler = Bundler(10)
    bundler.commit("p1", 1.0)
    bundler.flush()
    assert bundler.ready() == []
    bundler.flush(empty=True)
    (cut,) = bundler.ready()
    assert (cut.changes, cut.position) == ((), "p1")


def test_operations_that_are_not_wanted_are_left_out() -> None:
    bundler = Bundler(10)
    bundler.add([(DELETE, 1, (b"1",), None), *inserts(1, 1)], 9, TABLES)
    bundler.commit("p1", 1.0)
    bundler.flush()
    (cut,) = bundler.ready()
    assert cut.changes == tuple(inserts(1, 1))


@pytest.mark.parametrize("limit", [1, 9, 10, 11, 25])
def test_the_limit_is_exact(limit: int) -> None:
    bundler = Bundler(10, limit)
    found: list[Bundle] = []
    for number in range(10):
        bundler.add(inserts(3), 30, TABLES)
        bundler.commit(f"p{number}", 1.0)
        found += bundler.ready()
    assert bundler.finished
    assert sum(len(bundle.changes) for bundle in found) == limit
    assert [bundle.last for bundle in found] == [False] * (len(found) - 1) + [True]
    # the transaction in which it was reached has not ended, and its position is not told
    assert found[-1].position == ("" if limit <= 3 else f"p{(limit - 1) // 3 - 1}") or found[-1].position == ""


def test_an_act_stands_between_the_changes_before_and_after_it() -> None:
    bundler = Bundler(10)
    bundler.add(inserts(1), 1, TABLES)
    bundler.act(0, (Truncate(0),))
    bundler.add(inserts(2), 2, TABLES)
    bundler.commit("p1", 1.0)
    bundler.flush()
    first, act, last = bundler.ready()
    assert (len(first.changes), first.ends) == (1, False)
    assert (act.acts, act.table, act.ends) == ((Truncate(0),), 0, False)
    assert (len(last.changes), last.ends, last.position) == (2, True, "p1")
    assert [bundle.sequence for bundle in (first, act, last)] == [1, 2, 3]


def bundle(sequence: int, rows: int, size: int = 1) -> Bundle:
    return Bundle(sequence, changes=tuple(inserts(rows)), size=size)


def test_the_queue_is_bounded_and_a_large_bundle_goes_alone() -> None:
    queue = InProcess(most_bytes=100, most_rows=10)
    assert queue.put(bundle(1, 1, 1000), 0)
    assert not queue.put(bundle(2, 1, 1), 0)
    assert [found.sequence for found in queue.take(100, 100, 0)] == [1]
    assert queue.put(bundle(2, 9, 1), 0)
    assert not queue.put(bundle(3, 2, 1), 0)
    assert queue.waiting == (9, 1)


def test_a_writer_takes_what_is_there_in_order() -> None:
    queue = InProcess()
    for sequence in range(5):
        assert queue.put(bundle(sequence, 2), 0)
    assert [found.sequence for found in queue.take(3, 1000, 0)] == [0, 1]
    assert [found.sequence for found in queue.take(100, 1000, 0)] == [2, 3, 4]
    assert queue.take(100, 1000, 0) == []


def test_a_reader_waits_until_there_is_room() -> None:
    queue = InProcess(most_rows=1)
    assert queue.put(bundle(1, 1), 0)
    came: list[bool] = []
    waiting = threading.Thread(target=lambda: came.append(queue.put(bundle(2, 1), 30)))
    waiting.start()
    assert queue.take(10, 10, 0)
    waiting.join(30)
    assert came == [True]


def test_what_was_put_before_a_failure_is_taken_before_it_is_told() -> None:
    queue = InProcess()
    assert queue.put(bundle(1, 1), 0)
    queue.fail(StreamFailed("why"))
    assert len(queue.take(10, 10, 0)) == 1
    with pytest.raises(StreamFailed, match="why"):
        queue.take(10, 10, 0)
