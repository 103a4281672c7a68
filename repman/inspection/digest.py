"""Statements that differ in their values only are one statement: the pattern of a statement, and its digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<comment> /\*(?!!).*?\*/ | (?:--[ \t][^\n]*|\#[^\n]*) )
  | (?P<text> '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*" )
  | (?P<name> `(?:[^`]|``)*` | [^\W\d]\w* )
  | (?P<number> (?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+) )
  | (?P<blank> \s+ )
  | (?P<mark> <=>|<>|!=|>=|<=|:=|\|\||&&|<<|>>|@@?|. )
    """,
    re.VERBOSE | re.DOTALL,
)
_LIST = re.compile(r"\( (?:\?|NULL)(?: , (?:\?|NULL))+ \)")
_ROWS = re.compile(r"(\( \?(?: , \.\.\.)? \))(?: , \( \?(?: , \.\.\.)? \))+")
LONGEST = 4096
"""Characters of a statement that are looked at."""


def pattern(statement: str) -> str:
    """The statement with ``?`` for its values, one blank between words, without comments."""
    words = []
    for token in _TOKEN.finditer(statement[:LONGEST].strip().rstrip(";")):
        kind = token.lastgroup
        if kind in ("text", "number"):
            words.append("?")
        elif kind in ("name", "mark"):
            words.append(token[0])
    return _ROWS.sub(r"\1 , ...", _LIST.sub("( ? , ... )", " ".join(words)))


def digest(schema: str, statement: str) -> str:
    """32 hexadecimal digits that are the same for statements of one pattern in one schema."""
    return hashlib.md5(f"{schema}\n{pattern(statement).lower()}".encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """One statement of a slow-query log."""

    at: str
    """UTC or the server's time, as its log has it."""
    user: str
    schema: str
    seconds: float
    locked: float
    sent: int
    examined: int
    statement: str
    full_scan: bool | None = None
    """None: the log does not tell (``log_slow_verbosity`` without query_plan)."""
    temporary: bool | None = None
    temporary_on_disk: bool | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Statements of one pattern."""

    digest: str
    pattern: str
    count: int
    seconds: float
    longest: float
    sent: int
    examined: int
    last: Entry
    """The last of them."""


def group(entries: Iterable[Entry]) -> list[Group]:
    """Entries by pattern, those that took most time in all first."""
    by_digest: dict[str, list[Entry]] = {}
    for entry in entries:
        by_digest.setdefault(digest(entry.schema, entry.statement), []).append(entry)
    groups = [
        Group(
            key,
            pattern(alike[-1].statement),
            len(alike),
            sum(entry.seconds for entry in alike),
            max(entry.seconds for entry in alike),
            sum(entry.sent for entry in alike),
            sum(entry.examined for entry in alike),
            max(alike, key=lambda entry: entry.at),
        )
        for key, alike in by_digest.items()
    ]
    return sorted(groups, key=lambda each: (-each.seconds, each.digest))
