"""The structure of tables of MySQL and MariaDB, from information_schema."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from repman.streams.connection import Mysql
from repman.streams.structure.table import (
    Check,
    Column,
    Default,
    Engine,
    ForeignKey,
    Key,
    KeyPart,
    Table,
    Type,
    Version,
)

_TYPE = re.compile(r"(\w+)(?:\((.*)\))?(.*)", re.DOTALL)
_LABEL = re.compile(r"'((?:[^']|'')*)'")
_JSON_CHECK = re.compile(r"json_valid\(`((?:[^`]|``)*)`\)")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)
_ESCAPE = re.compile(r"\\.|''", re.DOTALL)
_ESCAPED = {"\\0": "\0", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\Z": "\x1a", "\\b": "\b"}
_BATCH = 200
"""Tables that one query of information_schema asks for."""
_TIMED = frozenset({"time", "datetime", "timestamp"})
_SIZED = frozenset({"char", "varchar", "binary", "varbinary", "bit", "tinyint", "vector"})
_PRECISE = frozenset({"decimal", "numeric", "float", "double"})

Rows = list[tuple[Any, ...]]


def table_names(connection: Mysql, database: str) -> tuple[str, ...]:
    """The tables of a database that hold rows; sorted."""
    sql = (
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA=%s"
        " AND TABLE_TYPE IN ('BASE TABLE','SYSTEM VERSIONED') ORDER BY TABLE_NAME"
    )
    return tuple(name for (name,) in _ask(connection, sql, (database,)))


def tables(connection: Mysql, version: Version, database: str, names: Sequence[str]) -> tuple[Table, ...]:
    """The structure of these tables, in their order; one that does not exist is left out.

    A view is read like a table without keys.
    """
    found: dict[str, Table] = {}
    for start in range(0, len(names), _BATCH):
        batch = names[start : start + _BATCH]
        found.update({table.name: table for table in _batch(connection, version, database, batch)})
    return tuple(found[name] for name in names if name in found)


def _ask(connection: Mysql, sql: str, arguments: Iterable[Any]) -> Rows:
    with connection.cursor() as cursor:
        cursor.execute(sql, tuple(arguments))
        return [tuple(part.decode() if isinstance(part, bytes) else part for part in row) for row in cursor.fetchall()]


def _grouped(rows: Rows) -> dict[str, Rows]:
    """By the first column, without it."""
    made: dict[str, Rows] = defaultdict(list)
    for name, *rest in rows:
        made[name].append(tuple(rest))
    return made


def _batch(connection: Mysql, version: Version, database: str, names: Sequence[str]) -> list[Table]:
    where = f"TABLE_SCHEMA=%s AND TABLE_NAME IN ({','.join(['%s'] * len(names))})"
    about = (database, *names)
    heads = _ask(
        connection,
        "SELECT TABLE_NAME, ENGINE, TABLE_ROWS, DATA_LENGTH, AUTO_INCREMENT, TABLE_COMMENT, TABLE_TYPE"
        f" FROM information_schema.TABLES WHERE {where}",
        about,
    )
    columns = _grouped(
        _ask(
            connection,
            "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, COLUMN_COMMENT,"
            " GENERATION_EXPRESSION, CHARACTER_MAXIMUM_LENGTH, NUMERIC_PRECISION, NUMERIC_SCALE, DATETIME_PRECISION,"
            f" CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS WHERE {where}"
            " ORDER BY TABLE_NAME, ORDINAL_POSITION",
            about,
        )
    )
    keys = _grouped(_keys(connection, version, where, about))
    references = _grouped(_references(connection, where, about))
    checks = _grouped(_checks(connection, version, database, names))
    made = []
    for name, engine, rows, size, following, comment, kind in heads:
        marked = {_unquoted(m[1]) for _, text in checks[name] if (m := _JSON_CHECK.fullmatch(text))}
        listed = tuple(_column(version, row, marked) for row in columns[name])
        primary, others = _read_keys(keys[name])
        made.append(
            Table(
                schema=database,
                name=name,
                columns=listed,
                primary=primary,
                keys=others,
                foreign_keys=_read_references(references[name]),
                checks=tuple(Check(*row) for row in checks[name] if not _JSON_CHECK.fullmatch(row[1])),
                comment="" if kind == "VIEW" else comment or "",
                next_value=following,
                estimated_rows=rows or 0,
                estimated_bytes=size or 0,
                engine=engine or "",
            )
        )
    return made


def _keys(connection: Mysql, version: Version, where: str, about: tuple[str, ...]) -> Rows:
    expression = "EXPRESSION" if version.engine is Engine.MYSQL and version.number >= (8, 0, 13) else "NULL"
    return _ask(
        connection,
        "SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, COLLATION, INDEX_TYPE,"
        f" {expression} FROM information_schema.STATISTICS WHERE {where} ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX",
        about,
    )


def _references(connection: Mysql, where: str, about: tuple[str, ...]) -> Rows:
    return _ask(
        connection,
        "SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME,"
        " k.REFERENCED_COLUMN_NAME, r.UPDATE_RULE, r.DELETE_RULE FROM information_schema.KEY_COLUMN_USAGE k"
        " JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA"
        " AND r.TABLE_NAME = k.TABLE_NAME AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME"
        f" WHERE {where.replace('TABLE_', 'k.TABLE_')} AND k.REFERENCED_TABLE_NAME IS NOT NULL"
        " ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION",
        about,
    )


def _checks(connection: Mysql, version: Version, database: str, names: Sequence[str]) -> Rows:
    marks = ",".join(["%s"] * len(names))
    if version.engine is Engine.MARIADB:
        sql = (
            "SELECT TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS"
            f" WHERE CONSTRAINT_SCHEMA=%s AND TABLE_NAME IN ({marks})"
        )
    elif version.number >= (8, 0, 16):
        sql = (
            "SELECT t.TABLE_NAME, c.CONSTRAINT_NAME, c.CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS c"
            " JOIN information_schema.TABLE_CONSTRAINTS t ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA"
            " AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME AND t.CONSTRAINT_TYPE = 'CHECK'"
            f" WHERE c.CONSTRAINT_SCHEMA=%s AND t.TABLE_NAME IN ({marks})"
        )
    else:
        return []
    return _ask(connection, sql, (database, *names))


def _read_keys(rows: Rows) -> tuple[Key | None, tuple[Key, ...]]:
    primary: Key | None = None
    others = []
    for name, parts in _grouped(rows).items():
        unique = not int(parts[0][0])
        made = Key(
            name,
            tuple(
                KeyPart(column or "", expression or "", int(prefix or 0), order == "D")
                for _, column, prefix, order, _, expression in parts
            ),
            unique,
            str(parts[0][4]).lower(),
        )
        if name == "PRIMARY":
            primary = made
        else:
            others.append(made)
    return primary, tuple(others)


def _read_references(rows: Rows) -> tuple[ForeignKey, ...]:
    made = []
    for name, parts in _grouped(rows).items():
        columns = tuple(part[0] for part in parts)
        parents = tuple(part[3] for part in parts)
        _, schema, parent, _, on_update, on_delete = parts[0]
        made.append(ForeignKey(name, columns, schema, parent, parents, on_update, on_delete))
    return tuple(made)


def _unquoted(name: str) -> str:
    return name.replace("``", "`")


def _column(version: Version, row: tuple[Any, ...], marked: set[str]) -> Column:
    name, declared, nullable, default, extra, comment, expression, *measures = row
    extra = (extra or "").lower()
    found = parsed_type(declared, measures)
    # MariaDB's JSON is a text with a check
    if version.engine is Engine.MARIADB and name in marked and found.name == "longtext":
        found = Type("json", "json", charset=found.charset, collation=found.collation)
    return Column(
        name=name,
        type=found,
        nullable=nullable == "YES",
        default=None if expression else _default(version, default, extra, found),
        auto="auto_increment" in extra,
        generated=expression or "",
        stored="stored" in extra or "persistent" in extra,
        comment=comment or "",
        invisible="invisible" in extra,
        on_update="on update" in extra,
    )


def parsed_type(declared: str, measures: Sequence[Any] = (None,) * 6) -> Type:
    """The type from MySQL's print of it, with what information_schema says of its measures."""
    match = _TYPE.fullmatch(declared)
    assert match is not None
    name, inside, rest = match[1].lower(), match[2] or "", match[3].lower()
    name = {"integer": "int", "dec": "decimal"}.get(name, name)
    length, precision, scale, digits, charset, collation = measures
    labels: tuple[str, ...] = ()
    if name in ("enum", "set"):
        labels = tuple(label.replace("''", "'") for label in _LABEL.findall(inside))
    elif inside and name in _SIZED:
        length = int(inside)
    if name in _TIMED:
        precision, scale = int(inside) if inside else digits or 0, None
    elif name in _PRECISE:
        parts = [int(part) for part in inside.split(",")] if inside else []
        precision = parts[0] if parts else None
        scale = parts[1] if len(parts) > 1 else None
    return Type(
        name=name,
        full=declared,
        length=int(length) if length is not None else None,
        precision=int(precision) if precision is not None else None,
        scale=int(scale) if scale is not None else None,
        unsigned="unsigned" in rest,
        labels=labels,
        charset=charset or "",
        collation=collation or "",
    )


def _default(version: Version, text: str | None, extra: str, found: Type) -> Default | None:
    if text is None:
        return None
    if version.engine is Engine.MARIADB and version.number >= (10, 2, 7):
        if text == "NULL":
            return None
        if text.startswith("'"):
            return Default(_ESCAPE.sub(_unescaped, text[1:-1]))
        return Default(text, expression=not _NUMBER.fullmatch(text))
    if "default_generated" in extra or text.lower().startswith("current_timestamp"):
        return Default(text, expression=True)
    return Default(text, expression=found.name == "bit")


def _unescaped(match: re.Match[str]) -> str:
    return _ESCAPED.get(match[0], match[0][1])
