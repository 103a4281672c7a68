"""What comes out of a mapping of types: the target's column, how its values are turned, and what is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from repman.streams.job import TypeOverride
from repman.streams.structure.table import Column, Table, Version


class Rule(StrEnum):
    """How one column's values are turned from the source's text into the target's.

    `repman.streams.types.values_to_postgresql` and `repman.streams.types.values_to_mysql` do it in Python;
    `repman.streams.types.values_sql` lets the source's server do it where its SQL can.
    """

    PLAIN = "plain"
    """The text fits as it is, and needs no quotes: numbers, booleans of MySQL, uuids."""
    TEXT = "text"
    """Text, with quotes; PostgreSQL cannot store U+0000, which is left out."""
    FLOAT = "float"
    """A floating point number, every bit kept."""
    BITS = "bits"
    """MySQL's BIT to 0s and 1s, or back."""
    BIT_BOOLEAN = "bit boolean"
    """MySQL's BIT(1) to a boolean."""
    BYTES = "bytes"
    """Bytes."""
    DATE = "date"
    """A date which the target may not have: zero and incomplete ones, infinity, BC."""
    DATETIME = "datetime"
    """A date with a time, likewise."""
    INSTANT = "instant"
    """A point in time: MySQL's TIMESTAMP, PostgreSQL's timestamptz."""
    JSON = "json"
    """A JSON document."""
    POINT = "point"
    """A point in the plane."""
    WKB = "wkb"
    """MySQL's spatial value to the bytes of its WKB."""
    SPATIAL = "spatial"
    """A spatial value, to PostGIS or from it."""
    VECTOR = "vector"
    """A vector to an array."""
    NUMBER = "number"
    """A number of PostgreSQL that may be NaN or infinite."""
    MONEY = "money"
    BOOLEAN = "boolean"
    """t and f of PostgreSQL to 1 and 0."""
    ARRAY = "array"
    """An array of PostgreSQL to JSON."""
    RANGE = "range"
    """A range of PostgreSQL to JSON of its bounds."""
    HSTORE = "hstore"
    """To a JSON object."""
    RAW_SPATIAL = "raw spatial"
    """A spatial value between servers of MySQL's kind, as it is stored."""
    RAW_BITS = "raw bits"
    """BIT between servers of MySQL's kind."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a look at a table's rows has shown; names are columns."""

    not_boolean: frozenset[str] = frozenset()
    """TINYINT(1) that hold more than 0 and 1."""
    not_time_of_day: frozenset[str] = frozenset()
    """TIME below zero or beyond 24:00:00."""
    beyond_bigint: frozenset[str] = frozenset()
    """BIGINT UNSIGNED beyond 2^63-1."""
    narrow: frozenset[str] = frozenset()
    """BIGINT UNSIGNED that refer to an automatic one, whose type they share."""
    zero_dates: frozenset[str] = frozenset()
    """NOT NULL dates that hold zero or incomplete ones."""
    beyond_decimal: frozenset[str] = frozenset()
    """numeric without limits that does not fit into DECIMAL(65,30)."""
    longest: Mapping[str, int] = field(default_factory=dict)
    """Characters of the longest value of texts without limits that are part of a key."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants otherwise."""

    overrides: tuple[TypeOverride, ...] = ()
    zero_dates: str = "null"
    """``null``, ``epoch`` or ``fail``."""

    def override(self, table: Table, column: Column) -> str:
        """The type that the user has chosen for this column, in the target's SQL; empty: none."""
        for wish in self.overrides:
            if (
                wish.table in ("", table.name, f"{table.schema}.{table.name}")
                and wish.column in ("", column.name)
                and wish.type.lower() in ("", column.type.name, column.type.full.lower())
            ):
                return wish.to
        return ""


@dataclass(frozen=True, slots=True)
class Mapped:
    """One column on its way."""

    source: Column
    declared: str
    """Its type in the target's SQL."""
    rule: Rule = Rule.TEXT
    nullable: bool = True
    losses: tuple[str, ...] = ()
    """What is lost or changed, in sentences for the user."""
    checked: tuple[str, ...] = ()
    """The labels that a CHECK is to allow; empty: no CHECK."""
    zero_dates: str = "null"
    unquoted: bool = False
    """Whether the text never holds a comma, a quote, a line end or the word NULL."""

    @property
    def name(self) -> str:
        """The column's name, in both."""
        return self.source.name


@dataclass(frozen=True, slots=True)
class MappedTable:
    """A table on its way; `columns` are those that take values, in the order of their values."""

    source: Table
    schema: str
    """Of the target; MySQL: its database."""
    name: str
    columns: tuple[Mapped, ...]
    source_version: Version
    target_version: Version

    @property
    def losses(self) -> tuple[str, ...]:
        """What is lost or changed, each with its column."""
        place = f"{self.source.schema}.{self.source.name}" if self.source.schema else self.source.name
        return tuple(f"{place}.{column.name}: {loss}" for column in self.columns for loss in column.losses)

    def mapped(self, name: str) -> Mapped | None:
        """The column of that name; None when it is not among those that take values."""
        return next((column for column in self.columns if column.name == name), None)


def keyed_columns(table: Table) -> frozenset[str]:
    """The columns that are part of a key or of a foreign key."""
    keys = [key for key in (table.primary, *table.keys) if key]
    parts = {part.column for key in keys for part in key.parts if part.column}
    return frozenset(parts | {column for key in table.foreign_keys for column in key.columns})


def unique_columns(table: Table) -> frozenset[str]:
    """The columns that are part of the primary key or of a unique one."""
    found = [key for key in (table.primary, *(key for key in table.keys if key.unique)) if key]
    return frozenset(part.column for key in found for part in key.parts if part.column)


def overridden(mapped: Mapped, declared: str) -> Mapped:
    """The same column with the type that the user has chosen; the text goes as it would have."""
    return replace(mapped, declared=declared, losses=(*mapped.losses, f"becomes {declared} by override"))
