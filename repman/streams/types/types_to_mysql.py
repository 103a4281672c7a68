"""Which type of MySQL or MariaDB a column of PostgreSQL becomes; pure.

Texts become LONGTEXT, as TEXT would cut them at 64 KB, and VARCHAR where they are part of a key.  Texts compare as
PostgreSQL does it: byte by byte, trailing blanks included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from repman.streams.structure.table import Column, Engine, Table, Version, literal
from repman.streams.types.types_mapped import Facts, Mapped, Rule, Wishes, keyed_columns, overridden

LONGEST_KEY_TEXT = 768
"""Characters of utf8mb4 that fit into a key of InnoDB (3072 bytes)."""
USUAL_KEY_TEXT = 255
_LONGEST_VARCHAR = 16_383
_LONGEST_CHAR = 255
_MOST_DIGITS = 65
_MOST_SCALE = 30

_PLAIN = {
    "int2": "SMALLINT",
    "int4": "INT",
    "int8": "BIGINT",
    "oid": "BIGINT UNSIGNED",
    "xid": "BIGINT UNSIGNED",
    "xid8": "BIGINT UNSIGNED",
    "cid": "BIGINT UNSIGNED",
}
_ASCII = {
    "pg_lsn": 17,
    "timetz": 21,
    "interval": 64,
    "uuid": 36,
    "inet": 43,
    "cidr": 43,
    "macaddr": 17,
    "macaddr8": 23,
    "tid": 32,
}
"""By type: the longest text."""
_SHAPES = frozenset({"line", "lseg", "box", "path", "polygon", "circle"})
_TEXTS = frozenset({"text", "citext", "xml", "tsvector", "tsquery", "ltree", "lquery", "jsonpath"})
_NOT_A_NUMBER = "NaN and infinity have no value in MySQL and become NULL"
_NO_DATE = "infinity, years BC and years after 9999 have no value in MySQL and become NULL"


def binary_collation(target: Version) -> str:
    """The collation under which texts are equal only when their bytes are, trailing blanks included."""
    if target.engine is Engine.MARIADB:
        return "utf8mb4_nopad_bin"
    return "utf8mb4_0900_bin" if target.number >= (8, 0, 17) else "utf8mb4_bin"


def to_mysql(table: Table, column: Column, target: Version, wishes: Wishes, facts: Facts) -> Mapped:
    """The column as it will be in MySQL or MariaDB; `wishes` go before the table."""
    mapped = _mapped(table, column, target, facts)
    if mapped.rule in (Rule.DATE, Rule.DATETIME, Rule.INSTANT, Rule.NUMBER) and not column.nullable:
        mapped = replace(mapped, nullable=column.name in facts.zero_dates)
    wish = wishes.override(table, column)
    return overridden(mapped, wish) if wish else mapped


def _mapped(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    found = column.type
    if found.dimensions:
        loss = "an array becomes JSON; lower bounds other than 1 are lost"
        return Mapped(column, "JSON", Rule.ARRAY, column.nullable, (loss,))
    if found.category == "e":
        labels = ",".join(literal(target.engine, label) for label in found.labels)
        return Mapped(column, f"ENUM({labels})" + _text_suffix(target), Rule.TEXT, column.nullable)
    if found.category in ("r", "m"):
        return Mapped(column, "JSON", Rule.RANGE, column.nullable, (f"{found.full} becomes JSON of its bounds",))
    if found.category == "c":
        loss = f"the composite type {found.full} becomes its text"
        return Mapped(column, "LONGTEXT" + _text_suffix(target), Rule.TEXT, column.nullable, (loss,))
    if found.name in _PLAIN:
        return Mapped(column, _PLAIN[found.name], Rule.PLAIN, column.nullable, unquoted=True)
    if found.name in _ASCII:
        return _ascii(column, target)
    if found.name in _BY_NAME:
        return _BY_NAME[found.name](table, column, target, facts)
    if found.name in _TEXTS or found.name in _SHAPES:
        return _text(table, column, target, facts)
    loss = f"{found.full} is not known and becomes text"
    return replace(_text(table, column, target, facts), losses=(loss,))


def _text_suffix(target: Version) -> str:
    return f" CHARACTER SET utf8mb4 COLLATE {binary_collation(target)}"


def _ascii(column: Column, target: Version) -> Mapped:
    length = _ASCII[column.type.name]
    if column.type.name == "uuid":
        if target.engine is Engine.MARIADB and target.number >= (10, 7):
            return Mapped(column, "UUID", Rule.PLAIN, column.nullable, unquoted=True)
        return Mapped(column, "CHAR(36) CHARACTER SET ascii COLLATE ascii_bin", Rule.PLAIN, column.nullable)
    losses = (f"{column.type.name} becomes its text",)
    declared = f"VARCHAR({length}) CHARACTER SET ascii COLLATE ascii_bin"
    return Mapped(column, declared, Rule.TEXT, column.nullable, losses)


def _numeric(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    precision, scale = column.type.precision, column.type.scale or 0
    if precision is None:
        if column.name in facts.beyond_decimal:
            loss = "numeric without limits becomes VARCHAR(255), as its values do not fit into DECIMAL(65,30)"
            return Mapped(column, "VARCHAR(255)", Rule.TEXT, column.nullable, (loss,))
        losses = ("numeric without limits becomes DECIMAL(65,30)", _NOT_A_NUMBER)
        return Mapped(column, "DECIMAL(65,30)", Rule.NUMBER, column.nullable, losses, unquoted=True)
    if scale < 0:
        precision, scale = precision - scale, 0
    precision = max(precision, scale)
    if precision > _MOST_DIGITS or scale > _MOST_SCALE:
        loss = f"{column.type.full} is more than DECIMAL(65,30) holds and becomes text"
        return Mapped(column, f"VARCHAR({precision + 3})", Rule.TEXT, column.nullable, (loss,))
    return Mapped(
        column, f"DECIMAL({precision},{scale})", Rule.NUMBER, column.nullable, (_NOT_A_NUMBER,), unquoted=True
    )


def _real(declared: str) -> Callable[[Table, Column, Version, Facts], Mapped]:
    def made(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
        return Mapped(column, declared, Rule.NUMBER, column.nullable, (_NOT_A_NUMBER,), unquoted=True)

    return made


def _money(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    return Mapped(column, "DECIMAL(19,2)", Rule.MONEY, column.nullable, unquoted=True)


def _bool(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    return Mapped(column, "TINYINT(1)", Rule.BOOLEAN, column.nullable, unquoted=True)


def _char(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    length = column.type.length or 1
    if length <= _LONGEST_CHAR:
        return Mapped(column, f"CHAR({length})" + _text_suffix(target), Rule.TEXT, column.nullable)
    return _varying(table, column, target, facts)


def _varying(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    length = column.type.length
    if length is None or length > _LONGEST_VARCHAR:
        return _text(table, column, target, facts)
    if length > LONGEST_KEY_TEXT and _row_bytes(table) > 60_000:
        return _text(table, column, target, facts)
    return Mapped(column, f"VARCHAR({length})" + _text_suffix(target), Rule.TEXT, column.nullable)


def _row_bytes(table: Table) -> int:
    """What VARCHARs of the declared lengths would take of MySQL's 65,535 bytes of a row."""
    return sum(4 * (column.type.length or 0) for column in table.columns if column.type.name in ("varchar", "bpchar"))


def _text(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    if column.name not in keyed_columns(table):
        return Mapped(column, "LONGTEXT" + _text_suffix(target), Rule.TEXT, column.nullable)
    length = USUAL_KEY_TEXT
    if facts.longest.get(column.name, 0) > USUAL_KEY_TEXT:
        length = LONGEST_KEY_TEXT
    loss = f"text in a key becomes VARCHAR({length}); longer values are refused"
    return Mapped(column, f"VARCHAR({length})" + _text_suffix(target), Rule.TEXT, column.nullable, (loss,))


def _bytes(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    if column.name not in keyed_columns(table):
        return Mapped(column, "LONGBLOB", Rule.BYTES, column.nullable)
    loss = f"bytea in a key becomes VARBINARY({USUAL_KEY_TEXT}); longer values are refused"
    return Mapped(column, f"VARBINARY({USUAL_KEY_TEXT})", Rule.BYTES, column.nullable, (loss,))


def _date(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    return Mapped(column, "DATE", Rule.DATE, column.nullable, (_NO_DATE,), unquoted=True)


def _digits(column: Column) -> int:
    return 6 if column.type.precision is None else column.type.precision


def _timestamp(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    declared = f"DATETIME({_digits(column)})"
    return Mapped(column, declared, Rule.DATETIME, column.nullable, (_NO_DATE,), unquoted=True)


def _timestamptz(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    loss = "timestamptz becomes DATETIME in UTC, as TIMESTAMP ends in 2038"
    declared = f"DATETIME({_digits(column)})"
    return Mapped(column, declared, Rule.INSTANT, column.nullable, (loss, _NO_DATE), unquoted=True)


def _time(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    return Mapped(column, f"TIME({_digits(column)})", Rule.PLAIN, column.nullable, unquoted=True)


def _json(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    losses = () if target.engine is Engine.MARIADB else ("MySQL keeps numbers of JSON as doubles",)
    return Mapped(column, "JSON", Rule.JSON, column.nullable, losses)


def _bit(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    length = column.type.length
    if column.type.name == "bit" and length is not None and length <= 64:
        return Mapped(column, f"BIT({length})", Rule.BITS, column.nullable, unquoted=True)
    declared = f"VARCHAR({length})" if length is not None and length <= _LONGEST_VARCHAR else "LONGTEXT"
    loss = f"{column.type.full} becomes text of 0s and 1s"
    return Mapped(column, f"{declared} CHARACTER SET ascii COLLATE ascii_bin", Rule.TEXT, column.nullable, (loss,))


def _point(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    return Mapped(column, "POINT", Rule.POINT, column.nullable)


def _spatial(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    return Mapped(column, "GEOMETRY", Rule.SPATIAL, column.nullable, ("its type and SRID are kept in each value only",))


def _hstore(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    return Mapped(column, "JSON", Rule.HSTORE, column.nullable)


def _vector(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    return Mapped(column, "JSON", Rule.JSON, column.nullable, ("vector becomes JSON",))


def _name(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    return Mapped(column, "VARCHAR(64)" + _text_suffix(target), Rule.TEXT, column.nullable)


def _byte(table: Table, column: Column, target: Version, facts: Facts) -> Mapped:
    return Mapped(column, "VARCHAR(4)" + _text_suffix(target), Rule.TEXT, column.nullable)


_BY_NAME: dict[str, Callable[[Table, Column, Version, Facts], Mapped]] = {
    "numeric": _numeric,
    "float4": _real("FLOAT"),
    "float8": _real("DOUBLE"),
    "money": _money,
    "bool": _bool,
    "bpchar": _char,
    "varchar": _varying,
    "bytea": _bytes,
    "date": _date,
    "timestamp": _timestamp,
    "timestamptz": _timestamptz,
    "time": _time,
    "json": _json,
    "jsonb": _json,
    "bit": _bit,
    "varbit": _bit,
    "point": _point,
    "geometry": _spatial,
    "geography": _spatial,
    "hstore": _hstore,
    "vector": _vector,
    "name": _name,
    "char": _byte,
}
