"""Whether a server should become the writer: an operator's word goes before the configuration's."""

from __future__ import annotations

from dataclasses import replace

from repman.model.memory import Memory, Rating
from repman.model.policy import ClusterPolicy, ServerPolicy


def rated(policy: ClusterPolicy, memory: Memory) -> ClusterPolicy:
    """The policy with the ratings that operators gave; one that they prefer comes behind those configured so."""
    ratings = {server.address: server.rating for server in memory.servers if server.rating is not Rating.CONFIGURED}
    if not ratings:
        return policy
    last = max((server.preferred for server in policy.servers if server.preferred is not None), default=-1)
    return replace(
        policy, servers=tuple(_rated(server, ratings.get(server.address), last + 1) for server in policy.servers)
    )


def _rated(server: ServerPolicy, rating: Rating | None, place: int) -> ServerPolicy:
    if rating is None:
        return server
    if rating is Rating.PREFERRED:
        return replace(server, electable=True, preferred=place if server.preferred is None else server.preferred)
    return replace(server, electable=rating is not Rating.IGNORED, preferred=None)
