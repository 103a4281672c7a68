"""Source and target change places."""

from __future__ import annotations

import threading
from dataclasses import replace

from repman.link.checkpoint import Checkpoints, Lease
from repman.link.connection import Cluster
from repman.link.frontier import Place as StreamPlace
from repman.link.options import LinkOptions, WriteBlocking
from repman.link.place import Place
from repman.link.record import Record
from repman.link.status import Phase, State
from repman.mongo.patience import patiently


def turned(
    source: Cluster,
    target: Cluster,
    place: Place,
    checkpoints: Checkpoints,
    record: Record,
    stop: threading.Event,
) -> tuple[Lease, Checkpoints, Record]:
    """What the link goes on with when `source` has become its target.

    May be broken off anywhere and begun again: the old target says that the link has moved once the new one knows
    everything.  Raises Stopped, LinkTaken and PyMongoError.
    """
    assert record.can_write_at is not None
    patiently(lambda: source.block_writes(False), stop)
    lease = Lease(source, place.database, place.id)
    lease.take(False, stop)
    back = Checkpoints(source, place.database, place.id, lease)
    found = patiently(checkpoints.opposite, stop)
    copied = {"bytes": 0, "count": 0, "done": True, "size": 0}
    patiently(back.clear, stop)
    patiently(lambda: back.keep_all([(each, copied) for each in found]), stop)
    made = replace(
        record,
        state=State.RUNNING,
        phase=Phase.REPLICATING,
        options=_options(record.options),
        listed_at=record.can_write_at,
        started_at=record.can_write_at,
        copied_at=record.can_write_at,
        place=StreamPlace(record.can_write_at),
        events_read=0,
        events_applied=0,
        finalization=None,
        can_write_at=None,
        reversed=not record.reversed,
    )
    patiently(lambda: back.save(made.document()), stop)
    patiently(lambda: checkpoints.save({"moved": True}), stop)
    return lease, back, made


def _options(options: LinkOptions) -> LinkOptions:
    return replace(options, remap=options.remap.reversed(), write_blocking=WriteBlocking.BOTH)
