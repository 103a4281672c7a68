"""What many changes of one table come to, key by key: the fewest writes that leave the target as the source.  Pure.

Between two commits nobody sees the target, so of all that happened to a row in that time only the end counts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from repman.streams.cdc.changes import DELETE, INSERT, UNCHANGED, Change, Followed, Row

FRESH, CHANGED, GONE, REPLACED = 0, 1, 2, 3
Key = Any
"""The value of the key's only column, or a tuple of several."""


@dataclass(slots=True)
class Net:
    """The writes of one table; in each list a key comes once, and in one list only."""

    fresh: list[Row] = field(default_factory=list)
    """Rows that the target cannot have yet."""
    whole: list[Row] = field(default_factory=list)
    """Rows that it has, or has in another form: insert or overwrite."""
    partial: list[Row] = field(default_factory=list)
    """Rows with UNCHANGED in them: overwrite what is known."""
    gone: list[tuple[Any, ...]] = field(default_factory=list)
    """Keys of rows to delete."""


def by_table(changes: Iterable[Change]) -> dict[int, list[Change]]:
    """The changes of each table, each in its order."""
    found: dict[int, list[Change]] = {}
    for change in changes:
        if change[1] in found:
            found[change[1]].append(change)
        else:
            found[change[1]] = [change]
    return found


def net(table: Followed, changes: list[Change]) -> Net | None:
    """What `changes` of that table come to.

    None when only their order can tell: a row whose key changed while a value of it is not known.
    """
    if not table.key:
        return Net(fresh=[change[3] for change in changes if change[0] == INSERT and change[3] is not None])
    key_of = itemgetter(*table.key)
    states: dict[Key, tuple[int, Row]] = {}
    for kind, _, before, after in changes:
        if kind == INSERT:
            assert after is not None
            key = key_of(after)
            states[key] = (FRESH if key not in states else REPLACED, after)
        elif kind == DELETE:
            assert before is not None
            states[key_of(before)] = (GONE, before)
        else:
            assert after is not None
            if before is None:
                key = key_of(after)
                _change(states, key, after)
                continue
            old, key = key_of(before), key_of(after)
            if old == key:
                _change(states, key, after)
                continue
            if UNCHANGED in after:
                known = states.get(old)
                if known is None or known[0] == GONE:
                    return None
                after = merged(known[1], after)
                if UNCHANGED in after:
                    return None
            states[old] = (GONE, before)
            states[key] = (REPLACED, after)
    return _listed(table, states)


def _change(states: dict[Key, tuple[int, Row]], key: Key, after: Row) -> None:
    known = states.get(key)
    if known is None:
        states[key] = (CHANGED, after)
    elif known[0] == GONE:
        states[key] = (REPLACED, after)
    else:
        states[key] = (known[0], merged(known[1], after) if UNCHANGED in after else after)


def merged(before: Row, after: Row) -> Row:
    """`after`, with what it does not know from `before`."""
    return tuple(old if new is UNCHANGED else new for old, new in zip(before, after, strict=True))


def _listed(table: Followed, states: dict[Key, tuple[int, Row]]) -> Net:
    single = len(table.key) == 1
    found = Net()
    for key, (state, row) in states.items():
        if state == FRESH:
            found.fresh.append(row)
        elif state == GONE:
            found.gone.append((key,) if single else key)
        elif UNCHANGED in row:
            found.partial.append(row)
        else:
            found.whole.append(row)
    return found


def sorted_by_known(rows: list[Row]) -> dict[tuple[int, ...], list[Row]]:
    """Rows with UNCHANGED in them, by the places that are known."""
    found: dict[tuple[int, ...], list[Row]] = {}
    for row in rows:
        places = tuple(number for number, value in enumerate(row) if value is not UNCHANGED)
        found.setdefault(places, []).append(row)
    return found
