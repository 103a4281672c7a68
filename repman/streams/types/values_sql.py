"""What the source's server is asked to print, so that it makes the loader's fields itself where its SQL can; pure.

For MySQL a field is a whole field of the line with its quotes, as the server joins all of a row's fields to one text.
For PostgreSQL it is a value, which COPY puts into quotes.  Where SQL cannot do it, or a row is too large for it, the
values are read as they are and `repman.streams.types.values_rows` makes the fields.
"""

from __future__ import annotations

from repman.streams.structure.table import Engine, Type, Version, quoted
from repman.streams.types.types_mapped import Mapped, MappedTable, Rule

_UTF8 = frozenset({"", "utf8mb4", "utf8mb3", "utf8", "ascii"})

_BYTES = 4
"""Of a character, at most."""
_LONGEST_TEXT = 8192
"""Bytes of a text whose quotes MySQL may double: its REPLACE moves the rest of the text for each one that it finds."""


def value(table: MappedTable, mapped: Mapped) -> str:
    """What is selected to get the text of the value itself."""
    name = quoted(table.source_version.engine, mapped.name)
    if not table.source_version.engine.is_mysql:
        return name
    if mapped.source.type.name == "float":
        # the text protocol prints six digits of a FLOAT
        return f"{name}*1.0e0"
    return name


def field(table: MappedTable, mapped: Mapped) -> str | None:
    """What is selected to get the loader's field; None when SQL cannot make it."""
    if not table.source_version.engine.is_mysql:
        return _postgresql(table, mapped)
    made = _mysql(table, mapped)
    if made is None:
        return None
    # IFNULL would hide the NULL that a function gives when its result is too large
    name = quoted(Engine.MYSQL, mapped.name)
    if mapped.rule in (Rule.DATE, Rule.DATETIME, Rule.INSTANT):
        return f"IFNULL({made},'NULL')"
    return f"IF({name} IS NULL,'NULL',{made})" if mapped.source.nullable else made


def _mysql(table: MappedTable, mapped: Mapped) -> str | None:
    name = quoted(Engine.MYSQL, mapped.name)
    same = table.target_version.engine.is_mysql
    rule = mapped.rule
    if rule is Rule.PLAIN:
        return name
    if rule is Rule.FLOAT:
        return value(table, mapped)
    if rule in (Rule.TEXT, Rule.JSON):
        text = name
        if mapped.source.type.charset not in _UTF8 or mapped.source.type.name in ("enum", "set"):
            text = f"CONVERT({name} USING utf8mb4)"
        made = f"""CONCAT('"',REPLACE({text},'"','""'),'"')"""
        longest = mapped.source.type.length
        if longest is not None and longest * _BYTES <= _LONGEST_TEXT:
            return made
        return f"IF(LENGTH({name})>{_LONGEST_TEXT},NULL,{made})"
    if rule is Rule.BYTES:
        prefix = '"' if same else r'"\\x'
        return f"""CONCAT('{prefix}',HEX({name}),'"')"""
    if rule in (Rule.RAW_SPATIAL, Rule.RAW_BITS):
        return f"HEX({name})"
    if rule is Rule.BIT_BOOLEAN:
        return f"{name}+0"
    if rule is Rule.BITS:
        return f"LPAD(BIN({name}+0),{mapped.source.type.length or 1},'0')"
    if rule in (Rule.DATE, Rule.DATETIME, Rule.INSTANT):
        return _mysql_date(mapped, name)
    return None


def _mysql_date(mapped: Mapped, name: str) -> str:
    if mapped.zero_dates == "fail":
        return name
    instead = "NULL"
    if mapped.zero_dates == "epoch":
        instead = "'1970-01-01'" if mapped.rule is Rule.DATE else "'1970-01-01 00:00:00'"
    return f"IF(YEAR({name})*MONTH({name})*DAYOFMONTH({name})=0,{instead},{name})"


def not_numbers(source: Version, found: Type) -> str:
    """The values of a PostgreSQL number that are none; numeric knows infinity since PostgreSQL 14."""
    return "'NaN'" if found.name == "numeric" and source.number < (14,) else "'NaN','Infinity','-Infinity'"


def _postgresql(table: MappedTable, mapped: Mapped) -> str | None:
    name = quoted(Engine.POSTGRESQL, mapped.name)
    if not table.target_version.engine.is_mysql:
        return name
    rule = mapped.rule
    if rule in (Rule.PLAIN, Rule.TEXT, Rule.JSON):
        return name
    if rule is Rule.NUMBER:
        return (
            f"CASE WHEN {name} IN ({not_numbers(table.source_version, mapped.source.type)}) THEN NULL ELSE {name} END"
        )
    if rule is Rule.MONEY:
        return f"{name}::numeric"
    if rule is Rule.BOOLEAN:
        return f"{name}::int"
    if rule is Rule.BYTES:
        return f"encode({name},'hex')"
    if rule in (Rule.DATE, Rule.DATETIME, Rule.INSTANT):
        text = f"({name} AT TIME ZONE 'UTC')" if rule is Rule.INSTANT else name
        last = "'9999-12-31'" if rule is Rule.DATE else "'9999-12-31 23:59:59.999999'"
        return f"CASE WHEN {name} BETWEEN '0001-01-01' AND {last} THEN {text} END"
    return None
