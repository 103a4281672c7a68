"""What a reader tells of a source's log: row changes, acts on whole tables, and where transactions end.

Row changes are plain tuples, because there are very many of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from repman.streams.job import Operation
from repman.streams.structure.table import Column

INSERT: Final = 0
UPDATE: Final = 1
DELETE: Final = 2
OPERATIONS: Final = (Operation.INSERT, Operation.UPDATE, Operation.DELETE)
"""By the number that a change has."""


class _Unchanged:
    """See `UNCHANGED`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = _Unchanged()
"""In the place of a value that PostgreSQL does not log, as the update did not touch it (a large value, "TOAST")."""

Row = tuple[Any, ...]
"""The values of a followed table's columns, each as a field of the target's lines (`repman.streams.cdc.fields`)."""
Change = tuple[int, int, Row | None, Row | None]
"""What happened, the number of the table, the row before (of an update: None, or a row of which only the key counts,
when the key has changed), and the row after (of an update, with UNCHANGED where nothing is known)."""


@dataclass(frozen=True, slots=True)
class Followed:
    """One table of a stream, as both ends see it."""

    number: int
    """By which changes name it."""
    name: str
    """As the user gave it; progress is told under it."""
    schema: str
    """Of the source (MySQL: the database)."""
    table: str
    target_schema: str
    target_table: str
    columns: tuple[str, ...]
    """The followed columns of the source, in the order of rows."""
    target_columns: tuple[str, ...]
    key: tuple[int, ...]
    """Where in a row the key's columns are; empty for a table without one, of which only inserts are followed."""
    operations: frozenset[Operation]
    other_unique: bool = False
    """Whether the target has more unique keys than that one."""


@dataclass(frozen=True, slots=True)
class Truncate:
    """All rows of a table are gone."""

    table: int


@dataclass(frozen=True, slots=True)
class AddColumn:
    """The source's table has a new column; rows that follow have its value at the end."""

    table: int
    column: str
    target_column: str
    definition: str
    """Type and default in the target's SQL."""


@dataclass(frozen=True, slots=True)
class DropColumn:
    """The source's table has lost a column."""

    table: int
    column: str
    target_column: str


@dataclass(frozen=True, slots=True)
class RenameColumn:
    """A column has a new name."""

    table: int
    column: str
    target_column: str
    new_target_column: str


@dataclass(frozen=True, slots=True)
class RetypeColumn:
    """A column has a wider type."""

    table: int
    column: str
    target_column: str
    definition: str
    """The type in the target's SQL."""


Act = Truncate | AddColumn | DropColumn | RenameColumn | RetypeColumn
"""What happens to a whole table, between the changes before and after it."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """A piece of the source's log, in its order.

    A transaction that is too large for one bundle comes in several, of which the last one `ends` it; the target
    commits with that one, or with a later bundle.
    """

    sequence: int
    table: int = -1
    """Whose `acts` it holds."""
    changes: tuple[Change, ...] = ()
    size: int = 0
    """Bytes of the values, roughly: what it takes of a queue."""
    sizes: tuple[tuple[int, int], ...] = ()
    """The same by the numbers of tables."""
    acts: tuple[Act, ...] = ()
    """Of one table.  Then it holds no changes."""
    followed: tuple[Followed, ...] = field(default=())
    """With acts that change structure: the tables from here on."""
    columns: tuple[Column, ...] = ()
    """With such acts: all columns of the source's table from here on."""
    ends: bool = True
    position: str = ""
    """Up to which the source's log is applied when this bundle is; of a bundle that does not end: empty."""
    committed_at: float = 0.0
    """When the source committed its last transaction, in seconds since 1970; 0: not known."""
    last: bool = False
    """The stream's limit of events is reached with it."""
