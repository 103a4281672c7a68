"""The structure of tables of PostgreSQL, from its catalogs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from repman.streams.connection import Postgresql
from repman.streams.structure.table import Check, Column, Default, ForeignKey, Key, KeyPart, Table, Type, Version

_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_PLAIN_TABLES = "('r','p')"
_READABLE = "('r','p','v','m','f')"

_COLUMNS = """
SELECT c.oid::int8, a.attname, a.attnotnull, a.attidentity, a.attgenerated, a.atttypmod,
       pg_get_expr(d.adbin, d.adrelid), col_description(c.oid, a.attnum),
       format_type(a.atttypid, a.atttypmod), t.typname, t.typtype, t.typcategory, t.typndims, t.typbasetype::int8,
       t.typtypmod, t.typelem::int8, a.attndims, a.attnum, t.oid::int8
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.oid = ANY(%s) ORDER BY c.oid, a.attnum"""
_KEYS = """
SELECT i.indrelid::int8, x.relname, i.indisunique, i.indisprimary, m.amname, pg_get_expr(i.indpred, i.indrelid),
       pg_get_indexdef(i.indexrelid),
       ARRAY(SELECT coalesce(a.attname, '')::text FROM unnest(i.indkey) WITH ORDINALITY k(n, o)
             LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.n AND k.n > 0
             WHERE k.o <= i.indnkeyatts ORDER BY k.o),
       ARRAY(SELECT pg_get_indexdef(i.indexrelid, o, false) FROM generate_series(1, i.indnkeyatts) o),
       ARRAY(SELECT (o::int & 1) FROM unnest(i.indoption) o)
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
 WHERE i.indrelid = ANY(%s) AND i.indislive ORDER BY i.indrelid, x.relname"""
_CONSTRAINTS = """
SELECT k.conrelid::int8, k.contype, k.conname, pg_get_expr(k.conbin, k.conrelid), n.nspname, f.relname, k.confupdtype,
       k.confdeltype,
       ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY u(n, o)
             JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.o),
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY u(n, o)
             JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n ORDER BY u.o)
  FROM pg_constraint k LEFT JOIN pg_class f ON f.oid = k.confrelid LEFT JOIN pg_namespace n ON n.oid = f.relnamespace
 WHERE k.conrelid = ANY(%s) AND k.contype IN ('c', 'f') AND k.conparentid = 0 ORDER BY k.conrelid, k.conname"""
_TYPES = """
WITH RECURSIVE base(asked, oid, typmod) AS (
  SELECT oid, oid, -1 FROM pg_type WHERE oid = ANY(%s)
  UNION ALL SELECT b.asked, CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.typelem END,
         CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE b.typmod END
    FROM base b JOIN pg_type t ON t.oid = b.oid
   WHERE t.typtype = 'd' OR (t.typcategory = 'A' AND t.typelem <> 0 AND t.typlen = -1))
SELECT b.asked::int8, t.typname, t.typtype, b.typmod, n.nspname, format_type(t.oid, NULLIF(b.typmod, -1)),
       ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
       t.typcategory = 'A' AND t.typelem <> 0 AND t.typlen = -1
  FROM base b JOIN pg_type t ON t.oid = b.oid JOIN pg_namespace n ON n.oid = t.typnamespace
 WHERE t.typtype <> 'd'"""

Rows = list[tuple[Any, ...]]


def table_names(connection: Postgresql, schema: str) -> tuple[str, ...]:
    """The tables of a schema that hold rows, partitions not counted; sorted."""
    sql = (
        "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        f" WHERE n.nspname = %s AND c.relkind IN {_PLAIN_TABLES} AND NOT c.relispartition ORDER BY 1"
    )
    return tuple(name for (name,) in connection.execute(sql.encode(), (schema,)).fetchall())


def tables(connection: Postgresql, version: Version, names: Sequence[tuple[str, str]]) -> tuple[Table, ...]:
    """The structure of these tables, each a schema and a name, in their order; missing ones are left out.

    A view is read like a table without keys.
    """
    heads = connection.execute(
        "SELECT c.oid::int8, n.nspname, c.relname, obj_description(c.oid, 'pg_class'),"
        " greatest(c.reltuples, 0)::int8, pg_table_size(c.oid), c.relreplident"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
        " JOIN unnest(%s::text[], %s::text[]) AS asked(s, t) ON n.nspname = asked.s AND c.relname = asked.t"
        f" WHERE c.relkind IN {_READABLE}".encode(),
        ([schema for schema, _ in names], [name for _, name in names]),
    ).fetchall()
    oids = [head[0] for head in heads]
    columns, types = _columns(connection, oids)
    keys = _grouped(connection.execute(_KEYS.encode(), (oids,)).fetchall())
    constraints = _grouped(connection.execute(_CONSTRAINTS.encode(), (oids,)).fetchall())
    found = {}
    for oid, schema, name, comment, rows, size, identity in heads:
        primary, others = _read_keys(keys[oid])
        listed = tuple(_column(row, types) for row in columns[oid])
        found[schema, name] = Table(
            schema=schema,
            name=name,
            columns=listed,
            primary=primary,
            keys=others,
            foreign_keys=_references(constraints[oid]),
            checks=tuple(Check(row[1], row[2]) for row in constraints[oid] if row[0] == "c"),
            comment=comment or "",
            next_value=_next_value(connection, schema, name, listed),
            estimated_rows=rows,
            estimated_bytes=size or 0,
            identity=identity,
        )
    return tuple(found[place] for place in names if place in found)


def _grouped(rows: Rows) -> dict[Any, Rows]:
    """By the first column, without it."""
    made: dict[Any, Rows] = defaultdict(list)
    for name, *rest in rows:
        made[name].append(tuple(rest))
    return made


def _columns(connection: Postgresql, oids: list[int]) -> tuple[dict[Any, Rows], dict[int, Type]]:
    rows = connection.execute(_COLUMNS.encode(), (oids,)).fetchall()
    types: dict[int, Type] = {}
    asked = list({row[-1] for row in rows})
    dimensions: dict[int, int] = {}
    for oid, name, kind, modifier, schema, full, labels, is_array in connection.execute(
        _TYPES.encode(), (asked,)
    ).fetchall():
        if is_array:
            dimensions[oid] = 1
            continue
        own = "" if schema == "pg_catalog" else schema
        types[oid] = _type(name, kind, modifier, own, full, tuple(labels), dimensions.get(oid, 0))
    for oid, found in types.items():
        if dimensions.get(oid) and not found.dimensions:
            types[oid] = _type(found.name, found.category, -1, found.schema, found.full, found.labels, 1)
    return _grouped(rows), types


def _type(
    name: str, kind: str, modifier: int, schema: str, full: str, labels: tuple[str, ...], dimensions: int
) -> Type:
    length = precision = scale = None
    if modifier >= 0:
        if name in ("varchar", "bpchar"):
            length = modifier - 4
        elif name in ("bit", "varbit"):
            length = modifier
        elif name == "numeric":
            precision = (modifier - 4) >> 16 & 0xFFFF
            # eleven bits with a sign, since PostgreSQL 15
            scale = ((modifier - 4 & 0x7FF) ^ 1024) - 1024
        elif name in ("time", "timetz", "timestamp", "timestamptz"):
            precision = modifier
    return Type(name, full, length, precision, scale, False, labels, "", "", dimensions, kind, schema)


def _column(row: tuple[Any, ...], types: dict[int, Type]) -> Column:
    name, not_null, identity, generated, modifier, default, comment, full, _, kind, *_, oid = row
    found = types[oid]
    if kind != "d":
        found = _type(found.name, found.category, modifier, found.schema, full, found.labels, found.dimensions)
    automatic = bool(identity) or (default or "").startswith("nextval(")
    kept = None if default is None or automatic or generated else _default(default)
    return Column(
        name=name,
        type=found,
        nullable=not not_null,
        default=kept,
        auto=automatic,
        generated=(default or "") if generated else "",
        stored=bool(generated),
        comment=comment or "",
    )


def _default(text: str) -> Default | None:
    """A default as pg_get_expr prints it: literals carry a cast."""
    if text.upper().startswith("NULL::") or text.upper() == "NULL":
        return None
    if text.startswith("'"):
        end, plain = 1, []
        while end < len(text):
            if text[end] == "'":
                if text[end + 1 : end + 2] != "'":
                    break
                end += 1
            plain.append(text[end])
            end += 1
        rest = text[end + 1 :]
        if rest == "" or (rest.startswith("::") and "(" not in rest.replace("(", "", 1) and "||" not in rest):
            return Default("".join(plain))
    number = text.strip("()")
    try:
        float(number)
    except ValueError:
        return Default(text, expression=text not in ("true", "false"))
    return Default(number)


def _read_keys(rows: Rows) -> tuple[Key | None, tuple[Key, ...]]:
    primary: Key | None = None
    others = []
    for name, unique, is_primary, method, where, definition, columns, expressions, descending in rows:
        parts = tuple(
            KeyPart(column, "" if column else expression, 0, bool(order))
            for column, expression, order in zip(columns, expressions, descending, strict=False)
        )
        made = Key(name, parts, unique, method, where or "", definition)
        if is_primary:
            primary = made
        else:
            others.append(made)
    return primary, tuple(others)


def _references(rows: Rows) -> tuple[ForeignKey, ...]:
    return tuple(
        ForeignKey(name, tuple(columns), schema, parent, tuple(parents), _ACTIONS[on_update], _ACTIONS[on_delete])
        for kind, name, _, schema, parent, on_update, on_delete, columns, parents in rows
        if kind == "f"
    )


def _next_value(connection: Postgresql, schema: str, table: str, columns: tuple[Column, ...]) -> int | None:
    """The next value of the sequence behind its automatic column; None when there is none or we may not look."""
    for column in columns:
        if column.auto:
            found = connection.execute(
                "SELECT s.last_value, s.increment_by, s.start_value FROM pg_sequences s"
                " WHERE format('%%I.%%I', s.schemaname, s.sequencename)::regclass ="
                " pg_get_serial_sequence(format('%%I.%%I', %s::text, %s::text), %s)::regclass",
                (schema, table, column.name),
            ).fetchone()
            if found is not None:
                last, step, start = found
                return int(start if last is None else last + step)
    return None
