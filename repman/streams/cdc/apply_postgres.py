"""Changes applied to PostgreSQL.

The fields of rows are those of CSV, so that a row is one line of COPY when it is joined.  What a batch comes to is copied into temporary tables and
merged from there, one statement for each table and kind of write; new rows are copied straight into their table.

Source: PostgreSQL documentation, "COPY" (text format), "INSERT" (ON CONFLICT), "session_replication_role".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import psycopg
from psycopg import sql

from repman.errors import StreamFailed, StreamUnreachable
from repman.streams.cdc import apply_postgres_statements as statements
from repman.streams.cdc.apply import Rejected, Superseded, columns_of, key_text
from repman.streams.cdc.apply_net import Net, net, sorted_by_known
from repman.streams.cdc.changes import (
    OPERATIONS,
    UNCHANGED,
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

Connection = psycopg.Connection[tuple[Any, ...]]
Connect = Callable[[], Connection]
"""Opens a session; raises StreamUnreachable."""
PASSING = ("08", "40", "53", "55", "57", "58")
"""Classes of SQLSTATE that tell of trouble that passes: connection, deadlock, resources, locks, an operator, I/O."""
STRUCTURAL = "42"
"""The class of a table or column that is not there, or a missing grant: no row is to blame."""
OWN = """
CREATE SCHEMA IF NOT EXISTS _streams;
CREATE TABLE IF NOT EXISTS _streams.checkpoints (stream text PRIMARY KEY, config text NOT NULL, position text NOT NULL,
 facts text NOT NULL, epoch bigint NOT NULL, updated timestamptz NOT NULL DEFAULT now());
CREATE TABLE IF NOT EXISTS _streams.deadletters (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
 stream text NOT NULL, target text NOT NULL, operation text NOT NULL, key text NOT NULL, row_text text, code text NOT NULL,
 reason text NOT NULL, position text NOT NULL, at timestamptz NOT NULL DEFAULT now());
"""
LOCK = 0x7265706D
"""Of the advisory lock under which bookkeeping tables are made: two streams may begin at once."""


class PostgresApplier:
    """See `repman.streams.cdc.apply.Applier`."""

    def __init__(self, connect: Connect, stream: str, config: str) -> None:
        self._connect = connect
        self._stream = stream
        self._config = config
        self._epoch = 0
        self._session: Connection | None = None
        self._cursor: psycopg.Cursor[tuple[Any, ...]] | None = None
        self._stages: dict[tuple[int, str, tuple[str, ...]], sql.Identifier] = {}
        self._made = 0

    # the stream's own row

    def open(self) -> Checkpoint | None:
        """See `Applier.open`."""
        self._stages.clear()
        session = self._session = self._connect()
        self._cursor = session.cursor()
        try:
            self._prepare(session)
            self._run("BEGIN")
            self._run("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
            session.execute(OWN.encode())
            found = self._run(
                "UPDATE _streams.checkpoints SET epoch = epoch + 1 WHERE stream = %s RETURNING epoch, position, facts",
                (self._stream,),
            ).fetchone()
            self._run("COMMIT")
        except psycopg.Error as error:
            raise _trouble(error) from error
        if found is None:
            self._epoch = 0
            return None
        self._epoch = found[0]
        return Checkpoint.read(found[1], found[2])

    def _prepare(self, session: Connection) -> None:
        session.autocommit = True
        # joins with a temporary table that nobody has analyzed are to use the target's index, not to read it whole
        for statement in (
            "SET enable_hashjoin = off",
            "SET enable_mergejoin = off",
            "SET enable_bitmapscan = off",
            "SET plan_cache_mode = force_generic_plan",
            "SET client_min_messages = error",
            "SET DateStyle = 'ISO, YMD'",
            "SET TimeZone = 'UTC'",
            "SET IntervalStyle = iso_8601",
            "SET client_encoding = 'UTF8'",
            "SET lock_timeout = '60s'",
        ):
            session.execute(statement.encode())
        try:
            # neither triggers nor foreign keys of the target act a second time on what the source has done already
            session.execute("SET session_replication_role = replica")
        except psycopg.errors.InsufficientPrivilege as error:
            raise StreamFailed(
                "the target's account may not set session_replication_role, without which triggers and foreign keys "
                "would act twice; run as a superuser there: GRANT SET ON PARAMETER session_replication_role TO "
                "the account (PostgreSQL 15 and later), or give it SUPERUSER"
            ) from error

    def last_of(self, config: str) -> str:
        """The newest position of any stream of that configuration; empty: there is none."""
        found = self._run(
            "SELECT position FROM _streams.checkpoints WHERE config = %s ORDER BY updated DESC LIMIT 1", (config,)
        ).fetchone()
        return "" if found is None else str(found[0])

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
            "UPDATE _streams.checkpoints SET position = %s, facts = %s, updated = clock_timestamp() "
            "WHERE stream = %s AND epoch = %s",
            values,
        ).rowcount
        if not changed and self._epoch == 0:
            changed = self._run(
                "INSERT INTO _streams.checkpoints (position, facts, stream, config, epoch) VALUES (%s, %s, %s, %s, 0) "
                "ON CONFLICT DO NOTHING",
                (*values[:3], self._config),
            ).rowcount
        if not changed:
            self._run("ROLLBACK")
            raise Superseded(f"another process applies {self._stream} by now; this one stops")
        self._run("COMMIT")

    def forget(self) -> None:
        """See `Applier.forget`."""
        self._run("DELETE FROM _streams.checkpoints WHERE stream = %s", (self._stream,))

    def close(self) -> None:
        """See `Applier.close`."""
        if self._session is not None:
            self._session.close()
            self._session = None

    # rows

    def write(self, table: Followed, changes: Net) -> None:
        """See `Applier.write`."""
        everything = tuple(range(len(table.columns)))
        self._run("SAVEPOINT piece")
        try:
            if changes.gone:
                stage = self._staged(table, table.key, changes.gone)
                self._execute(statements.delete(table, stage))
            for places, rows in sorted_by_known(changes.partial).items():
                stage = self._staged(table, places, [tuple(row[place] for place in places) for row in rows])
                self._execute(statements.update(table, stage, places))
            if changes.whole:
                self._upsert(table, everything, changes.whole)
            if changes.fresh:
                self._insert(table, everything, changes.fresh)
            self._run("RELEASE SAVEPOINT piece")
        except psycopg.Error as error:
            raise self._rejected(error) from error

    def _insert(self, table: Followed, places: tuple[int, ...], rows: Sequence[Row]) -> None:
        """Rows that should be new; where one is not, they overwrite what is there."""
        if not table.key:
            self._copy(statements.target(table), table.target_columns, rows)
            return
        self._run("SAVEPOINT fresh")
        try:
            self._copy(statements.target(table), table.target_columns, rows)
        except psycopg.errors.UniqueViolation:
            self._run("ROLLBACK TO SAVEPOINT fresh")
            self._upsert(table, places, rows)
        self._run("RELEASE SAVEPOINT fresh")

    def _upsert(self, table: Followed, places: tuple[int, ...], rows: Sequence[Row]) -> None:
        stage = self._staged(table, places, rows)
        if table.other_unique:
            # values of other unique keys may change places between rows: none of the old ones may be in the way
            self._execute(statements.delete(table, stage))
        self._execute(statements.insert_or_update(table, stage))

    def replay(self, table: Followed, change: Change) -> None:
        """See `Applier.replay`."""
        kind, _, before, after = change
        if kind == OPERATIONS.index("update") and before is not None and after is not None and UNCHANGED in after:
            self._run("SAVEPOINT piece")
            try:
                self._move(table, before, after)
                self._run("RELEASE SAVEPOINT piece")
            except psycopg.Error as error:
                raise self._rejected(error) from error
            return
        changes = net(table, [change])
        assert changes is not None
        self.write(table, changes)

    def _move(self, table: Followed, before: Row, after: Row) -> None:
        """Give a row another key, and leave alone what is not known of it."""
        places = tuple(place for place, value in enumerate(after) if value is not UNCHANGED)
        keys = self._staged(table, table.key, [tuple(before[place] for place in table.key)], "old keys")
        values = self._staged(table, places, [tuple(after[place] for place in places)])
        names = columns_of(table, places)
        sets = sql.SQL(", ").join(sql.SQL("{0} = s.{0}").format(sql.Identifier(name)) for name in names)
        where = statements.same(table, sql.SQL("t"), sql.SQL("k"))
        self._execute(
            sql.SQL("UPDATE {} t SET {} FROM {} s, {} k WHERE {}").format(
                statements.target(table), sets, values, keys, where
            )
        )

    def _staged(self, table: Followed, places: tuple[int, ...], rows: Sequence[Row], role: str = "") -> sql.Identifier:
        """The temporary table that holds these columns of these rows, and nothing else; one for each `role`."""
        names = tuple(columns_of(table, places))
        stage = self._stages.get((table.number, role, names))
        if stage is None:
            # a stage that a rolled back savepoint has taken away, or left behind, never meets another of its name
            self._made += 1
            stage = sql.Identifier("pg_temp", f"_stage_{self._made}")
            columns = sql.SQL(", ").join(map(sql.Identifier, names))
            self._execute(
                sql.SQL("CREATE TEMP TABLE {} AS SELECT {} FROM {} WITH NO DATA").format(
                    sql.Identifier(f"_stage_{self._made}"), columns, statements.target(table)
                )
            )
            self._stages[table.number, role, names] = stage
        else:
            self._execute(sql.SQL("TRUNCATE {}").format(stage))
        self._copy(stage, names, rows)
        return stage

    def _copy(self, target: sql.Identifier, names: Iterable[str], rows: Sequence[Row]) -> None:
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        assert self._cursor is not None
        with self._cursor.copy(
            sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv, NULL 'NULL')").format(target, columns)
        ) as copy:
            for piece in statements.lines(rows):
                copy.write(piece)

    # whole tables

    def act(self, table: Followed, act: Act) -> None:
        """See `Applier.act`."""
        target = statements.target(table)
        try:
            if isinstance(act, Truncate):
                # TRUNCATE would be refused where a foreign key points to the table
                self._execute(sql.SQL("DELETE FROM {}").format(target))
                return
            self._forget_stages(table)
            if isinstance(act, AddColumn):
                self._execute(
                    sql.SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}").format(
                        target,
                        sql.Identifier(act.target_column),
                        sql.SQL(act.definition),
                    )
                )
            elif isinstance(act, DropColumn):
                self._execute(
                    sql.SQL("ALTER TABLE {} DROP COLUMN IF EXISTS {}").format(target, sql.Identifier(act.target_column))
                )
            elif isinstance(act, RetypeColumn):
                self._execute(
                    sql.SQL("ALTER TABLE {} ALTER COLUMN {} TYPE {}").format(
                        target,
                        sql.Identifier(act.target_column),
                        sql.SQL(act.definition),
                    )
                )
            elif isinstance(act, RenameColumn) and self._has(table, act.target_column):
                old, new = sql.Identifier(act.target_column), sql.Identifier(act.new_target_column)
                self._execute(sql.SQL("ALTER TABLE {} RENAME COLUMN {} TO {}").format(target, old, new))
        except psycopg.Error as error:
            if _passes(error):
                raise _trouble(error) from error
            raise StreamFailed(
                f"what the source did to {table.name} cannot be done to the target: {_sentence(error)}; "
                "change the target by hand and start the stream again"
            ) from error

    def _has(self, table: Followed, column: str) -> bool:
        found = self._run(
            "SELECT 1 FROM information_schema.columns WHERE (table_schema, table_name, column_name) = (%s, %s, %s)",
            (table.target_schema, table.target_table, column),
        )
        return found.fetchone() is not None

    def _forget_stages(self, table: Followed) -> None:
        for key in [key for key in self._stages if key[0] == table.number]:
            self._execute(sql.SQL("DROP TABLE {}").format(self._stages.pop(key)))

    def bury(self, table: Followed, change: Change, error: Rejected, position: str) -> None:
        """See `Applier.bury`."""
        row = change[3] if change[3] is not None else change[2]
        text = (
            None
            if row is None
            else next(statements.lines([row])).decode("utf-8", "replace").rstrip("\n").replace("\0", "")
        )
        self._run(
            "INSERT INTO _streams.deadletters (stream, target, operation, key, row_text, code, reason, position) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                self._stream,
                table.name,
                str(OPERATIONS[change[0]]),
                key_text(table, change),
                text,
                error.code,
                str(error),
                position,
            ),
        )

    # statements

    def _run(self, statement: str, values: Sequence[Any] = ()) -> psycopg.Cursor[tuple[Any, ...]]:
        assert self._session is not None
        try:
            return self._session.execute(statement.encode(), values or None)
        except psycopg.Error as error:
            raise _trouble(error) from error

    def _execute(self, statement: sql.Composed) -> int:
        assert self._cursor is not None
        return self._cursor.execute(statement).rowcount

    def _rejected(self, error: psycopg.Error) -> StreamFailed:
        if _passes(error) or (error.sqlstate or "").startswith(STRUCTURAL):
            return _trouble(error)
        self._run("ROLLBACK TO SAVEPOINT piece")
        self._stages.clear()
        return Rejected(_sentence(error), error.sqlstate or "")


def _passes(error: psycopg.Error) -> bool:
    return error.sqlstate is None or error.sqlstate[:2] in PASSING


def _sentence(error: psycopg.Error) -> str:
    """What the server said, without the row's values that it adds as detail."""
    return error.diag.message_primary or str(error).split("\n", 1)[0]


def _trouble(error: psycopg.Error) -> StreamFailed:
    kind = StreamUnreachable if _passes(error) else StreamFailed
    remedy = "" if _passes(error) else "; correct the target and start the stream again"
    return kind(f"the target PostgreSQL: {_sentence(error)}{remedy}")
