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
    if memory.writer in open_now:
        return memory.writer
    if len(open_now) == 1 and (not memory.writer or _was_replaced(seen, memory, open_now[0])):
        return open_now[0]
    return memory.writer or _most_followed(seen, open_now)


def _was_replaced(seen: ClusterSeen, memory: Memory, candidate: str) -> bool:
    """Whether somebody else moved the writer: the remembered one answers closed, or everybody follows the new one."""
    for one in seen.servers:
        if one.address == memory.writer:
            if one.answered:
                return not one.open
            break
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
    if open_now:
        roots = [address for address in roots if address in open_now]
    return max(roots, key=lambda address: followed[address], default="")
