"""What is worth remembering of members from one look to the next."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from repman.decide.electing.claims import claims
from repman.model.memory import Memory, ServerMemory
from repman.model.observation import ClusterSeen, Reach, ServerSeen
from repman.model.policy import ClusterPolicy
from repman.model.replica_set import MemberState

_OUR_OWN_TROUBLE = (Reach.UNRESOLVED, Reach.PENDING)


def remember_members(policy: ClusterPolicy, seen: ClusterSeen, memory: Memory, now: float) -> Memory:
    """The memory after this look.  The writer is whom the members elected, not whom repman chose."""
    open_now = claims(seen.servers)
    writer = open_now[0].address if open_now else _before(seen, memory)
    position = open_now[0].executed if open_now else None
    return replace(
        memory,
        writer=writer,
        writer_position=position or (memory.writer_position if writer == memory.writer else None),
        servers=tuple(_remember_one(memory.server(one.address), one, now) for one in seen.servers),
        looked_at=now,
        closed_by="" if open_now else memory.closed_by,
        refused_plans=tuple(entry for entry in memory.refused_plans if entry[1] > now),
    )


def _before(seen: ClusterSeen, memory: Memory) -> str:
    """The writer while nobody says that it takes writes: the last one, or whom most members hear as the primary."""
    addresses = {one.address for one in seen.servers}
    if memory.writer in addresses:
        return memory.writer
    heard = Counter(
        other.address
        for one in seen.answering()
        if one.member is not None
        for other in one.member.heard
        if other.state is MemberState.PRIMARY and other.healthy and other.address in addresses
    )
    return heard.most_common(1)[0][0] if heard else ""


def _remember_one(before: ServerMemory, one: ServerSeen, now: float) -> ServerMemory:
    if not one.answered:
        counted = not one.reach.alive and one.reach not in _OUR_OWN_TROUBLE
        return replace(
            before,
            failures=before.failures + 1 if counted else before.failures,
            failing_since=before.failing_since or now,
        )
    return replace(
        before,
        last=one,
        failures=0,
        failing_since=None,
        stopped_by="",
        open_boot=one.boot if one.open else before.open_boot,
        rolled_back=_rolled_back(before, one) or before.rolled_back,
    )


def _rolled_back(before: ServerMemory, one: ServerSeen) -> str:
    """A rollback that was not known at the look before; those from before repman watched are not told."""
    last = before.last
    if last is None or last.member is None or one.member is None or one.member.rollback is None:
        return ""
    told = one.member.rollback
    if told == last.member.rollback:
        return ""
    where = f"; documents are in {told.directory}" if told.directory else ""
    return f"{told.operations} operations behind {told.common_point}, up to {told.last}{where}"
