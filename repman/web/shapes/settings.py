"""Shapes of changed settings."""

from __future__ import annotations

from repman.web.shapes.common import BOOLEAN, NUMBER, REASON, STRING, array, each, nullable, one_of, record

_VALUE = {"type": ["string", "number", "boolean"]}
OPTION = record(
    {
        **each("name key group type where author changedAt inert help", STRING),
        "scope": one_of("server", "cluster"),
        "choices": array(STRING),
        "minimum": nullable(NUMBER),
        "maximum": nullable(NUMBER),
        "default": _VALUE,
        "value": _VALUE,
        "origin": one_of("default", "saved", "include", "main", "override", "environment", "flag"),
        **each("live onlyInFile restartNeeded secret", BOOLEAN),
    },
    "Option",
)
OPTIONS = record({"options": array(OPTION), "restartNeeded": array(STRING)}, "Options")
CHANGED = record(
    {
        **each("sentence monitor", STRING),
        "warnings": array(STRING),
        "option": OPTION,
        "restartNeeded": array(STRING),
    },
    "SettingChanged",
)
RELOADED = record({"sentence": STRING, "restartNeeded": array(STRING)}, "Reloaded")
MISTAKES = record({"error": STRING, "mistakes": array(STRING)}, "Mistakes")
REFUSED = record({"error": STRING, "reasons": array(REASON)}, "SettingRefused")
SERVERS_CHANGED = record(
    {
        **each("msg error monitor", STRING),
        **each("warnings known mistakes", array(STRING)),
        "reasons": array(REASON),
    },
    "ServersChanged",
    optional=("error", "monitor", "warnings", "known", "mistakes", "reasons"),
)
