"""The nouns of a structure: engines, columns, keys, tables; immutable, and the same for every database.

Names are as the database spells them, never quoted.  A value's *text* is, everywhere in this room, the bytes that the
source's server prints for it, in UTF-8, with the session settings of `repman.streams.connection`; NULL is None:

- MySQL and MariaDB: what the text protocol prints.  TIMESTAMP in UTC; BIT, BINARY and BLOB as their raw bytes (BINARY
  padded to its length); ENUM as its label; SET as its labels in the order of their definition with commas; spatial
  values as four bytes of SRID (little endian) and WKB; FLOAT and DOUBLE as decimals that give back every bit.
- PostgreSQL: what COPY and pgoutput print, before any escaping: DateStyle ISO, TimeZone UTC, IntervalStyle iso_8601,
  bytea_output hex.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Engine(StrEnum):
    """What answers at an endpoint."""

    MARIADB = "mariadb"
    MYSQL = "mysql"
    POSTGRESQL = "postgresql"

    @property
    def is_mysql(self) -> bool:
        """Whether it speaks MySQL's protocol and SQL."""
        return self is not Engine.POSTGRESQL


@dataclass(frozen=True, slots=True)
class Version:
    """What answers, how new it is, and what it has installed."""

    engine: Engine
    number: tuple[int, ...] = ()
    """As (10, 11, 19) or (15, 18)."""
    extensions: frozenset[str] = frozenset()
    """PostgreSQL: those that are installed in the database; else empty."""
    packet: int = 16 << 20
    """MySQL: bytes of the longest statement, row and text that it makes (max_allowed_packet)."""


@dataclass(frozen=True, slots=True)
class Type:
    """A column's type as its database declares it."""

    name: str
    """Its name without parameters, in lower case: ``int``, ``varchar``, ``timestamptz``; of arrays, of the element."""
    full: str
    """As the database prints it with all parameters: ``int(10) unsigned``, ``character varying(20)[]``."""
    length: int | None = None
    """Characters of texts, bytes of BINARY, bits of BIT; display width of MySQL's TINYINT."""
    precision: int | None = None
    """Digits of a number; digits of the second's fraction of times."""
    scale: int | None = None
    unsigned: bool = False
    labels: tuple[str, ...] = ()
    """Of ENUM, SET and PostgreSQL's enum types."""
    charset: str = ""
    """MySQL: of texts."""
    collation: str = ""
    dimensions: int = 0
    """PostgreSQL: 1 or more for arrays."""
    category: str = ""
    """PostgreSQL: ``b`` base, ``e`` enum, ``c`` composite, ``r`` range, ``m`` multirange (``pg_type.typtype``)."""
    schema: str = ""
    """PostgreSQL: where a user's own type lives; empty for built-in ones."""
    srid: int = 0


@dataclass(frozen=True, slots=True)
class Default:
    """What a column gets when nothing is given."""

    text: str
    """A literal without its quotes, or an expression in the source's SQL."""
    expression: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    name: str
    type: Type
    nullable: bool = True
    default: Default | None = None
    auto: bool = False
    """AUTO_INCREMENT, serial or identity."""
    generated: str = ""
    """The expression of a generated column; such a column takes no values."""
    stored: bool = False
    comment: str = ""
    invisible: bool = False
    on_update: bool = False
    """MySQL: ON UPDATE CURRENT_TIMESTAMP."""


@dataclass(frozen=True, slots=True)
class KeyPart:
    """One column or expression of a key."""

    column: str = ""
    expression: str = ""
    prefix: int = 0
    """Characters or bytes that count; 0: all."""
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """An index."""

    name: str
    parts: tuple[KeyPart, ...]
    unique: bool = False
    method: str = "btree"
    """``btree``, ``hash``, ``fulltext``, ``spatial``, ``gin``, ``gist``, ``brin``, ``spgist``."""
    where: str = ""
    """PostgreSQL: the condition of a partial index."""
    definition: str = ""
    """PostgreSQL: the statement that makes it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Its columns, when it consists of columns only; else empty."""
        names = tuple(part.column for part in self.parts)
        return names if all(names) else ()


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A reference to another table."""

    name: str
    columns: tuple[str, ...]
    parent_schema: str
    parent: str
    parent_columns: tuple[str, ...]
    on_update: str = "NO ACTION"
    on_delete: str = "NO ACTION"


@dataclass(frozen=True, slots=True)
class Check:
    """A CHECK constraint."""

    name: str
    expression: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table, or the result of a query that is read like one."""

    schema: str
    """PostgreSQL: its schema; MySQL: its database."""
    name: str
    columns: tuple[Column, ...]
    primary: Key | None = None
    keys: tuple[Key, ...] = ()
    """The other indexes."""
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[Check, ...] = ()
    comment: str = ""
    next_value: int | None = None
    """The next value of its automatic column."""
    estimated_rows: int = 0
    estimated_bytes: int = 0
    query: str = ""
    """The SELECT that is read in its place; empty for a real table."""
    engine: str = ""
    """MySQL: its storage engine."""
    identity: str = ""
    """PostgreSQL: ``d``, ``n``, ``f`` or ``i`` (``pg_class.relreplident``)."""

    def column(self, name: str) -> Column:
        """The column of that name.  Raises KeyError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def written(self) -> tuple[Column, ...]:
        """The columns that take values: all but the generated ones."""
        return tuple(column for column in self.columns if not column.generated)


@dataclass(frozen=True, slots=True)
class Structure:
    """What a database holds of interest to a stream."""

    version: Version
    tables: tuple[Table, ...]


def quoted(engine: Engine, name: str) -> str:
    """An identifier in the engine's quotes, whatever it holds."""
    if engine.is_mysql:
        return "`" + name.replace("`", "``") + "`"
    return '"' + name.replace('"', '""') + '"'


def qualified(engine: Engine, schema: str, name: str) -> str:
    """A table's name with its schema (or MySQL's database), quoted; without one when it is empty."""
    return f"{quoted(engine, schema)}.{quoted(engine, name)}" if schema else quoted(engine, name)


def listed(engine: Engine, names: Iterable[str]) -> str:
    """Identifiers in the engine's quotes, with commas."""
    return ", ".join(quoted(engine, name) for name in names)


def literal(engine: Engine, text: str) -> str:
    """A string literal, whatever it holds and in every sql_mode but NO_BACKSLASH_ESCAPES, which our sessions clear."""
    doubled = text.replace("'", "''")
    if engine.is_mysql:
        return "'" + doubled.replace("\\", "\\\\").replace("\0", "\\0") + "'"
    return "'" + doubled + "'" if "\\" not in text else " E'" + doubled.replace("\\", "\\\\") + "'"
