"""Which type a column gets when source and target are of one kind; pure.

The type stays as it is declared.  Between MySQL and MariaDB, what one of them does not have becomes what comes nearest.
"""

from __future__ import annotations

import re
from dataclasses import replace

from repman.streams.structure.table import Column, Engine, Table, Version
from repman.streams.types.types_mapped import Facts, Mapped, Rule, Wishes, overridden

_UNQUOTED = frozenset(
    [
        "tinyint",
        "smallint",
        "mediumint",
        "int",
        "bigint",
        "decimal",
        "numeric",
        "year",
        "date",
        "datetime",
        "timestamp",
        "time",
        "uuid",
        "inet4",
        "inet6",
    ]
)
_SPATIALS = frozenset(
    [
        "geometry",
        "point",
        "linestring",
        "polygon",
        "multipoint",
        "multilinestring",
        "multipolygon",
        "geometrycollection",
        "geomcollection",
    ]
)
_BINARIES = frozenset(["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "vector"])
_FOREIGN_TO_MYSQL = {"uuid": "char(36)", "inet4": "varchar(15)", "inet6": "varchar(45)"}
"""Types that only MariaDB has."""
_COLLATION_OF_MYSQL = re.compile(r"utf8mb4_\w*0900_(\w+)")
_COLLATION_OF_MARIADB = re.compile(r"utf8mb4_(\w*uca1400\w*|\w*nopad_\w+)")


def to_same(table: Table, column: Column, source: Version, target: Version, wishes: Wishes, facts: Facts) -> Mapped:
    """The column as it will be in a target that is of the source's kind."""
    if source.engine.is_mysql:
        mapped = _mysql(column, source, target)
    else:
        # a user's own types were made in the target before; a domain was resolved when it was read
        mapped = Mapped(column, column.type.full, Rule.TEXT, column.nullable)
    wish = wishes.override(table, column)
    return overridden(mapped, wish) if wish else mapped


def _mysql(column: Column, source: Version, target: Version) -> Mapped:
    declared, losses = column.type.full, []
    if source.engine is Engine.MARIADB and target.engine is Engine.MYSQL and column.type.name in _FOREIGN_TO_MYSQL:
        declared = _FOREIGN_TO_MYSQL[column.type.name]
        losses.append(f"{column.type.full} becomes {declared}, as MySQL has no such type")
    charset, collation = column.type.charset, column.type.collation
    # MariaDB's JSON is a text with a collation of its own, which the name JSON brings
    if charset and column.type.name != "json":
        wanted = same_collation(collation, source, target)
        if wanted != collation:
            losses.append(f"collation {collation} becomes {wanted}")
        declared += f" CHARACTER SET {charset} COLLATE {wanted}"
    mapped = Mapped(column, declared, _rule(column), column.nullable, tuple(losses))
    return replace(mapped, unquoted=column.type.name in _UNQUOTED or mapped.rule in (Rule.FLOAT, Rule.RAW_BITS))


def same_collation(collation: str, source: Version, target: Version) -> str:
    """The collation of the target that comes nearest to one of the source."""
    if source.engine is target.engine:
        return collation
    pattern = _COLLATION_OF_MYSQL if target.engine is Engine.MARIADB else _COLLATION_OF_MARIADB
    if not pattern.fullmatch(collation):
        return collation
    exact = collation.endswith(("_bin", "_cs"))
    if target.engine is Engine.MARIADB:
        return "utf8mb4_nopad_bin" if exact else "utf8mb4_unicode_520_nopad_ci"
    return "utf8mb4_0900_bin" if exact else "utf8mb4_0900_ai_ci"


def _rule(column: Column) -> Rule:
    name = column.type.name
    if name in _SPATIALS:
        return Rule.RAW_SPATIAL
    if name in _BINARIES:
        return Rule.BYTES
    if name == "bit":
        return Rule.RAW_BITS
    if name in ("float", "double", "real"):
        return Rule.FLOAT
    return Rule.PLAIN if name in _UNQUOTED else Rule.TEXT
