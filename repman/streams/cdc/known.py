"""What a look at both ends of a stream of changes shows: versions, tables, and which of them are followed how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from repman.streams.cdc import position_store
from repman.streams.cdc import source as cdc_source
from repman.streams.cdc.plan import Plan, plan
from repman.streams.cdc.position_store import Checkpoint
from repman.streams.job import Endpoint, Family, StreamSettings
from repman.streams.structure.mapping import mapped_tables
from repman.streams.structure.table import Column, Structure, Table, Version
from repman.streams.types.types_mapped import MappedTable


@dataclass(frozen=True, slots=True)
class Known:
    """What a look at both ends has shown."""

    member: Endpoint
    source: Version
    target: Version
    tables: tuple[Table, ...]
    mapped: tuple[MappedTable, ...]
    targets: Mapping[tuple[str, str], Table]


Structures = Mapping[str, tuple[Column, ...]]
"""The source's columns of each table, by its name in the stream."""


def look(settings: StreamSettings, member: Endpoint, structures: Structures) -> Known:
    """Read the structure of both ends.  Raises StreamFailed when a table is missing.

    Where `structures` knows a table, its columns are those: the stream's log may be behind the catalog.
    """
    with cdc_source.session(member) as opened:
        source = cdc_source.version_of(opened, member)
        names = cdc_source.places(settings.source, [choice.name for choice in settings.tables])
        found = {(table.schema, table.name): table for table in cdc_source.tables(opened, member, source, names)}
    for choice, place in zip(settings.tables, names, strict=True):
        if choice.name in structures and place in found:
            found[place] = replace(found[place], columns=structures[choice.name])
    tables = tuple(found.values())
    with cdc_source.session(settings.target) as opened:
        target = cdc_source.version_of(opened, settings.target)
        mapped = mapped_tables(settings, Structure(source, tables), target, {})
        there = cdc_source.tables(opened, settings.target, target, [(table.schema, table.name) for table in mapped])
    return Known(member, source, target, tables, mapped, {(table.schema, table.name): table for table in there})


def planned(settings: StreamSettings, known: Known) -> Plan:
    """The tables that are followed."""
    return plan(settings.tables, known.mapped, known.targets)


def structures(settings: StreamSettings) -> Structures:
    """What the stream's checkpoint knows of the source's tables; empty for a new stream.  Changes nothing."""
    with cdc_source.session(settings.target) as opened:
        text = position_store.facts(opened, settings.target.family is Family.MYSQL, settings.stream)
    return Checkpoint.read("", text).structure if text else {}
