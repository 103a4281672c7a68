"""The words that the shapes are written in, and the shapes that all routes share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}


def record(properties: Mapping[str, Schema], title: str = "", optional: tuple[str, ...] = ()) -> Schema:
    """An object with these keys, all required but the optional ones; a title makes it a component."""
    made: dict[str, Any] = {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
    }
    return {"title": title, **made} if title else made


def each(names: str, schema: Schema) -> dict[str, Schema]:
    """The same schema for several keys, named with blanks between them."""
    return dict.fromkeys(names.split(), schema)


def array(items: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": items}


def mapping(values: Schema) -> Schema:
    """An object whose keys are names."""
    return {"type": "object", "additionalProperties": values}


def nullable(schema: Schema) -> Schema:
    """The same, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(*words: str) -> Schema:
    """One of these words."""
    return {"type": "string", "enum": list(words)}


ERROR = record({"error": STRING}, "Error")
"""``error`` says what is wrong and what to do."""
INCIDENT = record({"error": STRING, "incident": STRING}, "Incident", optional=("incident",))
DENIED = record(each("error user missing_grant", STRING), "Denied")
REASON = record(each("code sentence server", STRING), "Reason")
ALIVE = record({"alive": one_of("running", "starting", "errors")}, "Alive")
TOKEN = record({"token": STRING}, "Token")
CONFIG: Schema = {"title": "Config", "type": "object"}
"""One key for each option, secrets masked; docs/options.md says what they mean."""
LOG_LINE = record(each("group level timestamp text", STRING), "LogLine")
LOG = record({"buffer": nullable(array(LOG_LINE)), "len": INTEGER, "line": INTEGER}, "Log")
EVENT = record({"at": NUMBER, **each("level text server code", STRING)}, "Event")
ALERT = record(each("number desc from code severity server", STRING), "Alert")
ALERTS = record(each("errors warnings", array(ALERT)), "Alerts")
