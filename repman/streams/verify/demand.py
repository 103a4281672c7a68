"""Verification and repair of a stream's tables at any time, by its settings alone."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from repman.streams import connection as connections
from repman.streams.convert.load_open import open_loader
from repman.streams.job import StreamSettings, TableChoice
from repman.streams.structure import structure
from repman.streams.structure.mapping import mapped_tables
from repman.streams.types.types_mapped import MappedTable
from repman.streams.verify import verify
from repman.streams.verify.verify import Difference


def differences(
    settings: StreamSettings, stop: threading.Event, *, repair: bool = False
) -> Iterator[tuple[Difference, int]]:
    """Each range that differs, as it was found, and how many of its rows were copied once more with `repair`.

    Ends early when `stop` is set.  Raises StreamUnreachable, StreamFailed when tables are missing, RowsRefused when the
    target does not take a row, and the drivers' errors.
    """
    for choice, table in _tables(settings):
        with verify.sides(settings, choice, table) as (source, target):
            for each in verify.differences(source, target, choice.name, stop.is_set):
                rows = 0
                if repair and not stop.is_set():
                    with contextlib.closing(open_loader(settings.target)) as loader:
                        rows = verify.repair(source, target, loader, each)
                yield each, rows


def _tables(settings: StreamSettings) -> list[tuple[TableChoice, MappedTable]]:
    found = structure.chosen(settings.source, settings.tables)
    structure.require(found, settings.source, settings.tables)
    version = connections.version(settings.target)
    with structure.reader(settings.source) as asking:
        facts = structure.facts(asking, found, version)
    return list(zip(settings.tables, mapped_tables(settings, found, version, facts), strict=True))
