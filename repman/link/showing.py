"""From what a link knows to what it tells."""

from __future__ import annotations

from repman.link.connection import Cluster
from repman.link.record import Record
from repman.link.run import Run
from repman.link.status import Phase, Side, State, Status
from repman.link.vitals import Vitals

_SHORT_OPLOG = 3600.0
_MOVING = (State.RUNNING, State.PAUSED)


def shown(record: Record, run: Run | None, vitals: Vitals | None, sides: tuple[Cluster, Cluster], taken: str) -> Status:
    """The status; asks no cluster.  `taken` says that another process works on the link."""
    pings = vitals.seen.pings if vitals is not None else (None, None)
    if record.reversed:
        pings = (pings[1], pings[0])
    source, target = (Side(cluster.name, cluster.address, ping) for cluster, ping in zip(sides, pings, strict=True))
    if taken:
        return Status(State.FAILED, record.phase, record.id, source, target, error=taken)
    if record.state is State.IDLE or run is None:
        return Status(State.IDLE, Phase.NONE, record.id, source, target)
    copied, total = run.copied()
    place, frontier = run.place, run.frontier
    lag = _lag(run, vitals)
    left = _oplog_left(record, run, vitals)
    progress = run.progress
    return Status(
        record.state,
        record.phase,
        record.id,
        source,
        target,
        error=record.error if record.state is State.FAILED else "",
        lag_seconds=int(lag),
        events_read=frontier.read if frontier is not None else record.events_read,
        events_applied=frontier.applied if frontier is not None else record.events_applied,
        last_applied=place.time if place is not None and record.copied_at is not None else None,
        clone_started=record.phase is not Phase.PREPARING,
        clone_completed=record.copied_at is not None,
        initial_sync_completed=record.phase is Phase.REPLICATING,
        total_bytes=total,
        copied_bytes=copied,
        finalization=record.finalization,
        can_write=record.can_write_at is not None,
        indexes_total=progress.indexes,
        indexes_built=progress.indexes_built,
        collections_total=progress.collections,
        collections_done=progress.collections_done,
        oplog_seconds_left=left,
        catch_up_seconds=vitals.catch_up_seconds() if vitals is not None and record.state is State.RUNNING else None,
        pause_on_initial_sync=record.options.pause_on_initial_sync,
        reversible=record.options.reversible,
        verification=dict.fromkeys(("source", "target"), run.verification.progress) if record.options.verify else None,
        warnings=_warnings(left, record),
    )


def _lag(run: Run, vitals: Vitals | None) -> float:
    record = run.record
    if record.state not in _MOVING or record.started_at is None:
        return 0.0
    heard = [moment for moment in (
        run.replication.source_time if run.replication is not None else None,
        vitals.seen.source_time if vitals is not None and not record.reversed else None,
    ) if moment is not None]  # fmt: skip
    applied = run.place.time if run.place is not None else record.started_at
    lag = max(0.0, float(max(heard).time - applied.time)) if heard else 0.0
    if vitals is not None:
        vitals.lag(lag)
    return lag


def _oplog_left(record: Record, run: Run, vitals: Vitals | None) -> float | None:
    begins = vitals.seen.oplog_begins if vitals is not None and not record.reversed else None
    applied = run.place.time if run.place is not None else record.started_at
    if begins is None or applied is None or record.state not in (*_MOVING, State.FAILED):
        return None
    return max(0.0, float(applied.time - begins.time))


def _warnings(left: float | None, record: Record) -> tuple[str, ...]:
    told = []
    if left is not None and left < _SHORT_OPLOG and record.state in _MOVING:
        told.append(
            f"the source's oplog reaches back only {int(left)} s beyond what is applied: enlarge it "
            "(replSetResizeOplog), or the link may lose its place"
        )
    return tuple(told)
