"""The state of each server, what takes reads, and the name of the whole shape."""

from __future__ import annotations

from repman.decide.election import lag_of
from repman.decide.view import View, errant
from repman.decide.witness import Life
from repman.model.decision import Routes, ServerState
from repman.model.observation import Link, Reach, Receiver, ServerSeen


def states(view: View) -> tuple[tuple[str, ServerState], ...]:
    """Every server's state, in configured order."""
    return tuple((one.address, _state(view, one)) for one in view.seen.servers)


def _state(view: View, one: ServerSeen) -> ServerState:
    if one.reach is Reach.DENIED:
        return ServerState.ERROR_AUTH
    if view.memory.server(one.address).held or (not one.answered and view.expected_absent(one.address)):
        return ServerState.MAINTENANCE
    if view.left_alone(one.address) and one.answered:
        return ServerState.MAINTENANCE
    if not one.answered:
        return absent(view, one)
    if one.address == view.writer and not _follows_member(view, one):
        return ServerState.MASTER
    if not one.links:
        return ServerState.STANDALONE
    return _replica_state(view, one)


def absent(view: View, one: ServerSeen) -> ServerState:
    """The state of a server that does not answer."""
    if one.address == view.writer:
        return ServerState.FAILED if view.life.dead else ServerState.SUSPECT
    if one.reach is Reach.REFUSED:
        return ServerState.FAILED
    return ServerState.FAILED if view.memory.server(one.address).failures >= 2 else ServerState.SUSPECT


def _replica_state(view: View, one: ServerSeen) -> ServerState:
    relay = any(other.follows(one.address) for other in view.seen.answering())
    if not all(link.healthy for link in one.links):
        return ServerState.RELAY_ERR if relay else ServerState.SLAVE_ERR
    if 0 <= view.policy.max_lag < lag_of(view, one):
        return ServerState.RELAY_LATE if relay else ServerState.SLAVE_LATE
    return ServerState.RELAY if relay else ServerState.SLAVE


def _follows_member(view: View, one: ServerSeen) -> bool:
    return any(link.source in view.policy.addresses and link.receiver is not Receiver.STOPPED for link in one.links)


def routes(view: View) -> Routes:
    """Who should take writes and reads now.

    A writer that is merely out of our reach keeps its traffic: our route is one witness, the clients' another.
    Reads go to replicas that apply (a lost source does not make their data wrong) and are not late.
    """
    writer = view.writer if view.life in (Life.OPEN, Life.ALIVE, Life.SUSPECT) else ""
    readers = [one.address for one in view.seen.answering() if _serves_reads(view, one)]
    alone = view.policy.read_on_writer_without_replica and not readers
    if writer and (view.policy.read_on_writer or alone):
        readers.append(writer)
    return Routes(writer, tuple(readers))


def _serves_reads(view: View, one: ServerSeen) -> bool:
    if one.address == view.writer or view.left_alone(one.address) or one.open or not one.links:
        return False
    if view.memory.rolling is not None and view.memory.rolling.current == one.address:
        return False
    if any(link.applier_errno or not link.applier_running for link in one.links):
        return False
    stopped = view.life is Life.OPEN and any(_cut_off(link) for link in one.links)
    late = 0 <= view.policy.max_lag < lag_of(view, one)
    return not (stopped or late or errant(view, one))


def _cut_off(link: Link) -> bool:
    """Whether it gets nothing although the writer lives, so that what it serves grows old without bound."""
    failed = link.receiver is Receiver.CONNECTING and bool(link.receiver_errno)
    return failed or link.receiver is Receiver.STOPPED


def topology(view: View) -> str:
    """The shape, in replication-manager's words."""
    if view.life is Life.NONE:
        return "unknown"
    for one in view.seen.answering():
        if one.address != view.writer and one.links and view.seen.replicas_of(one.address):
            return "multi-tier-slave"
    return "active-passive" if len(view.policy.servers) == 1 else "master-slave"
