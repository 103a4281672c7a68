"""The statements that make a table's structure in MySQL and MariaDB; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from repman.streams.structure.mapping import Place, fitting_name
from repman.streams.structure.table import Column, Engine, ForeignKey, Key, KeyPart, literal, qualified, quoted
from repman.streams.types.types_mapped import Mapped, MappedTable, Rule
from repman.streams.types.types_to_mysql import LONGEST_KEY_TEXT

_MY = Engine.MYSQL
_NOW = re.compile(r"(?:now\(\)|current_timestamp(?:\(\d\))?|localtimestamp|statement_timestamp\(\))", re.IGNORECASE)
_BLOBS = ("LONGTEXT", "LONGBLOB", "JSON")
_BLOB_TYPES = frozenset({"text", "tinytext", "mediumtext", "longtext", "blob", "tinyblob", "mediumblob", "longblob"})
_USUAL_PREFIX = 191
"""Characters of utf8mb4 that fit into the shortest limit of a key part (767 bytes)."""
_RULES = {"SET DEFAULT": "NO ACTION"}


def name_of(table: MappedTable) -> str:
    """The target's table, quoted."""
    return qualified(_MY, table.schema, table.name)


def create_table(table: MappedTable) -> tuple[str, ...]:
    """The table with its primary key, by which InnoDB stores it, and its comments."""
    parts = [_definition(table, column) for column in table.columns]
    parts += [_generated(column) for column in table.source.columns if _stays_generated(table, column)]
    key = primary_columns(table)
    if key:
        assert table.source.primary is not None
        parts.append(
            "PRIMARY KEY (" + ", ".join(_part(table, part, unique=True) for part in table.source.primary.parts) + ")"
        )
    automatic = [column.name for column in table.columns if is_automatic(table, column)]
    if automatic and automatic[0] != (key[0] if key else ""):
        parts.append(f"KEY ({quoted(_MY, automatic[0])})")
    text = f"CREATE TABLE {name_of(table)} (" + ", ".join(parts) + ") ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4"
    if table.source.comment:
        text += f" COMMENT={literal(_MY, table.source.comment[:2048])}"
    return (text,)


def _stays_generated(table: MappedTable, column: Column) -> bool:
    return bool(column.generated) and table.source_version.engine.is_mysql and table.mapped(column.name) is None


def _generated(column: Column) -> str:
    kind = "STORED" if column.stored else "VIRTUAL"
    text = f"{quoted(_MY, column.name)} {column.type.full} GENERATED ALWAYS AS ({column.generated}) {kind}"
    return text + (f" COMMENT {literal(_MY, column.comment)}" if column.comment else "")


def is_automatic(table: MappedTable, column: Mapped) -> bool:
    """Whether it gets AUTO_INCREMENT: a table has one at most."""
    first = next((each for each in table.columns if each.source.auto), None)
    return column is first


def _definition(table: MappedTable, column: Mapped) -> str:
    text = f"{quoted(_MY, column.name)} {column.declared}"
    if not column.nullable or column.name in primary_columns(table):
        text += " NOT NULL"
    else:
        text += " NULL"
    if is_automatic(table, column):
        text += " AUTO_INCREMENT"
    else:
        default = default_of(table, column)
        text += f" DEFAULT {default}" if default is not None else ""
    if column.source.on_update:
        digits = f"({column.source.type.precision})" if column.source.type.precision else ""
        text += f" ON UPDATE CURRENT_TIMESTAMP{digits}"
    if column.source.invisible:
        text += " INVISIBLE"
    if column.source.comment:
        text += f" COMMENT {literal(_MY, column.source.comment[:1024])}"
    return text


def default_of(table: MappedTable, column: Mapped) -> str | None:
    """The default in MySQL's SQL; None when there is none, or none that can be said there."""
    default = column.source.default
    if default is None:
        return None
    if table.source_version.engine.is_mysql:
        return _same_default(table, column)
    if default.expression:
        return _translated(column, default.text)
    if column.rule is Rule.BOOLEAN:
        return "1" if default.text in ("true", "t") else "0"
    if column.rule is Rule.BYTES:
        return f"0x{default.text[2:]}" if default.text.startswith("\\x") and len(default.text) > 2 else None
    if column.rule is Rule.BITS:
        return f"b'{default.text}'" if set(default.text) <= {"0", "1"} else None
    if column.rule in (Rule.ARRAY, Rule.RANGE, Rule.HSTORE, Rule.POINT, Rule.SPATIAL, Rule.MONEY):
        return None
    return _blob_default(table, column, literal(_MY, default.text))


def _same_default(table: MappedTable, column: Mapped) -> str | None:
    default = column.source.default
    assert default is not None
    text = default.text if default.expression else literal(_MY, default.text)
    if default.expression and not _NOW.fullmatch(text) and not text.startswith(("b'", "0x", "x'")):
        return f"({text})"
    return _blob_default(table, column, text)


def _blob_default(table: MappedTable, column: Mapped, text: str) -> str | None:
    is_blob = column.declared.startswith(_BLOBS) or column.source.type.name in _BLOB_TYPES
    if not is_blob or table.target_version.engine is Engine.MARIADB:
        return text
    # MySQL lets them have expressions only
    return f"({text})" if table.target_version.number >= (8, 0, 13) else None


def _translated(column: Mapped, text: str) -> str | None:
    if text in ("true", "false"):
        return "1" if text == "true" else "0"
    plain = text.partition("::")[0]
    if _NOW.fullmatch(plain.strip("()")) or _NOW.fullmatch(plain):
        if column.rule not in (Rule.DATETIME, Rule.INSTANT):
            return None
        digits = 6 if column.source.type.precision is None else column.source.type.precision
        return f"CURRENT_TIMESTAMP({digits})" if digits else "CURRENT_TIMESTAMP"
    if text.lower() == "gen_random_uuid()":
        return "(uuid())"
    return None


def lost_default(table: MappedTable, column: Mapped) -> str | None:
    """A sentence when the column has a default that the target will not have."""
    if column.source.default is None or default_of(table, column) is not None:
        return None
    return f"its default {column.source.default.text} cannot be said in MySQL and is left out"


def primary_columns(table: MappedTable) -> tuple[str, ...]:
    """The primary key's columns; empty when there is none, or not all of them are moved."""
    key = table.source.primary
    if key is None or not all(table.mapped(name) for name in key.columns):
        return ()
    return key.columns


def create_index(table: MappedTable, key: Key) -> tuple[str | None, str]:
    """The clause for ALTER TABLE that makes an index, or None and why there is none."""
    if any(part.column and table.mapped(part.column) is None for part in key.parts):
        return None, f"index {key.name} is left out, as not all its columns are moved"
    name = quoted(_MY, fitting_name(_MY, key.name))
    same = table.source_version.engine.is_mysql
    if key.where:
        return None, f"index {key.name} is left out, as MySQL has no partial indexes"
    if any(part.expression for part in key.parts):
        if key.method == "gin" and "to_tsvector" in key.definition:
            return None, f"index {key.name} is left out: make a FULLTEXT index where it is needed"
        if not same or table.target_version.engine is Engine.MARIADB:
            return None, f"index {key.name} is left out, as it is made of an expression"
    if same and key.method in ("fulltext", "spatial"):
        columns = ", ".join(quoted(_MY, part.column) for part in key.parts)
        return f"ADD {key.method.upper()} INDEX {name} ({columns})", ""
    if key.method not in ("btree", "hash"):
        return None, f"index {key.name} is left out, as MySQL has no indexes of kind {key.method}"
    parts = ", ".join(_part(table, part, unique=key.unique) for part in key.parts)
    return f"ADD {'UNIQUE ' if key.unique else ''}INDEX {name} ({parts})", ""


def _part(table: MappedTable, part: KeyPart, *, unique: bool) -> str:
    if part.expression:
        return f"({part.expression})"
    mapped = table.mapped(part.column)
    text = quoted(_MY, part.column)
    prefix = part.prefix
    if mapped is not None and not prefix and mapped.declared.startswith(_BLOBS):
        prefix = _USUAL_PREFIX
    length = mapped.source.type.length if mapped is not None else None
    if (
        not prefix
        and length
        and mapped
        and mapped.declared.startswith("VARCHAR")
        and length > LONGEST_KEY_TEXT
        and not unique
    ):
        prefix = _USUAL_PREFIX
    return text + (f"({prefix})" if prefix else "") + (" DESC" if part.descending else "")


def add_foreign_key(table: MappedTable, key: ForeignKey, places: Mapping[Place, Place]) -> str | None:
    """The reference; `places` says where tables went; None when the parent is not among them."""
    parent = places.get((key.parent_schema, key.parent))
    if parent is None or not all(table.mapped(name) for name in key.columns):
        return None
    mine = ", ".join(quoted(_MY, name) for name in key.columns)
    theirs = ", ".join(quoted(_MY, name) for name in key.parent_columns)
    on_update = _RULES.get(key.on_update, key.on_update)
    on_delete = _RULES.get(key.on_delete, key.on_delete)
    return (
        f"ALTER TABLE {name_of(table)} ADD CONSTRAINT {quoted(_MY, fitting_name(_MY, key.name))} FOREIGN KEY ({mine})"
        f" REFERENCES {qualified(_MY, *parent)} ({theirs}) ON UPDATE {on_update} ON DELETE {on_delete}"
    )


def add_checks(table: MappedTable) -> tuple[tuple[str, str], ...]:
    """CHECK constraints of another server of MySQL's kind, each a name and the statement."""
    if not table.source_version.engine.is_mysql:
        return ()
    return tuple(
        (
            check.name,
            f"ALTER TABLE {name_of(table)} ADD CONSTRAINT {quoted(_MY, check.name)} CHECK ({check.expression})",
        )
        for check in table.source.checks
    )


def restart(table: MappedTable, at_least: int) -> str:
    """Let AUTO_INCREMENT go on at `at_least`; the server goes behind its largest value by itself."""
    return f"ALTER TABLE {name_of(table)} AUTO_INCREMENT = {at_least}"
