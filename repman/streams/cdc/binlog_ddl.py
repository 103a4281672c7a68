"""What a statement of the binary log does to which table, as far as it matters to a stream.  Pure.

The statement is not understood, only cut up: of an ALTER TABLE the names and places of columns are read, their types
come from the source's catalog.  What is not known for certain to leave rows alone is to be looked at by a person.

Source: MariaDB Knowledge Base, "ALTER TABLE", "RENAME TABLE", "TRUNCATE TABLE", "DROP TABLE".
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

Name = tuple[str, str]
"""Database and table."""
_TOKEN = re.compile(
    r"""/\*!\d*|\*/|/\*.*?\*/|--\s[^\n]*|\#[^\n]*|'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`"""
    r"""|[\w$@\x80-\U0010ffff]+|\s+|.""",
    re.DOTALL,
)
_DATA = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD"})
_HARMLESS = frozenset(
    [
        "ALGORITHM",
        "ALTER",
        "AUTO_INCREMENT",
        "AVG_ROW_LENGTH",
        "CHECKSUM",
        "COMMENT",
        "COMPRESSION",
        "CONNECTION",
        "DELAY_KEY_WRITE",
        "DISABLE",
        "ENABLE",
        "ENCRYPTED",
        "ENCRYPTION",
        "ENGINE",
        "FORCE",
        "KEY_BLOCK_SIZE",
        "LOCK",
        "MAX_ROWS",
        "MIN_ROWS",
        "NOWAIT",
        "ORDER",
        "PACK_KEYS",
        "PAGE_CHECKSUM",
        "PAGE_COMPRESSED",
        "ROW_FORMAT",
        "STATS_AUTO_RECALC",
        "STATS_PERSISTENT",
        "STATS_SAMPLE_PAGES",
        "WAIT",
        "DEFAULT",
        "CHARSET",
        "CHARACTER",
        "COLLATE",
        "TRANSACTIONAL",
    ]
)
_NO_COLUMNS = frozenset(["INDEX", "KEY", "UNIQUE", "CONSTRAINT", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK", "VECTOR"])
"""What ADD and DROP may be followed by that changes no row."""


class Kind(StrEnum):
    """What happens to a column or table."""

    ADD = "add"
    DROP = "drop"
    RENAME = "rename"
    MODIFY = "modify"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that an ALTER TABLE does."""

    kind: Kind
    column: str = ""
    new_name: str = ""
    """Of RENAME; with MODIFY, when it renames too."""
    after: str | None = None
    """Where the column goes: behind that one, empty for the first place, None for where it is or the end."""
    words: str = ""
    """Of REVIEW: what it says, shortened."""


@dataclass(frozen=True, slots=True)
class Truncated:
    """TRUNCATE TABLE."""

    table: Name


@dataclass(frozen=True, slots=True)
class Gone:
    """A table is dropped, or has another name."""

    table: Name
    new_name: Name | None = None


@dataclass(frozen=True, slots=True)
class Altered:
    """ALTER TABLE."""

    table: Name
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class DataStatement:
    """Rows were changed by a statement that is logged instead of its rows."""

    schema: str
    words: frozenset[str]
    """All names in it."""


Effect = Truncated | Gone | Altered | DataStatement


def effects(schema: str, text: str) -> tuple[Effect, ...]:
    """What a statement, run with `schema` as the current database, does."""
    words = list(_tokens(text))
    verb = _upper(words, 0)
    if verb in _DATA:
        names = frozenset(_name(word) for word in words)
        return (DataStatement(schema, names),)
    if verb == "WITH":
        return (DataStatement(schema, frozenset(_name(word) for word in words)),)
    if verb == "TRUNCATE":
        at = 2 if _upper(words, 1) == "TABLE" else 1
        return (Truncated(_table(words, at, schema)[0]),)
    if verb == "DROP":
        return tuple(_dropped(words, schema))
    if verb == "RENAME" and _upper(words, 1) in ("TABLE", "TABLES"):
        return tuple(_renamed(words, schema))
    if verb == "ALTER":
        return _altered(words, schema)
    return ()


def columns_after(columns: Sequence[str], clauses: Sequence[Clause]) -> list[str]:
    """The columns of a table after those clauses, in order."""
    found = list(columns)
    for clause in clauses:
        place = _index(found, clause.column)
        if clause.kind is Kind.ADD:
            if place is None:
                found.insert(_place(found, clause.after, len(found)), clause.column)
        elif place is None:
            continue
        elif clause.kind is Kind.DROP:
            del found[place]
        elif clause.kind in (Kind.RENAME, Kind.MODIFY):
            name = clause.new_name or found[place]
            found[place] = name
            if clause.after is not None:
                del found[place]
                found.insert(_place(found, clause.after, place), name)
    return found


def _index(columns: Sequence[str], name: str) -> int | None:
    """Names of columns are the same in any case."""
    lowered = name.lower()
    return next((number for number, column in enumerate(columns) if column.lower() == lowered), None)


def _place(columns: Sequence[str], after: str | None, default: int) -> int:
    if after is None:
        return default
    if not after:
        return 0
    found = _index(columns, after)
    return default if found is None else found + 1


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        token = match.group()
        if token.isspace() or token.startswith(("/*", "--", "#")) or token == "*/":
            continue
        yield token


def _upper(words: Sequence[str], at: int) -> str:
    return words[at].upper() if at < len(words) else ""


def _name(word: str) -> str:
    if word[:1] == "`":
        return word[1:-1].replace("``", "`")
    if word[:1] == '"':
        return word[1:-1].replace('""', '"')
    return word


def _table(words: Sequence[str], at: int, schema: str) -> tuple[Name, int]:
    """The table that is named at `at`, and where the words go on."""
    first = _name(words[at]) if at < len(words) else ""
    if at + 2 < len(words) and words[at + 1] == ".":
        return (first, _name(words[at + 2])), at + 3
    return (schema, first), at + 1


def _dropped(words: Sequence[str], schema: str) -> Iterator[Effect]:
    at = 1
    while _upper(words, at) in ("TEMPORARY", "TABLE", "TABLES", "IF", "EXISTS", "DATABASE", "SCHEMA"):
        if _upper(words, at) == "TEMPORARY":
            return
        if _upper(words, at) in ("DATABASE", "SCHEMA"):
            name = next((_name(word) for word in words[at + 1 :] if word.upper() not in ("IF", "EXISTS")), "")
            yield Gone((name, ""))
            return
        at += 1
    if _upper(words, 1) not in ("TABLE", "TABLES"):
        return
    while at < len(words):
        table, at = _table(words, at, schema)
        yield Gone(table)
        if at >= len(words) or words[at] != ",":
            return
        at += 1


def _renamed(words: Sequence[str], schema: str) -> Iterator[Effect]:
    at = 2
    while _upper(words, at) in ("IF", "EXISTS"):
        at += 1
    while at < len(words):
        old, at = _table(words, at, schema)
        while at < len(words) and _upper(words, at) != "TO":
            at += 1
        new, at = _table(words, at + 1, schema)
        yield Gone(old, new)
        at += 1


def _altered(words: Sequence[str], schema: str) -> tuple[Effect, ...]:
    at = 1
    while _upper(words, at) in ("ONLINE", "IGNORE"):
        at += 1
    if _upper(words, at) != "TABLE":
        return ()
    at += 1
    while _upper(words, at) in ("IF", "EXISTS"):
        at += 1
    table, at = _table(words, at, schema)
    clauses: list[Clause] = []
    for clause in _split(words[at:]):
        clauses.extend(_clauses(clause))
    return (Altered(table, tuple(clauses)),) if clauses else ()


def _split(words: Sequence[str]) -> Iterator[list[str]]:
    """Cut at the commas outside of parentheses."""
    depth = 0
    found: list[str] = []
    for word in words:
        depth += (word == "(") - (word == ")")
        if word == "," and depth == 0:
            yield found
            found = []
        else:
            found.append(word)
    if found and found != [";"]:
        yield found


def _clauses(words: list[str]) -> Iterator[Clause]:
    verb, second = _upper(words, 0), _upper(words, 1)
    if verb in _HARMLESS and not (verb == "ALTER" and second == "INDEX"):
        return
    if verb in ("ADD", "DROP") and (second in _NO_COLUMNS or (verb == "ADD" and second == "PERIOD")):
        return
    if verb == "RENAME" and second in ("INDEX", "KEY"):
        return
    review = Clause(Kind.REVIEW, words=" ".join(words)[:120])
    if second in ("PRIMARY", "PARTITION", "SYSTEM") or verb not in ("ADD", "DROP", "RENAME", "CHANGE", "MODIFY"):
        yield review
        return
    at = 2 if second == "COLUMN" else 1
    if verb == "RENAME" and at == 1:
        yield review
        return
    while _upper(words, at) in ("IF", "NOT", "EXISTS"):
        at += 1
    if verb == "ADD" and at < len(words) and words[at] == "(":
        for column in _split(words[at + 1 : -1]):
            yield Clause(Kind.ADD, _name(column[0]))
        return
    if at >= len(words):
        yield review
        return
    yield _of_column(verb, _name(words[at]), words, at)


def _of_column(verb: str, column: str, words: list[str], at: int) -> Clause:
    if verb == "ADD":
        return Clause(Kind.ADD, column, after=_after(words))
    if verb == "DROP":
        return Clause(Kind.DROP, column)
    if verb == "RENAME":
        return Clause(Kind.RENAME, column, _name(words[-1]))
    if verb == "CHANGE":
        return Clause(Kind.MODIFY, column, _name(words[at + 1]), _after(words))
    return Clause(Kind.MODIFY, column, after=_after(words))


def _after(words: Sequence[str]) -> str | None:
    if _upper(words, len(words) - 1) == "FIRST":
        return ""
    return _name(words[-1]) if len(words) > 2 and _upper(words, len(words) - 2) == "AFTER" else None
