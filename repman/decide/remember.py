"""From one look to the next: what is worth remembering."""

from __future__ import annotations

from dataclasses import dataclass, replace

from repman.decide.charge import writer_in_charge
from repman.decide.electing.remember import remember_members
from repman.model.memory import Memory, Progress, ServerMemory
from repman.model.nature import Nature
from repman.model.observation import ClusterSeen, Reach, Receiver, ServerSeen
from repman.model.plan import Step, StepKind
from repman.model.policy import ClusterPolicy
from repman.model.position import Position

_OUR_OWN_TROUBLE = (Reach.UNRESOLVED, Reach.PENDING)


def remember(policy: ClusterPolicy, seen: ClusterSeen, memory: Memory, now: float) -> Memory:
    """The memory after this look."""
    if policy.nature is Nature.ELECTING:
        return remember_members(policy, seen, memory, now)
    address = writer_in_charge(seen, memory)
    writer = _answering(seen, address)
    writer_open = writer is not None and writer.open
    moved = address != memory.writer
    uncounted = _uncounted_ackers(seen, writer)
    replicated = tuple(one.received for one in seen.replicas_of(address) if one.received is not None)
    servers = tuple(
        _remember_server(
            memory.server(one.address), one, address, writer if writer_open else None, uncounted, replicated, now
        )
        for one in seen.servers
    )
    unacked = policy.semi_sync and writer_open and _ackers(seen, writer) == 0
    lossless = writer is not None and writer.semi_sync is not None and writer.semi_sync.lossless
    exposed = writer_open and not lossless
    since = 0.0 if memory.looked_at is None else max(0.0, now - memory.looked_at)
    position = writer.executed if writer is not None and writer_open else None
    return replace(
        memory,
        writer=address,
        writer_position=position or (None if moved else memory.writer_position),
        servers=servers,
        unacked_since=(memory.unacked_since or now) if unacked else None,
        stalled_since=(memory.stalled_since or now) if policy.semi_sync and _stalled(memory, writer) else None,
        degraded=memory.degraded and not (writer_open and lossless),
        exposed=_exposed(seen, memory, writer, moved) if policy.semi_sync else None,
        unprotected_seconds=memory.unprotected_seconds + (since if exposed and policy.semi_sync else 0.0),
        looked_at=now,
        reopen=memory.reopen and not writer_open,
        condemned="" if writer_open else memory.condemned,
        closed_by="" if writer_open else memory.closed_by,
        refused_plans=tuple(entry for entry in memory.refused_plans if entry[1] > now),
    )


def wished(memory: Memory, step: Step) -> Memory:
    """The memory after that step was done, where it fulfils an operator's wish that is to last."""
    server = memory.server(step.server)
    if step.kind is StepKind.START:
        return memory.with_server(replace(server, stopped_by=""))
    if step.kind in (StepKind.FOLLOW, StepKind.RESUME):
        return memory.with_server(replace(server, detached_by=""))
    if not step.note:
        return memory
    if step.kind is StepKind.STOP:
        return memory.with_server(replace(server, stopped_by=step.note))
    if step.kind in (StepKind.STOP_APPLYING, StepKind.UNFOLLOW):
        return memory.with_server(replace(server, detached_by=step.note))
    return replace(memory, closed_by=step.note) if step.kind is StepKind.FENCE else memory


def _replicates(one: ServerSeen) -> bool:
    return bool(one.links) and all(link.healthy for link in one.links)


def _answering(seen: ClusterSeen, address: str) -> ServerSeen | None:
    for one in seen.servers:
        if one.address == address and one.answered:
            return one
    return None


def _ackers(seen: ClusterSeen, writer: ServerSeen | None) -> int:
    """Replicas that acknowledge, by the writer's word where it counts them, else by the replicas' own."""
    if writer is None:
        return 0
    if writer.semi_sync is not None and writer.semi_sync.source_enabled:
        return writer.semi_sync.ackers
    return sum(1 for one in seen.replicas_of(writer.address) if one.receives_from(writer.address))


def _stalled(memory: Memory, writer: ServerSeen | None) -> bool:
    """Whether commits waited at the look before and wait now, and none of those waits has ended in between."""
    last = None if writer is None else memory.server(writer.address).last
    if writer is None or last is None or not writer.open or last.boot != writer.boot:
        return False
    if writer.semi_sync is None or last.semi_sync is None or not writer.semi_sync.ackers:
        return False
    waits = writer.semi_sync.waiting > 0 and last.semi_sync.waiting > 0
    return waits and writer.semi_sync.waits_ended == last.semi_sync.waits_ended


@dataclass(frozen=True, slots=True)
class _Uncounted:
    """Whether the writer counts more acknowledging replicas than we can name."""

    among_all: bool
    """More than receive now: one may have lost its connection since the writer counted."""
    among_unseen: bool
    """More than all that we see trying to: a server we cannot reach is attached."""


def _uncounted_ackers(seen: ClusterSeen, writer: ServerSeen | None) -> _Uncounted:
    if writer is None or writer.semi_sync is None:
        return _Uncounted(False, False)
    able = [
        one
        for one in seen.replicas_of(writer.address)
        if one.semi_sync is not None and one.semi_sync.replica_enabled and not _stopped(one, writer.address)
    ]
    receiving = sum(1 for one in able if one.receives_from(writer.address))
    return _Uncounted(writer.semi_sync.ackers > receiving, writer.semi_sync.ackers > len(able))


def _exposed(seen: ClusterSeen, memory: Memory, writer: ServerSeen | None, moved: bool) -> Position | None:
    """Up to where acknowledged writes may be on the writer alone."""
    before = None if moved else memory.exposed
    if writer is None or not writer.open:
        return before
    last = memory.server(writer.address).last
    was_lossless = last is None or not last.open or (last.semi_sync is not None and last.semi_sync.lossless)
    is_lossless = writer.semi_sync is not None and writer.semi_sync.lossless
    if not is_lossless or not was_lossless:
        before = writer.executed
    received = [one.received for one in seen.replicas_of(writer.address)]
    have_it = before is not None and any(one is not None and one.covers(before) for one in received)
    return None if have_it else before


def _stopped(one: ServerSeen, source: str) -> bool:
    link = one.follows(source)
    return link is None or link.receiver is Receiver.STOPPED


def _remember_server(
    before: ServerMemory,
    one: ServerSeen,
    writer: str,
    open_writer: ServerSeen | None,
    uncounted: _Uncounted,
    replicated: tuple[Position, ...],
    now: float,
) -> ServerMemory:
    if not one.answered:
        counted = not one.reach.alive and one.reach not in _OUR_OWN_TROUBLE
        return replace(
            before,
            failures=before.failures + 1 if counted else before.failures,
            failing_since=before.failing_since or now,
            acker=before.acker if open_writer is None else uncounted.among_unseen or _just_missed(before),
            missed_at=before.missed_at if open_writer is None else _missed_at(before, open_writer),
        )
    missed_at = before.missed_at if open_writer is None else _still_missed(before, replicated)
    return replace(
        before,
        last=one,
        failures=0,
        failing_since=None,
        progress=_progress(before.progress, one, writer),
        highest_received=None if one.address == writer else _highest(before, one, open_writer),
        acker=before.acker
        if open_writer is None
        else one.receives_from(writer) or (before.acker and uncounted.among_all and not _stopped(one, writer)),
        acker_boot=before.acker_boot if open_writer is None or missed_at is not None else one.boot,
        open_boot=one.boot if one.open else before.open_boot,
        missed_at=missed_at,
        stopped_by="",
        detached_by="" if one.open or _replicates(one) else before.detached_by,
        fenced_unknown=before.fenced_unknown and one.open and one.address != writer,
    )


def _just_missed(before: ServerMemory) -> bool:
    """The writer counts after it tells its position: a server counted out at this very look may have acknowledged more."""
    return before.acker and before.missed_at is None


def _missed_at(before: ServerMemory, open_writer: ServerSeen) -> Position | None:
    """As long as it still counted as attached at the look before, it may have received all that the writer had."""
    return open_writer.executed if before.missed_at is None or before.acker else before.missed_at


def _still_missed(before: ServerMemory, replicated: tuple[Position, ...]) -> Position | None:
    """Kept after it came back, perhaps without what it had acknowledged, until some replica has all of that."""
    missed = before.missed_at
    return None if missed is None or any(position.covers(missed) for position in replicated) else missed


def _progress(before: Progress | None, one: ServerSeen, writer: str) -> Progress | None:
    link = one.follows(writer) if writer else None
    if link is None:
        return None
    if before is not None and before.source == writer:
        same = before.heartbeats == link.heartbeats and before.received == link.received
        if same:
            return before
    return Progress(writer, link.heartbeats, link.received, one.at)


def _highest(before: ServerMemory, one: ServerSeen, open_writer: ServerSeen | None) -> Position | None:
    """The most it may have vouched for, until it has received all of that again.

    Also forgotten once an open writer lacks it: then it is no part of the cluster's history any more (a tail that
    nobody was told of, transactions of its own, a forced failover).
    """
    highest = before.highest_received
    if one.received is None:
        return highest
    if highest is None or one.received.covers(highest):
        return one.received
    if open_writer is not None and open_writer.executed is not None and not open_writer.executed.covers(highest):
        return one.received
    return highest
