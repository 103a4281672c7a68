"""Which type of PostgreSQL a column of MySQL or MariaDB becomes; pure.

Where two choices are usual, this is ours: TIMESTAMP is an instant and becomes timestamptz; TINYINT(1) becomes boolean
unless its rows hold more than 0 and 1; ENUM becomes varchar with a CHECK.
"""

from __future__ import annotations

from collections.abc import Callable

from repman.streams.structure.table import Column, Table, Version
from repman.streams.types.types_mapped import Facts, Mapped, Rule, Wishes, overridden, unique_columns

_PLAIN = {
    "tinyint": ("smallint", "smallint"),
    "smallint": ("smallint", "integer"),
    "mediumint": ("integer", "integer"),
    "int": ("integer", "bigint"),
    "year": ("smallint", "smallint"),
}
"""By MySQL's type: signed and unsigned."""
_TEXTS = frozenset({"tinytext", "text", "mediumtext", "longtext"})
_BINARIES = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"})
_SPATIALS = frozenset(
    {
        "geometry",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "geomcollection",
    }
)
_LONGEST_VARCHAR = 10_485_760


def to_postgresql(table: Table, column: Column, target: Version, wishes: Wishes, facts: Facts) -> Mapped:
    """The column as it will be in PostgreSQL; `wishes` go before the table."""
    mapped = _mapped(table, column, target, wishes, facts)
    losses = list(mapped.losses)
    if column.on_update:
        losses.append("ON UPDATE CURRENT_TIMESTAMP is left out, as PostgreSQL has no such thing")
    if _ignores_case(column) and column.name in unique_columns(table):
        losses.append(
            f"is unique without regard to case ({column.type.collation}); in PostgreSQL 'A' and 'a' will be two values"
        )
    mapped = _with_losses(mapped, losses)
    wish = wishes.override(table, column)
    return overridden(mapped, wish) if wish else mapped


def _with_losses(mapped: Mapped, losses: list[str]) -> Mapped:
    return Mapped(
        mapped.source,
        mapped.declared,
        mapped.rule,
        mapped.nullable,
        tuple(losses),
        mapped.checked,
        mapped.zero_dates,
        mapped.unquoted,
    )


def _ignores_case(column: Column) -> bool:
    return column.type.collation.endswith("_ci")


def _mapped(table: Table, column: Column, target: Version, wishes: Wishes, facts: Facts) -> Mapped:
    name = column.type.name
    if name in _PLAIN:
        return _integer(column, facts)
    if name in _TEXTS:
        return Mapped(column, "text", Rule.TEXT, column.nullable)
    if name in _BINARIES:
        return Mapped(column, "bytea", Rule.BYTES, column.nullable)
    if name in _SPATIALS or name == "point":
        return _spatial(column, target)
    if name in _BY_NAME:
        return _BY_NAME[name](column, wishes, facts)
    loss = f"{column.type.full} is not known and becomes text"
    return Mapped(column, "text", Rule.TEXT, column.nullable, (loss,))


def _plain(column: Column, declared: str) -> Mapped:
    return Mapped(column, declared, Rule.PLAIN, column.nullable, unquoted=True)


def _integer(column: Column, facts: Facts) -> Mapped:
    found = column.type
    if found.name == "tinyint" and found.length == 1 and not found.unsigned and not column.auto:
        if column.name not in facts.not_boolean:
            return _plain(column, "boolean")
        loss = "TINYINT(1) becomes smallint, not boolean, as it holds more than 0 and 1"
        return Mapped(column, "smallint", Rule.PLAIN, column.nullable, (loss,), unquoted=True)
    return _plain(column, _PLAIN[found.name][found.unsigned])


def _bigint(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
    if not column.type.unsigned:
        return _plain(column, "bigint")
    narrow = (column.auto or column.name in facts.narrow) and column.name not in facts.beyond_bigint
    return _plain(column, "bigint" if narrow else "numeric(20,0)")


def _decimal(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
    return _plain(column, f"numeric({column.type.precision or 10},{column.type.scale or 0})")


def _float(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
    # with digits given it is rounded to them, which only the wider type keeps
    declared = "real" if column.type.scale is None else "double precision"
    return Mapped(column, declared, Rule.FLOAT, column.nullable, unquoted=True)


def _double(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
    return Mapped(column, "double precision", Rule.FLOAT, column.nullable, unquoted=True)


def _bit(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
    bits = column.type.length or 1
    if bits == 1:
        return Mapped(column, "boolean", Rule.BIT_BOOLEAN, column.nullable, unquoted=True)
    return Mapped(column, f"bit({bits})", Rule.BITS, column.nullable, unquoted=True)


def _dated(declared: str, rule: Rule) -> Callable[[Column, Wishes, Facts], Mapped]:
    def made(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
        digits = f"({column.type.precision or 0})" if rule is not Rule.DATE else ""
        losses: tuple[str, ...] = ()
        nullable = column.nullable
        if wishes.zero_dates == "null" and column.name in facts.zero_dates:
            losses = ("holds zero or incomplete dates, which become NULL",)
            nullable = True
        return Mapped(
            column, declared.format(digits), rule, nullable, losses, zero_dates=wishes.zero_dates, unquoted=True
        )

    return made


def _time(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
    digits = column.type.precision or 0
    if column.name in facts.not_time_of_day:
        loss = "TIME becomes interval, as it holds more than times of a day"
        return Mapped(column, f"interval({digits})", Rule.PLAIN, column.nullable, (loss,), unquoted=True)
    return _plain(column, f"time({digits})")


def _char(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
    # a CHAR(0) is legal in MySQL and not in PostgreSQL
    return Mapped(column, f"character({max(1, column.type.length or 1)})", Rule.TEXT, column.nullable)


def _varchar(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
    length = max(1, column.type.length or 1)
    declared = f"character varying({length})" if length <= _LONGEST_VARCHAR else "text"
    return Mapped(column, declared, Rule.TEXT, column.nullable)


def _enum(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
    length = max([1, *(len(label) for label in column.type.labels)])
    loss = "ENUM becomes varchar with a CHECK, and sorts by its text, not by the order of its labels"
    # the empty text is what MySQL keeps of an invalid value
    labels = (*column.type.labels, *([] if "" in column.type.labels else [""]))
    return Mapped(column, f"character varying({length})", Rule.TEXT, column.nullable, (loss,), labels)


def _set(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
    return Mapped(column, "text", Rule.TEXT, column.nullable, ("SET becomes text with commas",))


def _json(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
    loss = "JSON becomes jsonb: of a key that an object has twice the last one stays; \\u0000 is left out of texts"
    return Mapped(column, "jsonb", Rule.JSON, column.nullable, (loss,))


def _named(declared: str) -> Callable[[Column, Wishes, Facts], Mapped]:
    return lambda column, wishes, facts: _plain(column, declared)


def _vector(column: Column, wishes: Wishes, facts: Facts) -> Mapped:
    return Mapped(column, "real[]", Rule.VECTOR, column.nullable)


def _spatial(column: Column, target: Version) -> Mapped:
    if "postgis" in target.extensions:
        form = "Geometry" if column.type.name == "geometry" else column.type.name
        return Mapped(column, f"geometry({form},{column.type.srid})", Rule.SPATIAL, column.nullable)
    if column.type.name == "point":
        loss = "POINT becomes point, without its SRID, as PostGIS is not installed in the target"
        return Mapped(column, "point", Rule.POINT, column.nullable, (loss,))
    loss = f"{column.type.name.upper()} becomes bytea with its WKB, without its SRID, as PostGIS is not installed"
    return Mapped(column, "bytea", Rule.WKB, column.nullable, (loss,))


_BY_NAME: dict[str, Callable[[Column, Wishes, Facts], Mapped]] = {
    "bigint": _bigint,
    "decimal": _decimal,
    "numeric": _decimal,
    "float": _float,
    "double": _double,
    "real": _double,
    "bit": _bit,
    "date": _dated("date", Rule.DATE),
    "datetime": _dated("timestamp{}", Rule.DATETIME),
    "timestamp": _dated("timestamp{} with time zone", Rule.INSTANT),
    "time": _time,
    "char": _char,
    "varchar": _varchar,
    "enum": _enum,
    "set": _set,
    "json": _json,
    "inet4": _named("inet"),
    "inet6": _named("inet"),
    "uuid": _named("uuid"),
    "vector": _vector,
}
