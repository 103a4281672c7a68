"""Bounds on what is handed on: rows, and the text in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from repman.errors import LookFailed

ROWS = 1000
MOST_ROWS = 5000
TEXT = 16_384
"""Characters of one text; what is longer is cut by the server already."""
WHOLE = 2 * 1024 * 1024
"""Characters of one answer."""

Row = TypeVar("Row", bound=Mapping[str, Any])


def wished(arguments: Mapping[str, str]) -> int:
    """How many rows are wished.  Raises LookFailed for what is no such number."""
    text = arguments.get("limit", "")
    if not text:
        return ROWS
    if text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST_ROWS:
        return int(text)
    raise LookFailed(f"limit is a number from 1 to {MOST_ROWS}, not {text!r}", "bad-argument", "refused")


def bounded(rows: Iterable[Row], limit: int) -> dict[str, Any]:
    """At most so many rows, and `WHOLE` of text; ``truncated`` says whether there were more."""
    kept: list[Row] = []
    room = WHOLE
    for row in rows:
        room -= sum(len(value) + 16 for value in row.values() if isinstance(value, str))
        if len(kept) >= limit or room < 0:
            return {"rows": kept, "truncated": True}
        kept.append(row)
    return {"rows": kept, "truncated": False}
