"""Makes the structure in the target: tables before the rows; keys, references and counters after them.

Each step looks first whether it is done, so that it can be repeated after a crash.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import psycopg
import pymysql

from repman.errors import StreamFailed
from repman.streams.connection import is_transient, reason
from repman.streams.convert.copy_bundle import Loader
from repman.streams.convert.load_progress import LoadProgress
from repman.streams.job import Creation, Options, StreamSettings, TableChoice, WriteMode
from repman.streams.structure import ddl, ddl_mysql, ddl_postgresql
from repman.streams.structure.mapping import Place
from repman.streams.structure.table import Engine, literal, quoted
from repman.streams.types.types_mapped import MappedTable

Warn = Callable[[list[str]], None]
DRIVER_ERRORS = (psycopg.Error, pymysql.err.MySQLError)


class TargetStructure:
    """The structure of one stream's target."""

    def __init__(self, settings: StreamSettings, marks: LoadProgress, warn: Warn) -> None:
        self._options: Options = settings.options
        self._marks = marks
        self._warn = warn

    def prepare(self, loader: Loader, chosen: Sequence[tuple[TableChoice, MappedTable]]) -> None:
        """Make every table that is missing, and empty those that are to be emptied.

        Raises StreamFailed where a table is there and may not be, or is missing and may not be made.
        """
        mine = self._marks.made(loader)
        for choice, table in chosen:
            self._warn([*table.losses, *ddl.lost_defaults(table)])
            if choice.name not in mine:
                self._claim(loader, choice, table)
            elif not exists(loader, table):
                self._create(loader, choice, table)

    def _claim(self, loader: Loader, choice: TableChoice, table: MappedTable) -> None:
        policy = self._options.structure.tables
        there = exists(loader, table)
        name = ddl.name_of(table)
        if there and policy is Creation.MUST_BE_NEW:
            raise StreamFailed(f"the target has a table {table.name} already; drop it, or let existing tables be used")
        if there and policy is Creation.ANEW:
            loader.run(f"DROP TABLE {name}" + ("" if table.target_version.engine.is_mysql else " CASCADE"))
            there = False
        if there:
            self._honour(loader, table)
            return
        if policy is Creation.DISABLED:
            raise StreamFailed(f"the target has no table {table.name}; make it, or let the stream make its tables")
        self._create(loader, choice, table)

    def _honour(self, loader: Loader, table: MappedTable) -> None:
        """A table that was there before: it must have our columns, and be empty if that is asked."""
        missing = [column.name for column in table.columns if column.name not in columns_of(loader, table)]
        if missing:
            raise StreamFailed(
                f"the target's table {table.name} has no column {', '.join(missing)}; add it, or choose the columns"
            )
        name = ddl.name_of(table)
        mode = self._options.write_mode
        if mode is WriteMode.MUST_BE_EMPTY and loader.ask(f"SELECT 1 FROM {name} LIMIT 1"):
            raise StreamFailed(f"the target's table {table.name} holds rows; empty it, or choose another write mode")
        if mode is WriteMode.TRUNCATE:
            loader.run(f"DELETE FROM {name}" if table.target_version.engine.is_mysql else f"TRUNCATE {name} CASCADE")

    def _create(self, loader: Loader, choice: TableChoice, table: MappedTable) -> None:
        """Make it, with the mark that it is ours: in one transaction where the target's DDL is part of one."""
        primary = self._options.write_mode is WriteMode.UPSERT
        statements = ddl.create_table(table, primary=primary)
        try:
            if table.target_version.engine.is_mysql:
                self._marks.mark_made(loader, choice.name)
                for sql in statements:
                    loader.run(sql)
                return
            with loader.transaction():
                self._make_types(loader, table)
                loader.run(f"CREATE SCHEMA IF NOT EXISTS {quoted(Engine.POSTGRESQL, table.schema)}")
                self._marks.mark_made(loader, choice.name)
                for sql in statements:
                    loader.run(sql)
        except DRIVER_ERRORS as error:
            if is_transient(error):
                raise
            raise StreamFailed(
                f"table {table.name} cannot be made in the target: {reason(error)}; make it there yourself, or choose"
                " other types for its columns"
            ) from error

    def _make_types(self, loader: Loader, table: MappedTable) -> None:
        for name, sql in ddl_postgresql.create_types(table):
            if not loader.ask(f"SELECT 1 FROM pg_type WHERE typname = {literal(Engine.POSTGRESQL, name)}"):
                loader.run(sql)

    def finish_table(self, loader: Loader, choice: TableChoice, table: MappedTable) -> None:
        """Keys, indexes and statistics of a table whose rows are there."""
        loader.settle()
        mine = choice.name in self._marks.made(loader)
        if mine and not table.target_version.engine.is_mysql:
            self._add_primary(loader, table)
            for sql in ddl_postgresql.set_not_null(table):
                self._try(loader, sql, f"{table.name}: NOT NULL is left out")
        if choice.indexes and self._wanted(self._options.structure.indexes, mine):
            statements, lost = ddl.indexes(table)
            self._warn(list(lost))
            there = indexes_of(loader, table)
            for statement in statements:
                if statement.name not in there:
                    self._try(loader, statement.sql, f"{table.name}: index {statement.name} is left out")
        if mine and self._wanted(self._options.structure.checks, mine):
            self._add(loader, table, *ddl.checks(table))
        self._restart(loader, table)
        name = ddl.name_of(table)
        loader.run(f"ANALYZE TABLE {name}" if table.target_version.engine.is_mysql else f"ANALYZE {name}")

    @staticmethod
    def _wanted(creation: Creation, mine: bool) -> bool:
        """Whether this kind of structure is made; in tables that were there before, only when it is said so."""
        return creation is not Creation.DISABLED and (mine or creation is Creation.ANEW)

    def _add_primary(self, loader: Loader, table: MappedTable) -> None:
        sql = ddl_postgresql.add_primary(table)
        if sql is None or _has_primary(loader, table):
            return
        try:
            loader.run(sql)
        except DRIVER_ERRORS as error:
            if is_transient(error):
                raise
            raise StreamFailed(
                f"the primary key of {table.name} cannot be made: {reason(error)}; look for rows that differ in the"
                " source's sense only, or for dates that became NULL"
            ) from error

    def add_foreign_keys(
        self, loader: Loader, chosen: Sequence[tuple[TableChoice, MappedTable]], places: Mapping[Place, Place]
    ) -> None:
        """References between the tables, when all of them have their rows."""
        mine = self._marks.made(loader)
        for choice, table in chosen:
            if not self._wanted(self._options.structure.foreign_keys, choice.name in mine):
                continue
            statements, lost = ddl.foreign_keys(table, places)
            added = self._add(loader, table, statements, lost)
            if not table.target_version.engine.is_mysql:
                for name in added:
                    self._try(
                        loader,
                        ddl_postgresql.validate(table, name),
                        f"{table.name}: the reference {name} holds for new rows only",
                    )

    def _add(
        self, loader: Loader, table: MappedTable, statements: Sequence[ddl.Statement], lost: Sequence[str]
    ) -> list[str]:
        """Constraints that are not there yet; the names of those that are there now because of it."""
        self._warn(list(lost))
        there = constraints_of(loader, table) if statements else frozenset()
        made = []
        for statement in statements:
            if statement.name not in there and self._try(
                loader, statement.sql, f"{table.name}: {statement.name} is left out"
            ):
                made.append(statement.name)
        return made

    def _try(self, loader: Loader, sql: str, otherwise: str) -> bool:
        """What may fail without hurting the rows."""
        try:
            loader.run(sql)
        except DRIVER_ERRORS as error:
            if is_transient(error):
                raise
            self._warn([f"{otherwise}: {reason(error)}"])
            return False
        return True

    def _restart(self, loader: Loader, table: MappedTable) -> None:
        """Let the automatic column go on where the source's would."""
        for column in table.columns:
            if not column.source.auto:
                continue
            following = max(table.source.next_value or 1, 1)
            if not table.target_version.engine.is_mysql:
                sql = ddl_postgresql.restart(table, column.name, following)
                self._try(loader, sql, f"{table.name}.{column.name}: its sequence is not set")
            elif ddl_mysql.is_automatic(table, column):
                sql = ddl_mysql.restart(table, following)
                self._try(loader, sql, f"{table.name}.{column.name}: AUTO_INCREMENT is not set")


def exists(loader: Loader, table: MappedTable) -> bool:
    """Whether the target has it."""
    return bool(columns_of(loader, table))


def _catalog(table: MappedTable, what: str, columns: str, more: str = "") -> str:
    engine = table.target_version.engine
    return (
        f"SELECT {columns} FROM information_schema.{what} WHERE table_schema = {literal(engine, table.schema)}"
        f" AND table_name = {literal(engine, table.name)}{more}"
    )


def columns_of(loader: Loader, table: MappedTable) -> frozenset[str]:
    """The columns that the target's table has; empty when it is not there."""
    return frozenset(str(name) for (name,) in loader.ask(_catalog(table, "columns", "column_name")))


def constraints_of(loader: Loader, table: MappedTable) -> frozenset[str]:
    """The names of its constraints."""
    return frozenset(str(name) for (name,) in loader.ask(_catalog(table, "table_constraints", "constraint_name")))


def _has_primary(loader: Loader, table: MappedTable) -> bool:
    sql = _catalog(table, "table_constraints", "1", " AND constraint_type = 'PRIMARY KEY'")
    return bool(loader.ask(sql))


def indexes_of(loader: Loader, table: MappedTable) -> frozenset[str]:
    """The names of its indexes."""
    engine = table.target_version.engine
    if engine.is_mysql:
        return frozenset(str(name) for (name,) in loader.ask(_catalog(table, "statistics", "index_name")))
    sql = (
        f"SELECT indexname FROM pg_indexes WHERE schemaname = {literal(engine, table.schema)}"
        f" AND tablename = {literal(engine, table.name)}"
    )
    return frozenset(str(name) for (name,) in loader.ask(sql))
