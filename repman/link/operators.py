"""Update operators as bytes, and what the server does not take together or does in an order of its own.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import bson

from repman.mongo.raw import document

Placed = tuple[bytes, bytes]
"""A path, and an element that has it as its name."""

_SET, _UNSET, _PUSH = b"\x03$set\x00", b"\x03$unset\x00", b"\x03$push\x00"
_FLAG = b"\x08%b\x00\x01".__mod__


def unsetting(paths: Sequence[bytes]) -> tuple[bytes, ...]:
    """The operator that takes fields away, if there are any."""
    return (_UNSET + document(*map(_FLAG, paths)),) if paths else ()


def setting(fields: Sequence[Placed]) -> tuple[bytes, ...]:
    """The operator that sets fields, if there are any."""
    return (_SET + document(*(element for _, element in fields)),) if fields else ()


def cutting(arrays: Iterable[tuple[str, int]]) -> list[bytes]:
    """Expressions that shorten arrays: one for all of them, unless one array is inside of another."""
    cuts = {path: {"$each": [], "$slice": size} for path, size in arrays}
    parts = sorted(tuple(path.split(".")) for path in cuts)
    nested = any(other[: len(one)] == one for one, other in pairwise(parts))
    groups = [{path: cut} for path, cut in cuts.items()] if nested else [cuts] if cuts else []
    return [document(_PUSH + bson.encode(group)) for group in groups]


def ascending_runs(fields: Sequence[Placed]) -> list[Sequence[Placed]]:
    """The fields in as few pieces as keep their order when the server sets each piece at once.

    The server sets the fields of one statement in an order of its own (`_follows`), and fields that are new to the
    document end up in that order.
    """
    cuts = [at for at, (one, other) in enumerate(pairwise(fields), 1) if not _follows(one[0], other[0])]
    return [fields[start:end] for start, end in pairwise((0, *cuts, len(fields))) if end]


def _follows(first: bytes, second: bytes) -> bool:
    """Whether the server would set the second path after the first, whatever others there are.

    It compares component by component: two numbers by value, anything else as text.  Where a text like ``1a`` comes
    between numbers, that is no order at all, and what the server does is not relied on.
    """
    for one, other in zip(first.split(b"."), second.split(b"."), strict=False):
        if one == other:
            continue
        numbers = _is_number(one), _is_number(other)
        if all(numbers):
            return (len(one), one) < (len(other), other)
        if any(numbers) and one[:1].isdigit() and other[:1].isdigit():
            return False
        return one < other
    return len(first) < len(second)


def _is_number(component: bytes) -> bool:
    return component.isdigit() and (component == b"0" or component[:1] != b"0")
