"""Steps that only an operator asks for: a replica stands still, skips a transaction, forgets its source; a binary log
is emptied.  Idempotent like all steps, and none of them changes what the server counts as executed behind anybody's
back.
"""

from __future__ import annotations

from collections.abc import Callable

from repman.engines.mariadb_acting import Acting, Pace
from repman.engines.mariadb_fence import Means
from repman.engines.mariadb_observe import Look
from repman.engines.mysqlwire import named, quoted, texts
from repman.errors import StepFailed
from repman.model.observation import Link, Receiver
from repman.model.plan import Outcome, StepKind
from repman.model.position import MariadbGtid

_POLL = 0.002
_SEARCHED = 2000
"""Events of a relay log in which the transaction to be skipped must be found."""


def stop_applying(means: Means, pace: Pace) -> Outcome:
    """STOP_APPLYING: both halves of every channel are stopped."""
    look = means.server.look(pace)
    for link in look.links:
        means.server.run(f"STOP SLAVE{named(link.channel)}", pace)
    look = means.server.look(pace)
    if any(link.applier_running or link.receiver is not Receiver.STOPPED for link in look.links):
        raise StepFailed("it still replicates after its replication was stopped")
    left = "" if look.drained else f", with {look.received.minus(look.executed)} received and not applied"
    return Outcome(True, f"stands still at {look.executed}{left}")


def unfollow(means: Means, pace: Pace) -> Outcome:
    """UNFOLLOW: no replication configuration is left; what it executed stays its position."""
    stop_applying(means, pace)
    for link in means.server.look(pace).links:
        means.server.run(f"RESET SLAVE{named(link.channel)} ALL", pace)
    look = means.server.look(pace)
    if look.links:
        raise StepFailed(f"it still has {len(look.links)} replication channels")
    return Outcome(True, f"follows nobody, at {look.executed}")


def skip_event(means: Means, pace: Pace) -> Outcome:
    """SKIP_EVENT: the position is set behind the transaction that failed, and replication runs on from there.

    Only while the applier shows the very error that the operator saw; done again, it finds another one or none.
    """
    server = means.server
    look = server.look(pace)
    failed = next((link for link in look.links if link.applier_errno), None)
    if failed is None:
        return Outcome(True, "its applier shows no error: nothing was skipped")
    if failed.applier_error != means.step.note:
        raise StepFailed(f"its applier fails otherwise by now, nothing was skipped: {failed.applier_error}")
    gtid = _failed_transaction(server, failed, look, pace)
    source = means.peers.get(failed.source)
    if source is None or not source.look(pace).executed.covers(look.received):
        raise StepFailed(f"{failed.source} lacks what was received and would be fetched anew: {look.received}")
    domain = gtid.partition("-")[0]
    kept = [each for each in look.applied.split(",") if each and each.partition("-")[0] != domain]
    server.run("STOP ALL SLAVES", pace)
    server.run(f"SET GLOBAL gtid_slave_pos={quoted(','.join([*kept, gtid]))}", pace)
    for link in look.links:
        server.run(f"START SLAVE{named(link.channel)}", pace)
    _await_running(server, pace)
    return Outcome(True, f"skipped {gtid}")


def _failed_transaction(server: Acting, failed: Link, look: Look, pace: Pace) -> str:
    """The GTID of the first transaction in the relay log, from where the applier stands, that is not applied."""
    records = server.run("SHOW ALL SLAVES STATUS", pace)[0].records()
    record = next(one for one in records if one["Connection_name"] == failed.channel)
    file, at = record["Relay_Log_File"], int(record["Relay_Log_Pos"] or 0)
    statement = f"SHOW RELAYLOG{named(failed.channel)} EVENTS IN {quoted(file or '')} FROM {at} LIMIT {_SEARCHED}"
    applied = MariadbGtid.parse(look.applied, look.applied)
    for row in server.run(statement, pace)[0].rows:
        _, _, kind, _, _, told = texts(row)
        gtid = told.rpartition(" ")[2]
        if kind == "Gtid" and not applied.covers(MariadbGtid.parse(gtid, gtid)):
            return gtid
    raise StepFailed(f"the transaction that failed was not found in {file} from {at} on; nothing was skipped")


def _await_running(server: Acting, pace: Pace) -> None:
    """Until both halves run or the applier meets the next error, which is the next wish."""
    look = server.look(pace)
    while not all(link.healthy or link.applier_errno for link in look.links):
        pace.pause(_POLL, "replication to run again")
        look = server.look(pace)


def reset_binlog(means: Means, pace: Pace) -> Outcome:
    """RESET_BINLOG: the binary log is empty, and position and counters are what they were.

    The position is first written where RESET MASTER does not reach, so that an end at any point loses nothing; the
    counters go into the new log, so that no number is given twice and replicas that have it all find their place.
    """
    server = means.server
    look = server.look(pace)
    if not look.read_only:
        raise StepFailed("it accepts writes: what is written meanwhile would be numbered anew")
    appliers = [link for link in look.links if link.applier_running]
    for link in appliers:
        server.run(f"STOP SLAVE{named(link.channel)} SQL_THREAD", pace)
    try:
        _empty(server, pace)
    finally:
        for link in appliers:
            server.run(f"START SLAVE{named(link.channel)} SQL_THREAD", pace)
    return Outcome(True, f"its binary log is empty, at {server.look(pace).executed}")


def _empty(server: Acting, pace: Pace) -> None:
    look, state = server.look(pace), server.value("@@global.gtid_binlog_state", pace)
    if look.applied != str(look.executed) and not look.links:
        server.run(f"SET GLOBAL gtid_slave_pos={quoted(str(look.executed))}", pace)
    if look.links and not MariadbGtid.parse(look.applied, look.applied).covers(look.executed):
        raise StepFailed(f"its replication stands at {look.applied}, and only its binary log knows of {look.executed}")
    # Without a state an earlier attempt ended between the two: what it saved is the position.
    state = state or look.applied
    server.run("RESET MASTER", pace)
    server.run(f"SET GLOBAL gtid_binlog_state={quoted(state)}", pace)
    after = server.look(pace)
    if not after.executed.covers(look.executed):
        raise StepFailed(f"its position went back from {look.executed} to {after.executed}; reseed it")


STEPS: dict[StepKind, Callable[[Means, Pace], Outcome]] = {
    StepKind.STOP_APPLYING: stop_applying,
    StepKind.UNFOLLOW: unfollow,
    StepKind.SKIP_EVENT: skip_event,
    StepKind.RESET_BINLOG: reset_binlog,
}
