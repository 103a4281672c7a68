"""Stream configurations put to use: their names, and what a mover is told of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from repman.streams.api.bodies import BadField
from repman.streams.api.view import directory_of
from repman.streams.connections import Connection
from repman.streams.ids import SUFFIX
from repman.streams.job import (
    ALL_OPERATIONS,
    Creation,
    Endpoint,
    Limits,
    OnError,
    Operation,
    Options,
    Snapshot,
    StreamSettings,
    StructurePolicy,
    TableChoice,
    TypeOverride,
    WriteMode,
)
from repman.streams.registry import Stream
from repman.streams.settings import ConfigBody, StructureBody, TableBody, mode_of, read

Find = Callable[[str, str], Connection]
"""The connection of an id, which stands in that field; raises when there is none."""


def name_of(given: str, identifier: str, body: ConfigBody, source: Connection, target: Connection) -> str:
    """The configuration's name: the given one, or one that is made up, with the end of its id.

    A name that ends so already gets nothing twice.
    """
    suffix = f"_{identifier[-SUFFIX:]}"
    if given.endswith(suffix):
        return given
    return (given or _made_up(body, source, target)) + suffix


def base_name(name: str, identifier: str) -> str:
    """The name without what was added to it."""
    return name.removesuffix(f"_{identifier[-SUFFIX:]}")


def _made_up(body: ConfigBody, source: Connection, target: Connection) -> str:
    first, more = body.tables[0].name, len(body.tables) - 1
    return f"{source.type}_to_{target.type}_{first}" + (f"_and_{more}_more" if more else "")


def check_ends(body: ConfigBody, find: Find) -> tuple[Connection, Connection]:
    """Source and target; raises BadField when they are the same place, and what `find` raises."""
    source, target = find("source", body.source), find("target", body.target)
    one = source.endpoint(body.source_database, body.source_schema)
    other = target.endpoint(body.target_database, body.target_schema)
    if _place(one) == _place(other):
        raise BadField("target", "must be another database or schema than the source", body.target)
    for index, member in enumerate(body.source_members):
        if find(f"sourceMembers[{index}]", member).family is not source.family:
            raise BadField(f"sourceMembers[{index}]", f"must be a {source.type} server, as the source is", member)
    return source, target


def _place(endpoint: Endpoint) -> tuple[object, ...]:
    return endpoint.family, endpoint.host.lower(), endpoint.port, endpoint.database, endpoint.schema


def ends_of_document(document: dict[str, Any]) -> tuple[str, str]:
    """The ids of source and target in a stored configuration."""
    return str(document["source"]), str(document["target"])


def settings_of(stream: Stream, data: Path, find: Find, spent: float = 0.0) -> StreamSettings:
    """What the mover of a stream is told; raises what `find` raises."""
    body = read(stream.document)
    source = find("source", body.source)
    members = [
        find(f"sourceMembers[{index}]", each).endpoint(body.source_database, body.source_schema)
        for index, each in enumerate(body.source_members)
    ]
    return StreamSettings(
        stream=stream.id,
        config=stream.config,
        mode=mode_of(body),
        source=source.endpoint(body.source_database, body.source_schema),
        target=find("target", body.target).endpoint(body.target_database, body.target_schema),
        tables=tuple(_choice(table, body) for table in body.tables if table.selected),
        directory=directory_of(data, stream.id),
        limits=Limits(body.limits.number_of_events, body.limits.elapsed_time),
        options=_options(body, tuple(members)),
        spent=spent,
    )


def _choice(table: TableBody, body: ConfigBody) -> TableChoice:
    return TableChoice(
        name=table.name,
        target=table.target,
        columns=tuple(table.columns),
        where=table.where,
        query=table.query,
        operations=_operations(table.operations or body.operations),
        indexes=not (table.skip_index_creation or body.skip_index_creation),
    )


def _operations(words: list[str]) -> frozenset[Operation]:
    return frozenset(Operation(word) for word in words) or ALL_OPERATIONS


def _options(body: ConfigBody, members: tuple[Endpoint, ...]) -> Options:
    return Options(
        bundle_rows=body.data_bundle_size,
        structure=_structure(body),
        skip_data=body.skip_data,
        write_mode=WriteMode(body.write_mode),
        on_error=OnError(body.on_error),
        most_errors=body.max_errors,
        snapshot=Snapshot(body.snapshot),
        resume_from=body.resume_from,
        zero_dates=body.zero_dates,
        type_overrides=tuple(TypeOverride(each.to, each.table, each.column, each.type) for each in body.type_overrides),
        verify=body.verify,
        parallel=body.parallel,
        slot=body.replication_slot,
        publication=body.publication_name,
        writers=members,
    )


def _structure(body: ConfigBody) -> StructurePolicy:
    """structureOptions where they are given, else createStructure."""
    given = body.structure_options or StructureBody(*(body.create_structure,) * 4)
    made = StructurePolicy(
        _creation(given.tables),
        _creation(given.indexes),
        _creation(given.foreign_keys),
        _creation(given.check_constraints),
    )
    if not body.skip_index_creation:
        return made
    return StructurePolicy(made.tables, Creation.DISABLED, made.foreign_keys, made.checks)


def _creation(value: Any) -> Creation:
    if isinstance(value, bool):
        return Creation.IF_MISSING if value else Creation.DISABLED
    return Creation(value)
