"""What readers hand to loaders."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from repman.streams.convert.ranges import Range
from repman.streams.types.types_mapped import MappedTable

BUNDLE_BYTES = 256 << 10
"""A bundle is closed when it holds so much; one row may be larger."""
BUNDLE_ROWS = 4000


@dataclass(frozen=True, slots=True)
class Bundle:
    """Some rows as lines of CSV (`repman.streams.types.values_rows`)."""

    lines: list[bytes]
    """Each without its line end."""
    size: int
    """Bytes of all lines."""

    def first(self, count: int) -> Bundle:
        """Its first rows."""
        if count >= len(self.lines):
            return self
        lines = self.lines[:count]
        return Bundle(lines, sum(map(len, lines)))

    def text(self) -> bytes:
        """All lines, each with its line end."""
        return b"\n".join(self.lines) + b"\n" if self.lines else b""


class RowTooLarge(Exception):
    """The source's server cannot make the line of a row, as it would be too long; read the columns instead."""


class Reader(Protocol):
    """A session of the source within one snapshot."""

    def bundles(self, table: MappedTable, part: Range, where: str, *, by_column: bool) -> Generator[Bundle, None, None]:
        """The rows of a range that fulfil a condition; `by_column` turns values here, not in the server."""

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """The rows of a small query."""

    def close(self) -> None:
        """End the session."""


class Loader(Protocol):
    """A session of the target."""

    def transaction(self) -> AbstractContextManager[object]:
        """What is done within is committed at its end, or rolled back when an error leaves it."""

    def attempt(self) -> AbstractContextManager[object]:
        """Within a transaction: what is done within is undone alone when an error leaves it."""

    def settle(self) -> None:
        """Return when everything committed so far is on the disk; from now on each commit waits for that."""

    def load(self, table: MappedTable, bundles: Iterator[Bundle]) -> int:
        """Write all rows; how many.  Raises RowsRefused when the target does not take one of them."""

    def run(self, sql: str) -> None:
        """One statement without a result."""

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """The rows of a small query."""

    def close(self) -> None:
        """End the session."""


class RowsRefused(Exception):
    """The target does not take one of the rows; says why.  `transient` tells that it may take them another time."""
