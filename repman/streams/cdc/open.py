"""The two ends of a stream of changes, opened: what is followed, from where, and into what."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from repman.errors import StreamFailed
from repman.streams import connection
from repman.streams.cdc import begin as cdc_begin
from repman.streams.cdc import binlog_wire, publication, slot
from repman.streams.cdc import source as cdc_source
from repman.streams.cdc.apply import Applier
from repman.streams.cdc.apply_mysql import MysqlApplier
from repman.streams.cdc.apply_postgres import PostgresApplier
from repman.streams.cdc.begin import Copying
from repman.streams.cdc.binlog import BinlogReader
from repman.streams.cdc.binlog_witness import Witness, is_semi_synchronous
from repman.streams.cdc.bundle import Bundler
from repman.streams.cdc.changes import Act
from repman.streams.cdc.evolve import Evolution
from repman.streams.cdc.known import Known, look, planned
from repman.streams.cdc.pgoutput import PgoutputReader
from repman.streams.cdc.pgoutput_messages import Relation
from repman.streams.cdc.pgoutput_session import ReplicationSession
from repman.streams.cdc.position_store import Checkpoint
from repman.streams.cdc.reading import BinlogSource, PgoutputSource, Source
from repman.streams.cdc.shape import Shape
from repman.streams.job import Family, StreamSettings
from repman.streams.structure.mapping import mapped_table
from repman.streams.structure.table import Engine, Version
from repman.streams.types.types_mapped import Facts, MappedTable


@dataclass(slots=True)
class Ends:
    """What a stream works with."""

    applier: Applier
    checkpoint: Checkpoint
    shapes: tuple[Shape, ...]
    source: Callable[[Bundler], Source]
    """Opens the source's log."""
    witness: Witness | None = None
    warnings: tuple[str, ...] = ()

    retained: Callable[[], int | None] = lambda: None
    """Asks the source how many bytes of log it keeps for the stream; None: it does not say."""

    def allowed(self, position: str) -> bool:
        """Whether what ends at a position may be applied: a replica of a semi-synchronous source must have it."""
        return self.witness is None or self.witness.holds(position)

    def close(self) -> None:
        """Disconnect the target; the source is closed by who opened it."""
        if self.witness is not None:
            self.witness.close()
        self.applier.close()


def applier(settings: StreamSettings, target: Version) -> Applier:
    """What applies changes to the stream's target; not connected yet."""
    if settings.target.family is Family.MYSQL:
        return MysqlApplier(lambda: connection.mysql(settings.target), settings.stream, settings.config, target.packet)
    return PostgresApplier(lambda: connection.postgresql(settings.target), settings.stream, settings.config)


def open_ends(settings: StreamSettings, stop: threading.Event, copying: Copying) -> Ends | None:
    """Connect, make what is missing, copy what is to be copied, and find where to begin; None when `stop` was set.

    Raises StreamUnreachable, PositionLost when the source no longer has the stream's position, and StreamFailed for
    what stands against following the tables.
    """
    member = cdc_source.choose((settings.source, *settings.options.writers))
    connection.make_database(settings.target)
    with cdc_source.session(settings.target) as opened:
        writer = applier(settings, cdc_source.version_of(opened, settings.target))
    with contextlib.ExitStack() as undo:
        undo.callback(writer.close)
        checkpoint = writer.open()
        if checkpoint is None or not checkpoint.copied:
            known = look(settings, member, {} if checkpoint is None else checkpoint.structure)
            checkpoint = cdc_begin.begin(settings, known, writer, checkpoint, stop, copying)
            if not checkpoint.copied:
                return None
        known = look(settings, member, checkpoint.structure)
        found = planned(settings, known)
        if found.problems:
            raise StreamFailed("; ".join(found.problems))
        undo.pop_all()
    opener = _binlog if member.family is Family.MYSQL else _pgoutput
    with contextlib.ExitStack() as undo:
        undo.callback(writer.close)
        source = opener(settings, known, found.shapes, checkpoint)
        witness = _witness(settings, known)
        undo.pop_all()
    return Ends(writer, checkpoint, found.shapes, source, witness, retained=lambda: _retained(settings, known))


def _retained(settings: StreamSettings, known: Known) -> int | None:
    if known.member.family is Family.MYSQL:
        return None
    name = settings.options.slot or slot.own_name(settings.config)
    try:
        with cdc_source.session(known.member) as opened:
            found = slot.find(opened, name)
    except StreamFailed:
        # who follows the slot will tell
        return None
    return None if found is None else found.retained


def _witness(settings: StreamSettings, known: Known) -> Witness | None:
    """Who is asked before something is applied; None where no commit waits for a replica, or none is known."""
    others = [member for member in (settings.source, *settings.options.writers) if member != known.member]
    if not others or known.source.engine is not Engine.MARIADB:
        return None
    with cdc_source.session(known.member) as opened:
        return Witness(others) if is_semi_synchronous(opened) else None


# the source's log


def _evolution(settings: StreamSettings, known: Known) -> Evolution:
    choices = {choice.name: choice for choice in settings.tables}

    def now(shape: Shape) -> MappedTable | None:
        choice = choices[shape.followed.name]
        with cdc_source.session(known.member) as opened:
            place = (shape.followed.schema, shape.followed.table)
            found = cdc_source.tables(opened, known.member, known.source, [place])
        if not found:
            return None
        there = {column.name for column in found[0].columns}
        wanted = replace(choice, columns=tuple(name for name in choice.columns if name in there))
        return mapped_table(settings, wanted, found[0], known.source, known.target, Facts())

    return Evolution(now, [bool(choice.columns) for choice in settings.tables])


def _binlog(
    settings: StreamSettings, known: Known, shapes: tuple[Shape, ...], checkpoint: Checkpoint
) -> Callable[[Bundler], Source]:
    position = cdc_begin.read_binlog(known, checkpoint.position)
    with cdc_source.session(known.member) as opened:
        cdc_source.prove(opened, known.source, position)
    evolution = _evolution(settings, known)

    def opened_source(bundler: Bundler) -> Source:
        session = binlog_wire.BinlogSession(known.member, binlog_wire.random_server_id())
        try:
            session.start(position)
        except BaseException:
            session.close()
            raise
        return BinlogSource(session, BinlogReader(shapes, position, bundler, evolution.by_clauses))

    return opened_source


def _pgoutput(
    settings: StreamSettings, known: Known, shapes: tuple[Shape, ...], checkpoint: Checkpoint
) -> Callable[[Bundler], Source]:
    position = cdc_begin.read_lsn(checkpoint.position)
    name = settings.options.slot or slot.own_name(settings.config)
    with cdc_source.session(known.member) as opened:
        slot.require(opened, name, position)
        cdc_begin.publish(settings, opened)
    evolution = _evolution(settings, known)

    def evolve(shape: Shape, now: Relation) -> tuple[list[Act], Shape]:
        if tuple(column.name for column in now.columns) != shape.names:
            return evolution.by_relation(shape, now)
        return evolution.retyped(shape)

    def opened_source(bundler: Bundler) -> Source:
        session = ReplicationSession(known.member)
        try:
            session.start(name, settings.options.publication or slot.own_name(settings.config), position)
        except BaseException:
            session.close()
            raise
        return PgoutputSource(session, PgoutputReader(shapes, position, bundler, evolve), slot.read_lsn)

    return opened_source


def release(settings: StreamSettings) -> None:
    """Drop the slot and publication, and delete the stream's row in the target."""
    with contextlib.ExitStack() as stack:
        if settings.source.family is Family.POSTGRESQL:
            opened = stack.enter_context(cdc_source.session(settings.source))
            if not settings.options.slot:
                slot.drop(opened, slot.own_name(settings.config))
            if not settings.options.publication:
                publication.drop(opened, slot.own_name(settings.config))
        writer = applier(settings, Version(cdc_source.engine_of(settings.target)))
        stack.callback(writer.close)
        writer.open()
        writer.forget()
