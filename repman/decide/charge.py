"""Who is in charge: the one server that is, or was last, the writer."""

from __future__ import annotations

from collections import Counter

from repman.model.memory import Memory
from repman.model.observation import ClusterSeen, ServerSeen


def writer_in_charge(seen: ClusterSeen, memory: Memory) -> str:
    """The writer's address: open now, or remembered, or inferred from what the replicas follow; else empty.

    A remembered writer stays in charge while it is open, and while nobody else is.  Identity is configuration
    and history, not the replication graph of the moment.
    """
    open_now = [one.address for one in seen.servers if one.open and not _follows_member(seen, one)]
    if memory.writer not in {one.address for one in seen.servers}:
        return _at_first_sight(seen, open_now)  # Never known, or no longer configured.
    if memory.writer not in open_now and len(open_now) == 1 and _was_replaced(seen, memory, open_now[0]):
        # One that a job rebuilds may look complete long before it is.
        return memory.writer if memory.server(open_now[0]).held else open_now[0]
    return memory.writer


def _at_first_sight(seen: ClusterSeen, open_now: list[str]) -> str:
    """Who seems to be in charge, without any memory; empty where the servers contradict each other."""
    followed = _most_followed(seen, open_now)
    if len(open_now) != 1 or followed in open_now:
        return followed
    return open_now[0] if not followed or _holds_all(seen, open_now[0]) else followed


def _holds_all(seen: ClusterSeen, address: str) -> bool:
    """Whether that server has everything that any other one shows."""
    executed = seen.server(address).executed
    others = [one.received for one in seen.answering() if one.address != address and one.received is not None]
    return executed is not None and all(executed.covers(other) for other in others)


def _was_replaced(seen: ClusterSeen, memory: Memory, candidate: str) -> bool:
    """Whether somebody else moved the writer: everybody follows the new one, or it has all that the closed one has."""
    before, after = seen.server(memory.writer), seen.server(candidate)
    if before.open:
        return False
    if before.answered and before.executed and after.executed and after.executed.covers(before.executed):
        return True
    others = [one for one in seen.answering() if one.address not in (candidate, memory.writer)]
    return bool(others) and all(one.follows(candidate) for one in others)


def _follows_member(seen: ClusterSeen, one: ServerSeen) -> bool:
    members = {other.address for other in seen.servers}
    return any(link.source in members for link in one.links)


def _most_followed(seen: ClusterSeen, open_now: list[str]) -> str:
    followed: Counter[str] = Counter()
    replicas = set()
    for one in seen.answering():
        for link in one.links:
            followed[link.source] += 1
            replicas.add(one.address)
    roots = [one.address for one in seen.servers if one.address in followed and one.address not in replicas]
    roots = [address for address in roots if address in open_now] or roots
    ranked = sorted(roots, key=lambda address: -followed[address])
    if len(ranked) > 1 and len(open_now) > 1 and followed[ranked[0]] == followed[ranked[1]]:
        return ""  # Two open servers with as many replicas each: a person must say which one counts.
    return ranked[0] if ranked else ""
