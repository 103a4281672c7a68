"""What many changes come to, proven against doing them one after the other."""

from __future__ import annotations

import random

import pytest

from repman.streams.cdc.apply_net import Net, net
from repman.streams.cdc.changes import DELETE, INSERT, UNCHANGED, UPDATE, Change, Followed, Row
from repman.streams.job import ALL_OPERATIONS

TABLE = Followed(0, "t", "d", "t", "d", "t", ("a", "b", "c"), ("a", "b", "c"), (0,), ALL_OPERATIONS)
PAIR = Followed(0, "t", "d", "t", "d", "t", ("a", "b", "c"), ("a", "b", "c"), (0, 1), ALL_OPERATIONS)
Target = dict[tuple[bytes, ...], Row]


def key(table: Followed, row: Row) -> tuple[bytes, ...]:
    return tuple(row[place] for place in table.key)


def known(old: Row | None, new: Row) -> Row:
    assert old is not None
    return tuple(a if b is UNCHANGED else b for a, b in zip(old, new, strict=True))


def one_by_one(table: Followed, target: Target, changes: list[Change]) -> Target:
    found = dict(target)
    for kind, _, before, after in changes:
        if kind == INSERT:
            assert after is not None
            found[key(table, after)] = after
        elif kind == DELETE:
            assert before is not None
            del found[key(table, before)]
        else:
            assert after is not None
            old = found.pop(key(table, before or after))
            found[key(table, after)] = known(old, after)
    return found


def at_once(table: Followed, target: Target, changes: Net) -> Target:
    found = dict(target)
    for gone in changes.gone:
        found.pop(gone, None)
    for row in changes.partial:
        found[key(table, row)] = known(found[key(table, row)], row)
    for row in (*changes.whole, *changes.fresh):
        found[key(table, row)] = row
    return found


def at_random(table: Followed, chance: random.Random, target: Target, partly: bool) -> list[Change]:
    """Changes that a source could make, beginning with these rows."""
    there = dict(target)
    changes: list[Change] = []
    for _ in range(chance.randrange(1, 40)):
        values = tuple(b"%d" % chance.randrange(6) for _ in range(3))
        where = key(table, values)
        if where not in there:
            changes.append((INSERT, 0, None, values))
            there[where] = values
            continue
        old = there[where]
        what = chance.randrange(3)
        if what == 0:
            changes.append((DELETE, 0, old, None))
            del there[where]
            continue
        moved = tuple(b"%d" % chance.randrange(6) for _ in range(3)) if what == 2 else (*old[:2], b"new")
        if key(table, moved) in there and key(table, moved) != where:
            continue
        logged: Row = (*moved[:2], UNCHANGED) if partly and chance.random() < 0.3 else moved
        changes.append((UPDATE, 0, old if what == 2 or chance.random() < 0.5 else None, logged))
        if changes[-1][2] is None and key(table, moved) != where:
            changes[-1] = (UPDATE, 0, old, logged)
        del there[where]
        there[key(table, moved)] = known(old, logged)
    return changes


@pytest.mark.parametrize("table", [TABLE, PAIR])
@pytest.mark.parametrize("partly", [False, True])
def test_the_net_of_changes_is_what_they_do_one_by_one(table: Followed, partly: bool) -> None:
    chance = random.Random(7)
    undecided = 0
    for _ in range(2000):
        rows = [tuple(b"%d" % chance.randrange(6) for _ in range(3)) for _ in range(5)]
        target: Target = {key(table, row): row for row in rows}
        changes = at_random(table, chance, target, partly)
        found = net(table, changes)
        if found is None:
            undecided += 1
            continue
        assert at_once(table, target, found) == one_by_one(table, target, changes)
    assert undecided < (1500 if partly else 1)
    assert bool(undecided) is partly


def test_what_was_applied_before_may_come_again() -> None:
    changes: list[Change] = [(INSERT, 0, None, (b"1", b"x", b"y")), (DELETE, 0, (b"2", b"", b""), None)]
    found = net(TABLE, changes)
    assert found is not None
    after = at_once(TABLE, {(b"2",): (b"2", b"", b"")}, found)
    assert at_once(TABLE, after, found) == after


def test_without_a_key_inserts_are_kept_as_they_are() -> None:
    table = Followed(0, "t", "d", "t", "d", "t", ("a",), ("a",), (), ALL_OPERATIONS)
    found = net(table, [(INSERT, 0, None, (b"1",)), (INSERT, 0, None, (b"1",))])
    assert found == Net(fresh=[(b"1",), (b"1",)])
