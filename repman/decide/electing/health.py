"""The state of each member, who takes which traffic, and the name of the whole shape."""

from __future__ import annotations

from repman.decide.electing.majority import living, needed
from repman.decide.election import lag_of
from repman.decide.health import absent
from repman.decide.view import View
from repman.decide.witness import Life
from repman.model.decision import Routes, ServerState
from repman.model.observation import Reach, ServerSeen
from repman.model.replica_set import MemberState

_SHAPES = {"configsvr": "config-servers", "shardsvr": "shard"}
_STATES = {
    MemberState.STARTUP: ServerState.STANDALONE,
    MemberState.REMOVED: ServerState.STANDALONE,
    MemberState.ARBITER: ServerState.ARBITER,
    MemberState.RECOVERING: ServerState.SLAVE_ERR,
    MemberState.STARTUP2: ServerState.SLAVE_ERR,
    MemberState.ROLLBACK: ServerState.SLAVE_ERR,
    MemberState.UNKNOWN: ServerState.SLAVE_ERR,
    MemberState.DOWN: ServerState.SLAVE_ERR,
}


def states(view: View) -> tuple[tuple[str, ServerState], ...]:
    """Every member's state in replication-manager's words, in configured order."""
    return tuple((one.address, _state(view, one)) for one in view.seen.servers)


def _state(view: View, one: ServerSeen) -> ServerState:
    if one.reach is Reach.DENIED:
        return ServerState.ERROR_AUTH
    if view.left_alone(one.address) and (one.answered or view.expected_absent(one.address)):
        return ServerState.MAINTENANCE
    if not one.answered:
        return absent(view, one)
    if one.member is None:
        return ServerState.STANDALONE
    if one.open:
        return ServerState.MASTER if one.address == view.writer else ServerState.SLAVE_ERR
    if one.member.state in _STATES:
        return _STATES[one.member.state]
    return ServerState.SLAVE_LATE if _late(view, one) else ServerState.SLAVE


def _late(view: View, one: ServerSeen) -> bool:
    meant = one.member.seat.delay if one.member and one.member.seat else 0.0
    return 0 <= view.policy.max_lag < lag_of(view, one) - meant


def routes(view: View) -> Routes:
    """Who should take writes and reads now.

    A primary that is merely out of our reach keeps its traffic while other members hear it.  One that a majority has
    left is about to step down, and what it would still be given could not be acknowledged.
    """
    writer = view.writer if _takes_writes(view) else ""
    readers = [one.address for one in view.seen.answering() if _serves_reads(view, one)]
    alone = view.policy.read_on_writer_without_replica and not readers
    if writer and (view.policy.read_on_writer or alone):
        readers.append(writer)
    return Routes(writer, tuple(readers))


def _takes_writes(view: View) -> bool:
    one = view.writer_seen
    if one is None:
        return False
    if view.life is Life.OPEN:
        blocked = one.member is not None and one.member.writes_blocked
        return not blocked and living(view) >= needed(view)
    return view.life is Life.ALIVE or (view.life is Life.SUSPECT and one.reach is not Reach.REFUSED)


def _serves_reads(view: View, one: ServerSeen) -> bool:
    if one.open or one.member is None or view.left_alone(one.address):
        return False
    return one.member.serves and not _late(view, one)


def topology(view: View) -> str:
    """The shape: a set of its own, or a part of a sharded cluster."""
    for one in view.seen.answering():
        if one.member is not None and one.member.set_name:
            return _SHAPES.get(one.member.role, "replica-set")
    return "unknown"
