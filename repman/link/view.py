"""From what a link tells of itself to what its process publishes.  Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bson.timestamp import Timestamp

from repman.link.status import Side, State, Status
from repman.model.link import CONNECTING, FORMAT, LinkSide, LinkView, UnsuccessfulIndex


@dataclass(frozen=True, slots=True)
class Face:
    """What of a link does not change while its process runs."""

    name: str
    dialect: str
    """One of `repman.link.doors.DIALECTS`."""
    listens: str
    """``host:port`` of its HTTP API."""
    source: LinkSide
    """As it is configured."""
    target: LinkSide


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is published, and by whom."""

    wall: float
    """Unix seconds."""
    monotonic: float
    pid: int
    """0: the process is about to end in order."""


def connecting(face: Face, now: Moment, trouble: str) -> LinkView:
    """What is published before both clusters can be used; `trouble` says why they cannot."""
    return LinkView(
        FORMAT,
        face.name,
        now.wall,
        now.monotonic,
        now.pid,
        face.dialect,
        face.listens,
        face.source,
        face.target,
        CONNECTING,
        error=trouble,
    )


def view_of(face: Face, now: Moment, status: Status, trouble: str = "") -> LinkView:
    """What is published from then on; `trouble` says why an idle link was not started."""
    ending = status.finalization
    return LinkView(
        FORMAT,
        face.name,
        now.wall,
        now.monotonic,
        now.pid,
        face.dialect,
        face.listens,
        _side(status.source),
        _side(status.target),
        status.state.value,
        phase=status.phase.value,
        run=status.id,
        error=status.error or (trouble if status.state is State.IDLE else ""),
        lag_seconds=status.lag_seconds if status.clone_started else None,
        events_read=status.events_read,
        events_applied=status.events_applied,
        last_applied=_moment(status.last_applied),
        clone_completed=status.clone_completed,
        initial_sync_completed=status.initial_sync_completed,
        total_bytes=status.total_bytes,
        copied_bytes=status.copied_bytes,
        collections_total=status.collections_total,
        collections_done=status.collections_done,
        indexes_total=status.indexes_total,
        indexes_built=status.indexes_built,
        can_write=status.can_write,
        finalize_completed=ending is not None and ending.completed,
        unsuccessful=tuple(
            UnsuccessfulIndex(index.namespace, index.name, index.kind, index.reason)
            for index in (ending.unsuccessful if ending is not None else ())
        ),
        oplog_seconds_left=status.oplog_seconds_left,
        catch_up_seconds=status.catch_up_seconds,
        reversible=status.reversible,
        warnings=status.warnings,
    )


def _side(side: Side) -> LinkSide:
    return LinkSide(side.name, side.address, side.ping_ms)


def _moment(moment: Timestamp | None) -> str:
    return f"{moment.time}.{moment.inc}" if moment is not None else ""
