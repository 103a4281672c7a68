"""Changes applied to MariaDB or MySQL.

The fields of rows are literals of SQL, so that a row is one tuple of VALUES when it is joined.

Source: MariaDB Knowledge Base, "INSERT ON DUPLICATE KEY UPDATE", "Data types of literals" (x'..'), and the list of
statements that commit implicitly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pymysql

from repman.errors import StreamFailed, StreamUnreachable
from repman.streams import connection
from repman.streams.cdc.apply import Rejected, Superseded, columns_of, key_text
from repman.streams.cdc.apply_net import Net, net
from repman.streams.cdc.changes import (
    OPERATIONS,
    UNCHANGED,
    UPDATE,
    Act,
    AddColumn,
    Change,
    DropColumn,
    Followed,
    RenameColumn,
    RetypeColumn,
    Row,
    Truncate,
)
from repman.streams.cdc.position_store import Checkpoint
from repman.streams.structure.table import Engine, qualified, quoted

Connect = Callable[[], Any]
"""Opens a session; raises StreamUnreachable."""
PIECE = 1 << 20
"""Bytes of one statement, if the server takes as many."""
KEYS = 1000
"""Rows that one DELETE names."""
DUPLICATE = 1062
PASSING = frozenset({1021, 1030, 1114, 1205, 1213, 1290, 1317, 1836, 1969, 3024, 3058})
"""What passes beside a lost connection: disk or table full, lock timeout, deadlock, read only, a killed statement."""
STRUCTURAL = frozenset({1044, 1045, 1049, 1054, 1142, 1143, 1146})
"""A table or column that is not there, or a missing grant: no row is to blame."""
OWN = (
    "CREATE TABLE IF NOT EXISTS _streams_checkpoints (stream VARCHAR(64) NOT NULL PRIMARY KEY, config VARCHAR(64) NOT NULL, "
    "position LONGTEXT NOT NULL, facts LONGTEXT NOT NULL, epoch BIGINT NOT NULL, updated DATETIME(6) NOT NULL) "
    "ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CREATE TABLE IF NOT EXISTS _streams_deadletters (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, "
    "stream VARCHAR(64) NOT NULL, target VARCHAR(255) NOT NULL, operation VARCHAR(10) NOT NULL, row_key LONGTEXT NOT NULL, "
    "row_text LONGBLOB, code VARCHAR(10) NOT NULL, reason LONGTEXT NOT NULL, position LONGTEXT NOT NULL, "
    "at DATETIME(6) NOT NULL) ENGINE=InnoDB CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
)


class MysqlApplier:
    """See `repman.streams.cdc.apply.Applier`."""

    def __init__(self, connect: Connect, stream: str, config: str, packet: int) -> None:
        self._connect = connect
        self._stream = stream
        self._config = config
        self._piece = min(PIECE, packet // 2)
        self._epoch = 0
        self._session: Any = None

    # the stream's own row

    def open(self) -> Checkpoint | None:
        """See `Applier.open`."""
        self._session = self._connect()
        for statement in OWN:
            self._run(statement)
        self._run("BEGIN")
        self._run("UPDATE _streams_checkpoints SET epoch = epoch + 1 WHERE stream = %s", (self._stream,))
        found = self._ask("SELECT epoch, position, facts FROM _streams_checkpoints WHERE stream = %s", (self._stream,))
        self._run("COMMIT")
        if not found:
            self._epoch = 0
            return None
        self._epoch = int(found[0][0])
        return Checkpoint.read(found[0][1], found[0][2])

    def last_of(self, config: str) -> str:
        """The newest position of any stream of that configuration; empty: there is none."""
        statement = "SELECT position FROM _streams_checkpoints WHERE config = %s ORDER BY updated DESC LIMIT 1"
        found = self._ask(statement, (config,))
        return str(found[0][0]) if found else ""

    def begin(self) -> None:
        """See `Applier.begin`."""
        self._run("BEGIN")

    def rollback(self) -> None:
        """See `Applier.rollback`."""
        self._run("ROLLBACK")

    def commit(self, checkpoint: Checkpoint) -> None:
        """See `Applier.commit`."""
        values = (checkpoint.position, checkpoint.text(), self._stream, self._epoch)
        changed = self._run(
            "UPDATE _streams_checkpoints SET position = %s, facts = %s, updated = UTC_TIMESTAMP(6) "
            "WHERE stream = %s AND epoch = %s",
            values,
        )
        if not changed and self._epoch == 0:
            changed = self._run(
                "INSERT IGNORE INTO _streams_checkpoints (position, facts, stream, config, epoch, updated) "
                "VALUES (%s, %s, %s, %s, 0, UTC_TIMESTAMP(6))",
                (*values[:3], self._config),
            )
        if not changed:
            self._run("ROLLBACK")
            raise Superseded(f"another process applies {self._stream} by now; this one stops")
        self._run("COMMIT")

    def forget(self) -> None:
        """See `Applier.forget`."""
        self._run("DELETE FROM _streams_checkpoints WHERE stream = %s", (self._stream,))

    def close(self) -> None:
        """See `Applier.close`."""
        if self._session is not None:
            self._session._force_close()
            self._session = None

    # rows

    def write(self, table: Followed, changes: Net) -> None:
        """See `Applier.write`."""
        self._run("SAVEPOINT piece")
        try:
            self._delete(table, changes.gone)
            for row in changes.partial:
                self._set(table, tuple(row[place] for place in table.key), row)
            self._overwrite(table, changes.whole)
            self._insert_new(table, changes.fresh)
        except (pymysql.Error, OSError) as error:
            raise self._rejected(error) from error

    def replay(self, table: Followed, change: Change) -> None:
        """See `Applier.replay`."""
        kind, _, before, after = change
        if kind == UPDATE and before is not None and after is not None and UNCHANGED in after:
            self._run("SAVEPOINT piece")
            try:
                self._set(table, tuple(before[place] for place in table.key), after)
            except (pymysql.Error, OSError) as error:
                raise self._rejected(error) from error
            return
        changes = net(table, [change])
        assert changes is not None
        self.write(table, changes)

    def _delete(self, table: Followed, keys: Sequence[tuple[bytes, ...]]) -> None:
        names = [quoted(Engine.MYSQL, name).encode() for name in columns_of(table, table.key)]
        head = f"DELETE FROM {_target(table)} WHERE ".encode()
        for start in range(0, len(keys), KEYS):
            some = keys[start : start + KEYS]
            if len(names) == 1:
                where = names[0] + b" IN (" + b",".join([key[0] for key in some]) + b")"
            else:
                where = b" OR ".join(
                    b"(" + b" AND ".join(name + b"=" + value for name, value in zip(names, key, strict=True)) + b")"
                    for key in some
                )
            self._query(head + where)

    def _set(self, table: Followed, key: tuple[bytes, ...], row: Row) -> None:
        """Overwrite what is known of the row that has that key."""
        names = [quoted(Engine.MYSQL, name).encode() for name in table.target_columns]
        sets = b",".join(name + b"=" + value for name, value in zip(names, row, strict=True) if value is not UNCHANGED)
        where = b" AND ".join(names[place] + b"=" + value for place, value in zip(table.key, key, strict=True))
        self._query(f"UPDATE {_target(table)} SET ".encode() + sets + b" WHERE " + where)

    def _overwrite(self, table: Followed, rows: Sequence[Row]) -> None:
        if not rows:
            return
        if table.other_unique:
            # ON DUPLICATE KEY UPDATE would change another row, when that has the new row's value of a unique key
            self._delete(table, [tuple(row[place] for place in table.key) for row in rows])
            self._insert(table, rows)
            return
        keys = columns_of(table, table.key)
        names = [quoted(Engine.MYSQL, name) for name in table.target_columns if name not in keys]
        names = names or [quoted(Engine.MYSQL, keys[0])]
        sets = ",".join(f"{name}=VALUES({name})" for name in names)
        self._insert(table, rows, f" ON DUPLICATE KEY UPDATE {sets}".encode())

    def _insert_new(self, table: Followed, rows: Sequence[Row]) -> None:
        """Rows that should be new; where one is not, they overwrite what is there."""
        if not rows:
            return
        if not table.key:
            self._insert(table, rows)
            return
        self._run("SAVEPOINT fresh")
        try:
            self._insert(table, rows)
        except pymysql.Error as error:
            if _number(error) != DUPLICATE:
                raise
            self._run("ROLLBACK TO SAVEPOINT fresh")
            self._overwrite(table, rows)

    def _insert(self, table: Followed, rows: Sequence[Row], tail: bytes = b"") -> None:
        names = ",".join(quoted(Engine.MYSQL, name) for name in table.target_columns)
        head = f"INSERT INTO {_target(table)} ({names}) VALUES (".encode()
        for piece in _pieces(rows, self._piece):
            self._query(head + piece + b")" + tail)

    # whole tables

    def act(self, table: Followed, act: Act) -> None:
        """See `Applier.act`.  What changes structure commits by itself; it is done once however often it is told."""
        target = _target(table)
        try:
            if isinstance(act, Truncate):
                # TRUNCATE would commit what is under way
                self._query(f"DELETE FROM {target}".encode())
                return
            there = self._has(table, act.target_column)
            name = quoted(Engine.MYSQL, act.target_column)
            if isinstance(act, AddColumn) and not there:
                self._query(f"ALTER TABLE {target} ADD COLUMN {name} {act.definition}".encode())
            elif isinstance(act, DropColumn) and there:
                self._query(f"ALTER TABLE {target} DROP COLUMN {name}".encode())
            elif isinstance(act, RetypeColumn) and there:
                self._query(f"ALTER TABLE {target} MODIFY COLUMN {name} {act.definition}".encode())
            elif isinstance(act, RenameColumn) and there:
                new = quoted(Engine.MYSQL, act.new_target_column)
                self._query(f"ALTER TABLE {target} RENAME COLUMN {name} TO {new}".encode())
        except (pymysql.Error, OSError) as error:
            if _passes(error):
                raise _trouble(error) from error
            raise StreamFailed(
                f"what the source did to {table.name} cannot be done to the target: {connection.reason(error)}; "
                "change the target by hand and start the stream again"
            ) from error
        if not isinstance(act, Truncate):
            self.begin()

    def _has(self, table: Followed, column: str) -> bool:
        found = self._ask(
            "SELECT 1 FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = IF(%s = '', DATABASE(), %s) AND TABLE_NAME = %s "
            "AND COLUMN_NAME = %s",
            (table.target_schema, table.target_schema, table.target_table, column),
        )
        return bool(found)

    def bury(self, table: Followed, change: Change, error: Rejected, position: str) -> None:
        """See `Applier.bury`."""
        row = change[3] if change[3] is not None else change[2]
        shown = None if row is None else b",".join([b"UNCHANGED" if value is UNCHANGED else value for value in row])
        self._run(
            "INSERT INTO _streams_deadletters (stream, target, operation, row_key, row_text, code, reason, position, at) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(6))",
            (
                self._stream,
                table.name,
                str(OPERATIONS[change[0]]),
                key_text(table, change),
                shown,
                error.code,
                str(error),
                position,
            ),
        )

    # statements

    def _query(self, statement: bytes) -> None:
        self._session.query(statement)

    def _run(self, statement: str, values: Sequence[Any] = ()) -> int:
        try:
            with self._session.cursor() as cursor:
                return int(cursor.execute(statement, values or None))
        except (pymysql.Error, OSError) as error:
            raise _trouble(error) from error

    def _ask(self, statement: str, values: Sequence[Any]) -> tuple[tuple[Any, ...], ...]:
        try:
            with self._session.cursor() as cursor:
                cursor.execute(statement, values)
                return tuple(cursor.fetchall())
        except (pymysql.Error, OSError) as error:
            raise _trouble(error) from error

    def _rejected(self, error: Exception) -> StreamFailed:
        if _passes(error) or _number(error) in STRUCTURAL:
            return _trouble(error)
        self._run("ROLLBACK TO SAVEPOINT piece")
        return Rejected(connection.reason(error), str(_number(error)))


def _number(error: Exception) -> int:
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def _passes(error: Exception) -> bool:
    return connection.is_transient(error) or _number(error) in PASSING


def _trouble(error: Exception) -> StreamFailed:
    kind = StreamUnreachable if _passes(error) else StreamFailed
    remedy = "" if _passes(error) else "; correct the target and start the stream again"
    return kind(f"the target: {connection.reason(error)}{remedy}")


def _pieces(rows: Sequence[Row], most: int) -> Iterable[bytes]:
    """The rows as the inside of VALUES, in pieces of some size; a larger row goes alone."""
    size, lines = 0, list[bytes]()
    for row in rows:
        line = b",".join(row)
        if lines and size + len(line) > most:
            yield b"),(".join(lines)
            size, lines = 0, []
        size += len(line) + 3
        lines.append(line)
    if lines:
        yield b"),(".join(lines)


def _target(table: Followed) -> str:
    return qualified(Engine.MYSQL, table.target_schema, table.target_table)
