"""From one look to the next: what is worth remembering."""

from __future__ import annotations

from dataclasses import replace

from repman.decide.charge import writer_in_charge
from repman.model.memory import Memory, Progress, ServerMemory
from repman.model.observation import ClusterSeen, Reach, Receiver, ServerSeen
from repman.model.policy import ClusterPolicy
from repman.model.position import Position

_OUR_OWN_TROUBLE = (Reach.UNRESOLVED, Reach.PENDING)


def remember(policy: ClusterPolicy, seen: ClusterSeen, memory: Memory, now: float) -> Memory:
    """The memory after this look."""
    address = writer_in_charge(seen, memory)
    writer = _answering(seen, address)
    writer_open = writer is not None and writer.open
    moved = address != memory.writer
    unseen_ackers = _ackers_we_do_not_see(seen, writer)
    servers = tuple(
        _remember_server(memory.server(one.address), one, address, writer if writer_open else None, unseen_ackers, now)
        for one in seen.servers
    )
    unacked = policy.semi_sync and writer_open and _ackers(seen, writer) == 0
    exposed = writer_open and not (writer and writer.semi_sync and writer.semi_sync.lossless)
    since = 0.0 if memory.looked_at is None else max(0.0, now - memory.looked_at)
    position = writer.executed if writer is not None and writer_open else None
    return replace(
        memory,
        writer=address,
        writer_position=position or (None if moved else memory.writer_position),
        servers=servers,
        unacked_since=(memory.unacked_since or now) if unacked else None,
        unprotected_seconds=memory.unprotected_seconds + (since if exposed and policy.semi_sync else 0.0),
        looked_at=now,
        reopen=memory.reopen and not writer_open,
        condemned="" if writer_open else memory.condemned,
        refused_plans=tuple(entry for entry in memory.refused_plans if entry[1] > now),
    )


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
    return sum(1 for one in seen.replicas_of(writer.address) if _receiving(one, writer.address))


def _ackers_we_do_not_see(seen: ClusterSeen, writer: ServerSeen | None) -> bool:
    """Whether the writer counts more acknowledging replicas than we see: one we cannot reach is still attached."""
    if writer is None or writer.semi_sync is None:
        return False
    visible = sum(1 for one in seen.replicas_of(writer.address) if _receiving(one, writer.address))
    return writer.semi_sync.ackers > visible


def _receiving(one: ServerSeen, source: str) -> bool:
    link = one.follows(source)
    return link is not None and link.receiver is Receiver.RUNNING


def _remember_server(
    before: ServerMemory,
    one: ServerSeen,
    writer: str,
    open_writer: ServerSeen | None,
    unseen_ackers: bool,
    now: float,
) -> ServerMemory:
    if not one.answered:
        counted = not one.reach.alive and one.reach not in _OUR_OWN_TROUBLE
        return replace(
            before,
            failures=before.failures + 1 if counted else before.failures,
            failing_since=before.failing_since or now,
            acker=before.acker if open_writer is None else before.acker and unseen_ackers,
        )
    return replace(
        before,
        last=one,
        failures=0,
        failing_since=None,
        progress=_progress(before.progress, one, writer),
        highest_received=_highest(before, one, open_writer),
        acker=before.acker if open_writer is None else _receiving(one, writer),
        open_boot=one.boot if one.open else before.open_boot,
        fenced_unknown=before.fenced_unknown and one.open and one.address != writer,
    )


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
    """The most it may have vouched for; forgotten once the living writer certainly has it all."""
    highest = before.highest_received
    if highest is None or one.received is None or one.received.covers(highest):
        return one.received
    if open_writer is not None and open_writer.executed is not None and open_writer.executed.covers(highest):
        return one.received
    return highest
