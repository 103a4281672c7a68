"""Stream configurations of the API: what a client sends, with every default, range and choice.

A configuration is kept as the document that is shown: what was given, with defaults filled in, and keys that we do not
know kept as they are.  `options_of` and the like make of it what a mover is told.
"""

from __future__ import annotations

from typing import Any

import msgspec

from repman.streams.api.bodies import BadField, line_of_text, one_of, shaped, within
from repman.streams.job import Creation, Mode, OnError, Operation, Snapshot, WriteMode

BUNDLE = (10, 1000)
"""The range of dataBundleSize, as the page has it."""
MOST_TABLES = 10_000
_MOST = 2**53
"""A count that every JSON parser reads exactly."""
_MOST_TEXT = 100_000
_MODES = {"convert": Mode.CONVERT, "load": Mode.CONVERT, "cdc": Mode.CDC}
"""Later clients say ``load`` for ``convert``."""
_OPERATIONS = tuple(each.value for each in Operation)
_CREATIONS = tuple(each.value for each in Creation)


class Intervals(msgspec.Struct):
    """Seconds between two reports; 0: none."""

    source: int = 3
    target: int = 3


class LimitsBody(msgspec.Struct, rename="camel"):
    """Where the stream ends by itself; 0: nowhere."""

    number_of_events: int = 0
    elapsed_time: int = 0


class TableBody(msgspec.Struct, rename="camel"):
    """One table."""

    name: str
    target: str = ""
    query: str = ""
    where: str = ""
    columns: list[str] = []
    operations: list[str] = []
    skip_index_creation: bool = False
    selected: bool = True


class OverrideBody(msgspec.Struct):
    """A column type of the user's choice."""

    to: str
    table: str = ""
    column: str = ""
    type: str = ""


class StructureBody(msgspec.Struct, rename="camel"):
    """What is made in the target: a word of `Creation`, or whether at all."""

    tables: str | bool = True
    indexes: str | bool = True
    foreign_keys: str | bool = True
    check_constraints: str | bool = True


class ConfigBody(msgspec.Struct, rename="camel"):
    """A stream configuration."""

    name: str
    source: str
    target: str
    mode: str
    tables: list[TableBody]
    data_bundle_size: int = 500
    reporting_intervals: Intervals = msgspec.field(default_factory=Intervals)
    limits: LimitsBody = msgspec.field(default_factory=LimitsBody)
    create_structure: bool = True
    operations: list[str] = []
    skip_index_creation: bool = False
    structure_options: StructureBody | None = None
    skip_data: bool = False
    source_database: str = ""
    source_schema: str = ""
    target_database: str = ""
    target_schema: str = ""
    description: str = ""
    write_mode: str = WriteMode.APPEND.value
    on_error: str = OnError.STOP.value
    max_errors: int = 0
    snapshot: str = Snapshot.NEVER.value
    resume_from: str = "now"
    zero_dates: str = "null"
    type_overrides: list[OverrideBody] = []
    verify: bool = False
    parallel: int = 0
    replication_slot: str = ""
    publication_name: str = ""
    source_members: list[str] = []
    """Connections to other members of the source's cluster."""
    keep_position: bool = False
    """Keep slot and checkpoint when the stream is over, so that another one can go on from there."""


_FILLED_IN = ("reportingIntervals", "dataBundleSize", "limits", "createStructure")
"""Options of the page: shown in every configuration, also where they were not given."""


def config_of(document: dict[str, Any]) -> tuple[dict[str, Any], ConfigBody]:
    """The document to be kept of a request, without name and ids, and what it says; raises BadField."""
    given = _normal(document)
    body = shaped(given, ConfigBody)
    _check(body)
    filled = {name: msgspec.to_builtins(body)[name] for name in _FILLED_IN}
    kept = {**given, **filled, "mode": _MODES[body.mode].value}
    kept["tables"] = [table for table in given["tables"] if table.get("selected", True)]
    return kept, body


def read(kept: dict[str, Any]) -> ConfigBody:
    """What a stored document says."""
    return shaped(kept, ConfigBody)


def mode_of(body: ConfigBody) -> Mode:
    """Convert or cdc."""
    return _MODES[body.mode]


def _normal(document: dict[str, Any]) -> dict[str, Any]:
    """Null as nothing given, an old spelling as the new one."""
    given = {name: value for name, value in document.items() if value is not None}
    limits = given.get("limits")
    if isinstance(limits, dict):
        limits = {"numberOfEvents" if name == "numberOfevents" else name: value for name, value in limits.items()}
        given["limits"] = {name: value for name, value in limits.items() if value is not None}
    tables = given.get("tables")
    if isinstance(tables, list):
        given["tables"] = [
            {name: value for name, value in each.items() if value is not None} if isinstance(each, dict) else each
            for each in tables
        ]
    return given


def _check(body: ConfigBody) -> None:
    if body.name:
        # An empty one is made up of source, target and tables.
        line_of_text("name", body.name, 255)
    line_of_text("source", body.source, 64)
    line_of_text("target", body.target, 64)
    one_of("mode", body.mode, tuple(_MODES))
    within("dataBundleSize", body.data_bundle_size, *BUNDLE)
    within("reportingIntervals.source", body.reporting_intervals.source, 0, 86_400)
    within("reportingIntervals.target", body.reporting_intervals.target, 0, 86_400)
    within("limits.numberOfEvents", body.limits.number_of_events, 0, _MOST)
    within("limits.elapsedTime", body.limits.elapsed_time, 0, _MOST)
    within("maxErrors", body.max_errors, 0, _MOST)
    within("parallel", body.parallel, 0, 64)
    one_of("writeMode", body.write_mode, tuple(WriteMode))
    one_of("onError", body.on_error, tuple(OnError))
    one_of("snapshot", body.snapshot, tuple(Snapshot))
    one_of("zeroDates", body.zero_dates, ("null", "epoch", "fail"))
    for field in ("sourceDatabase", "sourceSchema", "targetDatabase", "targetSchema", "replicationSlot"):
        _short(body, field)
    _short(body, "publicationName")
    line_of_text("resumeFrom", body.resume_from, 4096)
    if len(body.description) > _MOST_TEXT:
        raise BadField("description", f"must not be longer than {_MOST_TEXT} characters")
    _check_operations("operations", body.operations)
    _check_structure(body.structure_options)
    _check_tables(body)
    _check_relations(body)
    for index, override in enumerate(body.type_overrides):
        line_of_text(f"typeOverrides[{index}].to", override.to, 200)


def _short(body: ConfigBody, field: str) -> None:
    text = getattr(body, "".join(f"_{each.lower()}" if each.isupper() else each for each in field))
    if text:
        line_of_text(field, text, 64)


def _check_operations(field: str, operations: list[str]) -> None:
    for index, operation in enumerate(operations):
        one_of(f"{field}[{index}]", operation, _OPERATIONS)


def _check_structure(structure: StructureBody | None) -> None:
    for name, value in {} if structure is None else msgspec.to_builtins(structure).items():
        if isinstance(value, str):
            one_of(f"structureOptions.{name}", value, _CREATIONS)


def _check_tables(body: ConfigBody) -> None:
    if not any(table.selected for table in body.tables):
        raise BadField("tables", "must name at least one table")
    if len(body.tables) > MOST_TABLES:
        raise BadField("tables", f"must not name more than {MOST_TABLES} tables")
    seen: set[str] = set()
    for index, table in enumerate(body.tables):
        field = f"tables[{index}]"
        line_of_text(f"{field}.name", table.name, 200)
        # A name with its schema and one without may mean the same; only who knows the schema can tell.
        if table.name in seen:
            raise BadField(f"{field}.name", f"is there twice: {table.name}", table.name)
        seen.add(table.name)
        if table.target:
            line_of_text(f"{field}.target", table.target, 200)
        _check_operations(f"{field}.operations", table.operations)
        for number, column in enumerate(table.columns):
            line_of_text(f"{field}.columns[{number}]", column, 64)
        for name, text in (("query", table.query), ("where", table.where)):
            if "\0" in text or len(text) > _MOST_TEXT:
                raise BadField(f"{field}.{name}", f"must be SQL of at most {_MOST_TEXT} characters without NUL")
            if text and mode_of(body) is Mode.CDC:
                raise BadField(f"{field}.{name}", "can be used with mode convert only: changes come from the log")
            if text and not text.strip():
                raise BadField(f"{field}.{name}", "must not be blank")


def _check_relations(body: ConfigBody) -> None:
    if body.write_mode != WriteMode.APPEND and mode_of(body) is Mode.CDC and body.write_mode != WriteMode.UPSERT:
        raise BadField("writeMode", "must be upsert with mode cdc, which applies every change by its key")
    if len(body.source_members) > 16:
        raise BadField("sourceMembers", "must not name more than 16 connections")
