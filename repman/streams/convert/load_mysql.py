"""Writes lines into MySQL and MariaDB, by LOAD DATA LOCAL, fed from memory.

LOCAL turns errors of values into warnings, whatever sql_mode says: a number too large is cut, a duplicate is passed
over.  Thus any warning is taken for a refusal, and what was loaded is rolled back.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pymysql
from pymysql.constants import COMMAND
from pymysql.protocol import OKPacketWrapper

from repman.streams.connection import Mysql, reason, without_values
from repman.streams.convert.copy_bundle import Bundle, RowsRefused
from repman.streams.structure.ddl_mysql import name_of, primary_columns
from repman.streams.structure.table import Engine, listed, quoted
from repman.streams.types import values_rows
from repman.streams.types.types_mapped import MappedTable

_FORM = (
    "CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' ESCAPED BY '' LINES TERMINATED BY '\\n'"
)
_PIECE = 1 << 20
"""Bytes of one packet."""
DATA_ERRORS = frozenset(
    {1048, 1062, 1264, 1265, 1292, 1366, 1406, 1411, 1452, 1586, 3140, 3819, 4025, 1416, 1261, 1262}
)
_STAGE = "`_streams_stage`"
_FEW = 3


def allows_local(connection: Mysql) -> bool:
    """Whether the server takes LOAD DATA LOCAL."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.local_infile")
        row = cursor.fetchone()
    return row is not None and bool(int(row[0]))


class MysqlLoader:
    """A session of the target; `upsert` lets rows replace those with the same primary key."""

    def __init__(self, connection: Mysql, *, upsert: bool = False) -> None:
        self._connection: Any = connection
        self._upsert = upsert

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """What is done within is committed at its end, or rolled back when an error leaves it."""
        self.run("START TRANSACTION")
        try:
            yield
        except BaseException:
            with contextlib.suppress(pymysql.err.Error, OSError):
                self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """Within a transaction: what is done within is undone alone when an error leaves it."""
        self.run("SAVEPOINT attempt")
        try:
            yield
        except RowsRefused:
            self.run("ROLLBACK TO SAVEPOINT attempt")
            raise
        self.run("RELEASE SAVEPOINT attempt")

    def run(self, sql: str) -> None:
        """One statement without a result."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)

    def ask(self, sql: str) -> list[tuple[object, ...]]:
        """The rows of a small query."""
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(part.decode() if isinstance(part, bytes) else part for part in row) for row in cursor]

    def close(self) -> None:
        """End the session."""
        self._connection._force_close()

    def settle(self) -> None:
        """Commits are on the disk as the server is told to keep them."""

    def load(self, table: MappedTable, bundles: Iterator[Bundle]) -> int:
        """Write all rows; how many.  Raises RowsRefused when the target does not take one of them."""
        key = primary_columns(table)
        if not (self._upsert and key):
            return self._load(table, name_of(table), bundles)
        columns = listed(Engine.MYSQL, [column.name for column in table.columns])
        self.run(f"CREATE TEMPORARY TABLE IF NOT EXISTS {_STAGE} AS SELECT {columns} FROM {name_of(table)} LIMIT 0")
        try:
            count = self._load(table, _STAGE, bundles)
            others = [column.name for column in table.columns if column.name not in key] or list(key)
            assignments = ", ".join(
                f"{name} = VALUES({name})" for name in (quoted(Engine.MYSQL, each) for each in others)
            )
            self._guarded(
                f"INSERT INTO {name_of(table)} ({columns}) SELECT {columns} FROM {_STAGE}"
                f" ON DUPLICATE KEY UPDATE {assignments}"
            )
        finally:
            with contextlib.suppress(pymysql.err.Error, OSError):
                self.run(f"DROP TEMPORARY TABLE IF EXISTS {_STAGE}")
        return count

    def _guarded(self, sql: str) -> None:
        try:
            self.run(sql)
        except pymysql.err.Error as error:
            if error.args and error.args[0] in DATA_ERRORS:
                raise RowsRefused(reason(error)) from error
            raise

    def _load(self, table: MappedTable, place: str, bundles: Iterator[Bundle]) -> int:
        connection = self._connection
        listed, assigned = [], []
        for number, column in enumerate(table.columns):
            name = quoted(Engine.MYSQL, column.name)
            expression = values_rows.load_expression(table, column)
            listed.append(name if expression is None else f"@v{number}")
            if expression is not None:
                assigned.append(f"{name} = {expression.format(f'@v{number}')}")
        sql = f"LOAD DATA LOCAL INFILE 'rows' INTO TABLE {place} {_FORM} ({', '.join(listed)})"
        if assigned:
            sql += " SET " + ", ".join(assigned)
        connection._execute_command(COMMAND.COM_QUERY, sql.encode())
        if not connection._read_packet().is_load_local_packet():
            raise RowsRefused("the target does not ask for the rows of LOAD DATA LOCAL; set local_infile = ON there")
        count = 0
        for bundle in bundles:
            text = bundle.text()
            for start in range(0, len(text), _PIECE):
                connection.write_packet(text[start : start + _PIECE])
            count += len(bundle.lines)
        connection.write_packet(b"")
        self._judge(count)
        return count

    def _judge(self, count: int) -> None:
        """Read what became of the rows.  Raises RowsRefused unless all of them were taken as they are."""
        try:
            packet = self._connection._read_packet()
        except pymysql.err.Error as error:
            if error.args and error.args[0] in DATA_ERRORS:
                raise RowsRefused(reason(error)) from error
            raise
        ended = OKPacketWrapper(packet)
        if ended.warning_count or ended.affected_rows < count:
            warnings = [without_values(str(row[2])) for row in self.ask("SHOW WARNINGS LIMIT 3")][:_FEW]
            raise RowsRefused("; ".join(warnings) or f"{count - ended.affected_rows} rows were passed over")
