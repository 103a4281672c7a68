"""Rows that the target did not take: found one by one, and kept with the reason, or the end of the stream."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from repman.errors import StreamFailed
from repman.streams.convert.copy_bundle import Bundle, Loader, RowsRefused
from repman.streams.job import OnError
from repman.streams.structure.table import Engine, literal, quoted
from repman.streams.types.types_mapped import MappedTable

_LONGEST_ROW = 60_000
"""Bytes of a row that are kept."""


@dataclass
class Rejected:
    """Rows of one range that were not taken, each with its reason."""

    rows: list[tuple[bytes, str]] = field(default_factory=list)


class DeadLetters:
    """The table of the target that keeps what it did not take."""

    def __init__(self, engine: Engine, database: str, stream: str) -> None:
        self._engine = engine
        self._stream = literal(engine, stream)
        schema, name = (database, "_streams_rejected") if engine.is_mysql else ("_streams", "rejected")
        self._place = f"{quoted(engine, schema)}.{quoted(engine, name)}"

    def prepare(self, loader: Loader) -> None:
        """Make the table where it is missing."""
        if self._engine.is_mysql:
            text, long, number, end = (
                "VARCHAR(190)",
                "LONGTEXT",
                "BIGINT AUTO_INCREMENT PRIMARY KEY",
                (" ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"),
            )
        else:
            text, long, number, end = "text", "text", "bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", ""
        loader.run(
            f"CREATE TABLE IF NOT EXISTS {self._place} (id {number}, stream {text}, name {text}, line {long},"
            f" reason {long}, rejected timestamp DEFAULT CURRENT_TIMESTAMP){end}"
        )

    def keep(self, loader: Loader, name: str, rejected: Rejected) -> None:
        """Write them down, within the transaction of the rows beside them."""
        for row, reason in rejected.rows:
            text = row[:_LONGEST_ROW].decode(errors="replace").replace("\0", "\ufffd")
            values = ", ".join(literal(self._engine, part) for part in (name, text, reason))
            loader.run(f"INSERT INTO {self._place} (stream, name, line, reason) VALUES ({self._stream}, {values})")

    def forget(self, loader: Loader) -> None:
        """Drop those of the stream."""
        loader.run(f"DELETE FROM {self._place} WHERE stream={self._stream}")


def load_carefully(
    loader: Loader, table: MappedTable, bundles: Iterator[Bundle], on_error: OnError, rejected: Rejected
) -> int:
    """Write the rows in small steps, halving those that are refused until the bad rows are alone; how many were taken.

    Raises StreamFailed for the first bad row unless bad rows are to be passed over.
    """
    count = 0
    for bundle in bundles:
        count += _halved(loader, table, bundle.lines, on_error, rejected)
    return count


def _halved(loader: Loader, table: MappedTable, lines: Sequence[bytes], on_error: OnError, rejected: Rejected) -> int:
    try:
        with loader.attempt():
            return loader.load(table, iter([Bundle(list(lines), sum(map(len, lines)))]))
    except RowsRefused as error:
        if len(lines) > 1:
            middle = len(lines) // 2
            taken = _halved(loader, table, lines[:middle], on_error, rejected)
            return taken + _halved(loader, table, lines[middle:], on_error, rejected)
        if on_error is OnError.STOP:
            raise StreamFailed(
                f"{table.name} does not take a row ({key_of(table, lines[0])}): {error}; correct the row or the target's"
                " column, or let bad rows be passed over, and start again"
            ) from error
        rejected.rows.append((lines[0], str(error)))
        return 0


def key_of(table: MappedTable, line: bytes) -> str:
    """Which row a line is, by its primary key, as far as it can be told from the line's beginning."""
    key = table.source.primary
    first = table.columns[0].name
    if key is None or key.columns[:1] != (first,):
        return "without a key"
    return f"{first} = {line[:80].decode(errors='replace').split(',')[0]}"
