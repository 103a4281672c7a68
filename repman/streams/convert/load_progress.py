"""What a stream has copied, kept in the target beside the rows and committed with them.

A range is marked as done in the transaction that wrote its rows: after a crash either both are there or neither, so a
range is copied exactly once, also into a table without a key.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import pymysql

from repman.streams.convert.copy_bundle import Loader
from repman.streams.convert.ranges import Range
from repman.streams.structure.table import Engine, literal, quoted

PLANNED = "planned"
DONE = "done"
CUT = "cut"
"""A limit was reached within it: no more of it is copied."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A range of a table, and what became of it."""

    table: str
    """The table's name as the configuration gives it."""
    number: int
    part: Range
    state: str = PLANNED
    rows: int = 0
    size: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class Load:
    """All that is known of a stream's copy."""

    position: str
    """Of the source's log, from which on changes have to be followed."""
    chunks: tuple[Chunk, ...]


class LoadProgress:
    """The bookkeeping of one stream in its target."""

    def __init__(self, engine: Engine, database: str, stream: str) -> None:
        self._engine = engine
        self._stream = literal(engine, stream)
        place = quoted(engine, database if engine.is_mysql else "_streams") + "."
        prefix = "_streams_" if engine.is_mysql else ""
        self._loads, self._chunks, self._tables = (
            place + quoted(engine, prefix + name) for name in ("load", "chunk", "made_table")
        )

    def prepare(self, loader: Loader) -> None:
        """Make the tables of the bookkeeping where they are missing."""
        text, long = ("VARCHAR(190)", "LONGTEXT") if self._engine.is_mysql else ("text", "text")
        end = " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin" if self._engine.is_mysql else ""
        if not self._engine.is_mysql:
            _forgiving(loader, 'CREATE SCHEMA IF NOT EXISTS "_streams"')
        for place, columns in (
            (self._loads, f"stream {text} PRIMARY KEY, position {long}"),
            (self._tables, f"stream {text}, name {text}, PRIMARY KEY (stream, name)"),
            (
                self._chunks,
                f"stream {text}, name {text}, number int, low {long}, high {long}, state {text}, copied bigint,"
                " size bigint, failed bigint, PRIMARY KEY (stream, name, number)",
            ),
        ):
            _forgiving(loader, f"CREATE TABLE IF NOT EXISTS {place} ({columns}){end}")

    def _text(self, value: str | None) -> str:
        return "NULL" if value is None else literal(self._engine, value)

    def mark_made(self, loader: Loader, name: str) -> None:
        """Remember that the stream makes this table, before it does."""
        loader.run(f"DELETE FROM {self._tables} WHERE stream={self._stream} AND name={self._text(name)}")
        loader.run(f"INSERT INTO {self._tables} (stream, name) VALUES ({self._stream}, {self._text(name)})")

    def made(self, loader: Loader) -> frozenset[str]:
        """The tables that the stream has made."""
        rows = loader.ask(f"SELECT name FROM {self._tables} WHERE stream={self._stream}")
        return frozenset(str(name) for (name,) in rows)

    def known(self, loader: Loader) -> Load | None:
        """What was planned and done; None when nothing was planned yet."""
        found = loader.ask(f"SELECT position FROM {self._loads} WHERE stream={self._stream}")
        if not found:
            return None
        rows = loader.ask(
            f"SELECT name, number, low, high, state, copied, size, failed FROM {self._chunks}"
            f" WHERE stream={self._stream} ORDER BY name, number"
        )
        chunks = tuple(
            Chunk(
                str(name), _int(number), Range(_end(low), _end(high)), str(state), _int(copied), _int(size), _int(bad)
            )
            for name, number, low, high, state, copied, size, bad in rows
        )
        return Load(str(found[0][0] or ""), chunks)

    def plan(self, loader: Loader, position: str, chunks: Sequence[Chunk]) -> None:
        """Write down what is to be done; all of it or nothing."""
        with loader.transaction():
            for chunk in chunks:
                low, high = (None if end is None else json.dumps(end) for end in (chunk.part.low, chunk.part.high))
                loader.run(
                    f"INSERT INTO {self._chunks} (stream, name, number, low, high, state, copied, size, failed) VALUES"
                    f" ({self._stream}, {self._text(chunk.table)}, {chunk.number}, {self._text(low)},"
                    f" {self._text(high)}, '{PLANNED}', 0, 0, 0)"
                )
            loader.run(f"INSERT INTO {self._loads} (stream, position) VALUES ({self._stream}, {self._text(position)})")

    def finish(self, loader: Loader, chunk: Chunk) -> None:
        """Mark it as it is now, within the transaction of its rows."""
        loader.run(
            f"UPDATE {self._chunks} SET state={self._text(chunk.state)}, copied={chunk.rows}, size={chunk.size},"
            f" failed={chunk.failed} WHERE stream={self._stream} AND name={self._text(chunk.table)}"
            f" AND number={chunk.number}"
        )

    def is_planned(self, loader: Loader, chunk: Chunk) -> bool:
        """Whether it is still to be copied; asked within its transaction, it is ours alone until that ends."""
        rows = loader.ask(
            f"SELECT state FROM {self._chunks} WHERE stream={self._stream} AND name={self._text(chunk.table)}"
            f" AND number={chunk.number} FOR UPDATE"
        )
        return bool(rows) and str(rows[0][0]) == PLANNED

    def forget(self, loader: Loader) -> None:
        """Drop what is known of the stream."""
        for place in (self._chunks, self._loads, self._tables):
            loader.run(f"DELETE FROM {place} WHERE stream={self._stream}")


def _forgiving(loader: Loader, sql: str) -> None:
    """Two streams that begin at once may both make what is missing."""
    try:
        loader.run(sql)
    except (psycopg.errors.UniqueViolation, psycopg.errors.DuplicateTable, psycopg.errors.DuplicateSchema):
        pass
    except pymysql.err.OperationalError as error:
        if error.args[0] != 1050:
            raise


def _int(value: object) -> int:
    return int(str(value or 0))


def _end(text: object) -> tuple[str, ...] | None:
    return None if text is None else tuple(json.loads(str(text)))
