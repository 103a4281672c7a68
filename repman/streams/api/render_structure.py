"""The structure of tables as the JSON of the API."""

from __future__ import annotations

from typing import Any

from repman.streams.structure.table import Column, ForeignKey, Key, Structure, Table


def structure_document(structure: Structure, database: str) -> dict[str, Any]:
    """All tables by their name; those outside the first schema with it."""
    schemas = sorted({table.schema for table in structure.tables})
    return {
        "name": database,
        "engine": structure.version.engine.value,
        "version": ".".join(str(number) for number in structure.version.number),
        "schemas": [] if structure.version.engine.is_mysql else schemas,
        "tables": {_name(table, structure): table_document(table, database) for table in structure.tables},
    }


def table_document(table: Table, database: str) -> dict[str, Any]:
    """One table."""
    primary = list(table.primary.columns) if table.primary else []
    unique = {key.columns[0] for key in table.keys if key.unique and len(key.columns) == 1}
    return {
        "name": table.name,
        "schema": table.schema,
        "database": database,
        "columns": [_column(column, primary, unique) for column in table.columns],
        "primaryKeys": primary,
        "foreignKeys": [each for key in table.foreign_keys for each in _foreign_key(key)],
        "indexes": [_index(key, False) for key in table.keys]
        + ([_index(table.primary, True)] if table.primary else []),
        "checkConstraints": [{"name": check.name, "clause": check.expression} for check in table.checks],
        "comment": table.comment,
        "estimatedRows": table.estimated_rows,
        "estimatedSizeBytes": table.estimated_bytes,
    }


def _name(table: Table, structure: Structure) -> str:
    plain = structure.version.engine.is_mysql or table.schema == "public"
    return table.name if plain else f"{table.schema}.{table.name}"


def _column(column: Column, primary: list[str], unique: set[str]) -> dict[str, Any]:
    default = column.default
    return {
        "name": column.name,
        "dataType": column.type.name,
        "columnType": column.type.full,
        "isNullable": column.nullable,
        "isUnsigned": column.type.unsigned,
        "isPrimaryKey": column.name in primary,
        "isUnique": column.name in unique or primary == [column.name],
        "defaultValue": {"String": default.text if default else "", "Valid": default is not None},
        "length": {"Int64": column.type.length or 0, "Valid": column.type.length is not None},
        "precision": column.type.precision,
        "scale": column.type.scale,
        "characterSet": column.type.charset,
        "collation": column.type.collation,
        "enumValues": list(column.type.labels),
        "autoIncrement": column.auto,
        "generated": column.generated,
        "comment": column.comment,
    }


def _foreign_key(key: ForeignKey) -> list[dict[str, Any]]:
    return [
        {
            "name": key.name,
            "sourceColumn": column,
            "referencedSchema": key.parent_schema,
            "referencedTable": key.parent,
            "referencedColumn": parent,
            "onUpdate": key.on_update,
            "onDelete": key.on_delete,
        }
        for column, parent in zip(key.columns, key.parent_columns, strict=True)
    ]


def _index(key: Key, primary: bool) -> dict[str, Any]:
    return {
        "name": key.name,
        "columns": [part.column or part.expression for part in key.parts],
        "isUnique": key.unique or primary,
        "isPrimary": primary,
        "type": key.method,
        "isFullTextIndex": key.method == "fulltext",
    }
