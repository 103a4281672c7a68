"""Where a new stream of changes begins: the target's structure, the copy of what is there, and the first checkpoint."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from repman.errors import StreamFailed
from repman.streams.cdc import binlog_position, publication, slot
from repman.streams.cdc import source as cdc_source
from repman.streams.cdc.apply import Applier
from repman.streams.cdc.known import Known, planned
from repman.streams.cdc.pgoutput import Lsn
from repman.streams.cdc.pgoutput_session import ReplicationSession
from repman.streams.cdc.position_store import Checkpoint, TableCount
from repman.streams.convert.convert import Convert
from repman.streams.job import (
    Family,
    Limits,
    Mode,
    Operation,
    Progress,
    Snapshot,
    StreamSettings,
    WriteMode,
)

Copying = Callable[[Progress], None]
"""Hears how far the copy is."""
TOLD_EVERY = 0.5


def begin(
    settings: StreamSettings,
    known: Known,
    writer: Applier,
    checkpoint: Checkpoint | None,
    stop: threading.Event,
    copying: Copying,
) -> Checkpoint:
    """The checkpoint from which to follow, written to the target; not `copied` when `stop` ended the copy early.

    Raises what the mover `Convert` raises, and StreamFailed for what stands against following the tables.
    """
    found = planned(settings, known)
    if found.problems:
        raise StreamFailed("; ".join(found.problems))
    columns = {shape.followed.name: shape.columns for shape in found.shapes}
    with_rows = settings.options.snapshot is Snapshot.INITIAL
    if not with_rows:
        _copy(settings, False, "", stop, copying)
        if stop.is_set():
            return Checkpoint("")
        return _written(writer, Checkpoint(_now(settings, known, writer), structure=columns, copied=True))
    if known.member.family is Family.MYSQL:
        copy = _copy(settings, True, "", stop, copying)
        first = Checkpoint(copy.position, structure=columns)
    else:
        first, copy = _copy_from_slot(settings, known, writer, checkpoint, columns, stop, copying)
    if stop.is_set():
        return first
    counts = {table.name: TableCount(table.rows, table.bytes, table.failed) for table in copy.progress().tables}
    copied = sum(count.rows for count in counts.values())
    return _written(writer, replace(first, counts=counts, copied=True, copied_rows=copied))


def _written(writer: Applier, checkpoint: Checkpoint) -> Checkpoint:
    writer.begin()
    writer.commit(checkpoint)
    return checkpoint


def _copy(settings: StreamSettings, rows: bool, snapshot: str, stop: threading.Event, copying: Copying) -> Convert:
    """Make the structure and, if so told, copy the rows; goes on where an earlier attempt was."""
    options = replace(
        settings.options,
        skip_data=not rows,
        write_mode=WriteMode.UPSERT if not snapshot else WriteMode.APPEND,
        verify=False,
    )
    plain = replace(settings, mode=Mode.CONVERT, limits=Limits(), options=options)
    copy = Convert(plain, snapshot=snapshot)
    ended = threading.Event()

    def tell() -> None:
        while not ended.wait(TOLD_EVERY):
            copying(copy.progress())

    telling = threading.Thread(target=tell, name="copy progress", daemon=True)
    telling.start()
    try:
        copy.run(stop)
    finally:
        ended.set()
        telling.join()
        copying(copy.progress())
    return copy


def _copy_from_slot(
    settings: StreamSettings,
    known: Known,
    writer: Applier,
    checkpoint: Checkpoint | None,
    columns: dict[str, Any],
    stop: threading.Event,
    copying: Copying,
) -> tuple[Checkpoint, Convert]:
    """Copy the rows as they are where a new slot begins; a copy that was interrupted goes on in a later moment.

    The rows of a later moment are met by changes that they have already, which are applied by key and so do no harm.
    """
    name = settings.options.slot or slot.own_name(settings.config)
    with contextlib.ExitStack() as stack:
        snapshot = ""
        if checkpoint is None:
            with cdc_source.session(known.member) as opened:
                publish(settings, opened)
                slot.drop(opened, name)
            session = ReplicationSession(known.member)
            stack.callback(session.close)
            position, snapshot = session.create_slot(name)
            checkpoint = _written(writer, Checkpoint(str(Lsn(position)), structure=columns))
        return checkpoint, _copy(settings, True, snapshot, stop, copying)


# positions


def _now(settings: StreamSettings, known: Known, writer: Applier) -> str:
    wanted = settings.options.resume_from
    if wanted == "checkpoint":
        wanted = writer.last_of(settings.config) or "now"
    if known.member.family is Family.MYSQL:
        return _binlog_position(known, wanted)
    return _slot_position(settings, known, wanted)


def _binlog_position(known: Known, wanted: str) -> str:
    if wanted != "now":
        return str(read_binlog(known, wanted))
    with cdc_source.session(known.member) as opened:
        return str(cdc_source.binlog_now(opened, known.source))


def read_binlog(known: Known, text: str) -> binlog_position.BinlogPosition:
    """A position as a user or checkpoint wrote it.  Raises StreamFailed."""
    try:
        return binlog_position.parse(text, known.source.engine == "mariadb")
    except ValueError as error:
        raise StreamFailed(f"{text!r} is no position of the source's binary log: a GTID set, or file:offset") from error


def _slot_position(settings: StreamSettings, known: Known, wanted: str) -> str:
    name = settings.options.slot or slot.own_name(settings.config)
    with cdc_source.session(known.member) as opened:
        publish(settings, opened)
        if wanted != "now":
            slot.require(opened, name, read_lsn(wanted))
            return wanted
        found = slot.find(opened, name)
        if found is not None and not found.lost and found.plugin == "pgoutput":
            return str(cdc_source.ask(opened, "SELECT pg_current_wal_lsn()")[0][0])
        if found is not None:
            slot.drop(opened, name)
        return str(Lsn(slot.create(opened, name)))


def read_lsn(text: str) -> int:
    """A log position as a user or checkpoint wrote it.  Raises StreamFailed."""
    try:
        return slot.read_lsn(text)
    except ValueError as error:
        raise StreamFailed(f"{text!r} is no log position of PostgreSQL, as 16/B374D848") from error


def publish(settings: StreamSettings, opened: Any) -> None:
    """Make the publication, or bring it to the tables and operations of the stream."""
    name = settings.options.publication or slot.own_name(settings.config)
    places = cdc_source.places(settings.source, [choice.name for choice in settings.tables])
    wanted = frozenset().union(*(choice.operations for choice in settings.tables))
    operations = [str(operation) for operation in Operation if operation in wanted] + ["truncate"]
    publication.ensure(opened, name, [publication.Published(*place) for place in places], operations)
