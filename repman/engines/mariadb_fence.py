"""Making sure that a MariaDB server acknowledges no client write any more.

``SET GLOBAL read_only=1`` waits for running writes and for commits that wait for a replica's acknowledgement;
the latter may wait for ever.  So it is sent without waiting, and when it is not granted at once the client
sessions are killed from a second connection until it is.  What a killed commit leaves behind is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from repman.engines.mariadb_acting import Acting, NotReached, Pace, await_answer
from repman.engines.mariadb_observe import Look
from repman.engines.mariadb_watch import Watch
from repman.engines.mysqlwire import Result, WireClosed, quoted
from repman.errors import StepFailed
from repman.model.observation import Reach, ServerSeen
from repman.model.plan import FenceOutcome, Outcome, Step
from repman.model.position import Position

GRACE = 0.05
"""Seconds that running writes get to end by themselves before they are killed."""
SETTLE = 0.005
"""Seconds between two readings of a position that must not move any more."""
KILL_BATCH = 200

Run = Callable[[str], list[Result]]


@dataclass(frozen=True, slots=True)
class Means:
    """What a step works with."""

    step: Step
    server: Acting
    helper: Acting
    """A second connection to the same server."""
    peers: dict[str, Acting]
    """All servers of the cluster by address."""
    spare: Watch
    """The kept observing connection, the last way into a server whose connection table is full."""
    look_at_others: Callable[[float], tuple[ServerSeen, ...]]
    accounts: tuple[str, str]
    """Names of the accounts of repman and of replication; their sessions are never killed."""
    replication: tuple[str, str]
    heartbeat_period: float
    semi_sync: bool


def fence(means: Means, pace: Pace) -> Outcome:
    """FENCE: read-only and without client sessions, or provably dead."""
    try:
        _enter(means, pace)
        killed, unacknowledged = shut(means, pace)
    except NotReached as error:
        return _not_reached(error)
    except WireClosed as error:
        return _died(means, pace, error)
    detail = f"read-only, {killed} client sessions killed"
    return Outcome(True, detail, FenceOutcome.DONE, unacknowledged)


def close(means: Means, pace: Pace) -> Outcome:
    """CLOSE: the same for a replica that was writable; a dead server is a failure here."""
    _enter(means, pace)
    killed, unacknowledged = shut(means, pace)
    return Outcome(True, f"read-only, {killed} client sessions killed", None, unacknowledged)


def shut(means: Means, pace: Pace) -> tuple[int, str]:
    """Read-only, client sessions gone, position at rest.

    Returns how many sessions were killed and which transactions no replica had received then.
    """
    before = means.server.look(pace)
    killed = make_read_only(means, pace, before)
    killed += _clear_clients(means, pace)
    after = _settled(means, pace)
    if not after.read_only:
        raise StepFailed("somebody set read_only back to 0 while it was being fenced")
    unacknowledged = _unacknowledged(means, before, after) if killed else ""
    return killed, unacknowledged


def make_read_only(means: Means, pace: Pace, look: Look) -> int:
    """Set ``read_only``; client sessions are killed only if it is not granted at once.  Returns how many."""
    if look.read_only:
        return 0
    server, killed = means.server, 0
    server.start("SET GLOBAL read_only=1")
    try:
        granted = server.finished(min(GRACE, pace.left))
        while not granted:
            killed += _kill_once(means, pace)
            granted = server.finished(0.01)
            pace.waiting()
            pace.check("read_only to be granted")
    except BaseException:
        if server.asked:
            server.abort(pace.reserve)
        raise
    return killed


def _enter(means: Means, pace: Pace) -> None:
    """Connect, making room first when the connection table is full; a dying server is asked until it is dead."""
    while True:
        try:
            means.server.connect(pace)
            return
        except NotReached as error:
            if error.reach is Reach.BUSY and means.spare.wire is not None:
                _kill_once(means, pace)
            elif error.reach is not Reach.CLOSED:
                raise
        pace.pause(0.01, "a connection")


def _not_reached(error: NotReached) -> Outcome:
    if error.reach is Reach.REFUSED:
        return Outcome(True, f"nobody listens there: {error}", FenceOutcome.DEAD)
    return Outcome(False, f"cannot be fenced, {error.reach}: {error}", FenceOutcome.UNKNOWN)


def _died(means: Means, pace: Pace, cause: WireClosed) -> Outcome:
    try:
        _enter(means, pace)
    except NotReached as error:
        return _not_reached(error)
    return Outcome(False, f"the connection was lost while fencing: {cause}", FenceOutcome.UNKNOWN)


def _clients(means: Means) -> str:
    names = ", ".join(quoted(name) for name in dict.fromkeys(means.accounts))
    return (
        "SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID()"
        " AND COMMAND NOT IN ('Binlog Dump', 'Daemon', 'Killed', 'Slave_IO', 'Slave_SQL', 'Slave_worker')"
        f" AND USER NOT IN ('system user', 'event_scheduler', 'unauthenticated user', {names})"
    )


def _kill_once(means: Means, pace: Pace) -> int:
    """Kill every client session there is now, by whatever connection is free for it.  Returns how many."""
    run = _second_way(means, pace)
    sessions = [int(row[0] or 0) for row in run(_clients(means))[0].rows]
    for start in range(0, len(sessions), KILL_BATCH):
        kills = " ".join(f"KILL {session};" for session in sessions[start : start + KILL_BATCH])
        # 1094: the session has gone by itself meanwhile
        run(f"BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR 1094 BEGIN END; {kills} END")
    return len(sessions)


def _second_way(means: Means, pace: Pace) -> Run:
    if means.server.session and not means.server.asked:
        return lambda statement: means.server.run(statement, pace)
    try:
        means.helper.connect(pace)
        return lambda statement: means.helper.run(statement, pace)
    except NotReached:
        wire = means.spare.wire
        if wire is None:
            raise

    def over_the_kept_connection(statement: str) -> list[Result]:
        wire.ask(statement.encode())
        return await_answer(wire, pace)

    return over_the_kept_connection


def _clear_clients(means: Means, pace: Pace) -> int:
    killed = 0
    while now := _kill_once(means, pace):
        killed += now
        pace.pause(0.002, "client sessions to end")
    return killed


def _settled(means: Means, pace: Pace) -> Look:
    """Wait until the server writes nothing of its own any more; what a replica applies may go on."""
    before = means.server.look(pace)
    while True:
        time.sleep(min(SETTLE, pace.left))
        after = means.server.look(pace)
        if _own(after) == _own(before):
            return after
        before = after
        pace.pause(0.0, "the position to come to rest")


def _own(look: Look) -> list[tuple[int, int, int]]:
    return [gtid for gtid in look.executed.seen if gtid[1] == look.server_id]


def _unacknowledged(means: Means, before: Look, after: Look) -> str:
    """What no replica has received though commits had to wait for one: committed, and nobody was told."""
    if not before.semi_sync.waiting_for_acks:
        return ""
    known: Position | None = None
    for seen in means.look_at_others(0.2):
        if seen.answered and seen.received is not None:
            known = seen.received if known is None else known.union(seen.received)
    if known is None:
        return f"unknown, as no replica answered: at most up to {after.executed}"
    return after.executed.minus(known)
