"""The steps of plans on MariaDB servers.  Each is idempotent and reads back what it claims.

Three things discard received but unapplied transactions and are guarded wherever they are used: RESET SLAVE
and CHANGE MASTER, and *any* START SLAVE while both threads are stopped (in GTID mode the receiver then fetches
anew from the source, which may be dead).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from repman.engines.mariadb_acting import Acting, NotReached, Pace
from repman.engines.mariadb_fence import Means, close, fence, make_read_only
from repman.engines.mariadb_observe import Look
from repman.engines.mysqlwire import WireClosed, named, quoted, texts
from repman.errors import StepFailed
from repman.model.observation import Link, Receiver
from repman.model.plan import Outcome, StepKind
from repman.model.position import MariadbGtid

FOR_EVER = 10 * 365 * 86400
"""Seconds a commit waits for an acknowledgement: ten years.  (The server's largest value overflows in its own
arithmetic when it is turned into nanoseconds.)"""
POLL = 0.002
SILENCE_FACTOR = 10
LEAST_NET_TIMEOUT = 5
"""``slave_net_timeout`` is set to ten heartbeat periods, at least 5 s (server default: 60 s): a receiver whose
source is silent for so long closes the connection and connects anew."""
HOPELESS = frozenset({1236, 1045, 1593, 1597, 1623})
"""Receiver errors that another attempt does not cure: position refused, access denied, fatal mistakes."""


def stop_receiving(means: Means, pace: Pace) -> Outcome:
    """STOP_RECEIVING: the receivers stand still, the appliers go on."""
    look = means.server.look(pace)
    for link in look.links:
        if link.receiver is Receiver.STOPPED:
            continue
        if not link.applier_running and not look.drained:
            _start_applier(means.server, link, pace)  # with both stopped, the next start discards relay logs
        means.server.run(f"STOP SLAVE{named(link.channel)} IO_THREAD", pace)
    look = means.server.look(pace)
    running = [link for link in look.links if link.receiver is not Receiver.STOPPED]
    if running:
        raise StepFailed(f"its receiver is still {running[0].receiver}")
    return Outcome(True, f"receiver stopped at {look.received}")


def drain(means: Means, pace: Pace) -> Outcome:
    """DRAIN: everything received is applied."""
    look = means.server.look(pace)
    while not look.drained:
        for link in look.links:
            if not link.applier_running:
                _start_applier(means.server, link, pace)
        missing = [link for link in look.links if not look.executed.covers(link.received)]
        for link in missing[:1]:
            means.server.run(f"SELECT MASTER_GTID_WAIT({quoted(str(link.received))}, 0.1)", pace)
        pace.waiting()
        pace.check(f"{look.received.minus(look.executed)} to be applied")
        look = means.server.look(pace)
    _await_commit(means.server, look, pace)
    return Outcome(True, f"applied up to {look.executed}")


def catch_up(means: Means, pace: Pace) -> Outcome:
    """CATCH_UP: it has applied all that the source had when the step began; it goes on receiving."""
    aim = _source_look(means, pace).executed
    look = means.server.look(pace)
    if not look.executed.covers(aim):
        link = _follows(look, means.step.source)
        if link is None or link.receiver is Receiver.STOPPED or not link.applier_running:
            follow(means, pace)
        look = means.server.look(pace)
    while not look.executed.covers(aim):
        _raise_errors(look)
        pace.pause(POLL, f"{aim.minus(look.executed)} from {means.step.source}")
        look = means.server.look(pace)
    _await_commit(means.server, look, pace)
    return Outcome(True, f"caught up with {means.step.source} at {look.executed}")


def promote(means: Means, pace: Pace) -> Outcome:
    """PROMOTE: follows nobody, commits will wait for acknowledgements; still read-only."""
    server = means.server
    look = server.look(pace)
    if not look.read_only:
        make_read_only(means, pace, look)
    if look.links:
        _require_drained(look)
        server.run("STOP ALL SLAVES", pace)
        look = server.look(pace)
        _require_drained(look)
        for link in look.links:
            server.run(f"RESET SLAVE{named(link.channel)} ALL", pace)
    if means.semi_sync:
        _source_half_on(server, pace)
    look = server.look(pace)
    if look.links or (means.semi_sync and not look.semi_sync.source_enabled) or not look.read_only:
        raise StepFailed("reading back shows that it still replicates, does not wait, or is not read-only")
    return Outcome(True, f"promoted at {look.executed}")


def follow(means: Means, pace: Pace) -> Outcome:
    """FOLLOW: replicates from the source, read-only, acknowledging; really connected."""
    server, source = means.server, means.step.source
    look = server.look(pace)
    make_read_only(means, pace, look)
    if _follows_well(means, look):
        return Outcome(True, f"follows {source} already")
    channel = _channel(look, source)
    _require_reachable_from(means, look, pace)
    if look.links:
        server.run(f"STOP SLAVE{named(channel)}", pace)
        look = server.look(pace)
        _require_reachable_from(means, look, pace)
    server.run("SET GLOBAL rpl_semi_sync_master_enabled=0", pace)
    server.run("SET GLOBAL rpl_semi_sync_slave_enabled=1", pace)
    server.run(f"SET GLOBAL slave_net_timeout={_net_timeout(means)}", pace)
    if look.applied != str(look.executed):  # it was a writer: what it wrote itself is behind it as well
        server.run(f"SET GLOBAL gtid_slave_pos={quoted(str(look.executed))}", pace)
    server.run(_change_master(means, channel), pace)
    server.run(f"START SLAVE{named(channel)}", pace)
    return _await_link(means, pace)


def resume(means: Means, pace: Pace) -> Outcome:
    """RESUME: stopped halves run again."""
    look = means.server.look(pace)
    if not look.links:
        raise StepFailed("it has no replication to resume")
    for link in look.links:
        if link.healthy:
            continue
        if not look.drained and link.receiver is Receiver.STOPPED and not link.applier_running:
            source = means.peers.get(link.source)
            if source is not None and not source.look(pace).executed.covers(look.received):
                raise StepFailed(
                    f"starting it would discard {look.received.minus(look.executed)}, which {link.source} does not have"
                )
        means.server.run(f"START SLAVE{named(link.channel)}", pace)
    look = means.server.look(pace)
    while not all(link.healthy for link in look.links):
        _raise_errors(look)
        pace.pause(POLL, "replication to run")
        look = means.server.look(pace)
    return Outcome(True, "both halves run")


def open_(means: Means, pace: Pace) -> Outcome:
    """OPEN: accepts client writes."""
    _set_in_time(means.server, "read_only", "0", pace)
    if means.server.value("@@global.read_only", pace) != "0":
        raise StepFailed("read_only is still 1 after it was set to 0")
    return Outcome(True, "read_only is 0")


def semi_sync_on(means: Means, pace: Pace) -> Outcome:
    """SEMI_SYNC_ON: commits wait for acknowledgements, for ever if need be."""
    _source_half_on(means.server, pace)
    if not means.server.look(pace).semi_sync.source_enabled:
        raise StepFailed("semi-sync is still off after it was switched on")
    return Outcome(True, "commits wait for acknowledgements")


def semi_sync_off(means: Means, pace: Pace) -> Outcome:
    """SEMI_SYNC_OFF: commits wait for nobody; those that wait now go on."""
    _set_in_time(means.server, "rpl_semi_sync_master_enabled", "0", pace)
    if means.server.look(pace).semi_sync.source_enabled:
        raise StepFailed("semi-sync is still on after it was switched off")
    return Outcome(True, "commits wait for nobody")


def clean(means: Means, pace: Pace) -> Outcome:
    """CLEAN: no replication, no binary log, no position."""
    server = means.server
    look = server.look(pace)
    if look.links:
        server.run("STOP ALL SLAVES", pace)
        for link in look.links:
            server.run(f"RESET SLAVE{named(link.channel)} ALL", pace)
    server.run("SET GLOBAL rpl_semi_sync_master_enabled=0", pace)
    if not look.executed.is_empty():
        server.run("RESET MASTER", pace)
        server.run("SET GLOBAL gtid_slave_pos=''", pace)
    look = server.look(pace)
    if look.links or not look.executed.is_empty():
        raise StepFailed(f"there is still something left: {look.executed}, {len(look.links)} channels")
    return Outcome(True, "nothing is left")


def prepare(means: Means, pace: Pace) -> Outcome:
    """PREPARE: the replication account exists, written past the binary log (as all that acts here is)."""
    user, password = means.replication
    account = f"{quoted(user)}@'%'"
    run = means.server.run
    if means.server.value("@@session.sql_log_bin", pace) != "0":
        raise StepFailed("the session would write to the binary log; repman's account needs BINLOG ADMIN")
    run(f"CREATE USER IF NOT EXISTS {account}", pace)
    run(f"ALTER USER {account} IDENTIFIED BY {quoted(password)}", pace)
    run(f"GRANT REPLICATION SLAVE ON *.* TO {account}", pace)
    grants = [texts(row)[0] for row in run(f"SHOW GRANTS FOR {account}", pace)[0].rows]
    if not any("REPLICATION SLAVE" in grant or "ALL PRIVILEGES" in grant for grant in grants):
        raise StepFailed(f"the account {user!r} was created and may not replicate")
    return Outcome(True, f"the account {user!r} may replicate")


def _follows(look: Look, source: str) -> Link | None:
    return next((link for link in look.links if link.source == source), None)


def _source_look(means: Means, pace: Pace) -> Look:
    source = means.peers.get(means.step.source)
    if source is None:
        raise StepFailed(f"{means.step.source or 'no source'} is not a server of this cluster")
    try:
        source.connect(pace)
        return source.look(pace)
    except (NotReached, WireClosed) as error:
        raise StepFailed(f"its source {means.step.source} does not answer: {error}") from error


def _start_applier(server: Acting, link: Link, pace: Pace) -> None:
    if link.applier_errno:
        raise StepFailed(f"its applier stopped with error {link.applier_errno}: {link.applier_error}")
    if link.receiver is Receiver.STOPPED:
        raise StepFailed(
            f"receiver and applier are both stopped, and starting either discards what was received up to "
            f"{link.received}; start replication from a source that still has it"
        )
    server.run(f"START SLAVE{named(link.channel)} SQL_THREAD", pace)


def _await_commit(server: Acting, look: Look, pace: Pace) -> None:
    """Wait until what the binary log has is committed too: a replica's log is some milliseconds ahead.

    Not for longer than a moment: events that the replica skips, being its own, never reach this mark.
    """
    applied = MariadbGtid.parse(look.applied)
    for link in look.links:
        if not applied.covers(link.received):
            server.run(f"SELECT MASTER_GTID_WAIT({quoted(str(link.received))}, {min(0.5, pace.left):.3f})", pace)


def _raise_errors(look: Look) -> None:
    for link in look.links:
        if link.applier_errno:
            raise StepFailed(f"its applier stopped with error {link.applier_errno}: {link.applier_error}")
        if link.receiver_errno in HOPELESS:
            raise StepFailed(f"its receiver failed with error {link.receiver_errno}: {link.receiver_error}")


def _require_drained(look: Look) -> None:
    if not look.drained:
        raise StepFailed(
            f"{look.received.minus(look.executed)} was received and is not applied; promoting it would lose that"
        )


def _require_reachable_from(means: Means, look: Look, pace: Pace) -> None:
    """Nothing this server has, applied or only received, may be missing on the source it is to follow."""
    there = _source_look(means, pace).executed
    if not there.covers(look.executed):
        raise StepFailed(f"it has {look.executed.minus(there)}, which {means.step.source} does not have")
    if not look.drained and not there.covers(look.received):
        raise StepFailed(
            f"following {means.step.source} would discard {look.received.minus(there)}, which it received "
            "and has not applied"
        )


def _channel(look: Look, source: str) -> str:
    link = _follows(look, source)
    if link is not None:
        return link.channel
    if len(look.links) > 1:
        raise StepFailed(f"it has {len(look.links)} replication channels and none from {source}")
    return look.links[0].channel if look.links else ""


def _follows_well(means: Means, look: Look) -> bool:
    link = _follows(look, means.step.source)
    return (
        link is not None
        and link.healthy
        and link.uses_gtid
        and abs(link.heartbeat_period - means.heartbeat_period) < 0.001
        and look.semi_sync.replica_enabled
        and not look.semi_sync.source_enabled
    )


def _net_timeout(means: Means) -> int:
    return max(LEAST_NET_TIMEOUT, math.ceil(SILENCE_FACTOR * means.heartbeat_period))


def _change_master(means: Means, channel: str) -> str:
    host, _, port = means.step.source.rpartition(":")
    user, password = means.replication
    return (
        f"CHANGE MASTER{named(channel)} TO MASTER_HOST={quoted(host.strip('[]'))}, MASTER_PORT={int(port)},"
        f" MASTER_USER={quoted(user)}, MASTER_PASSWORD={quoted(password)}, MASTER_CONNECT_RETRY=1,"
        f" MASTER_HEARTBEAT_PERIOD={means.heartbeat_period:.3f}, MASTER_USE_GTID=slave_pos"
    )


def _await_link(means: Means, pace: Pace) -> Outcome:
    last = "the receiver to connect"
    while True:
        look = means.server.look(pace)
        link = _follows(look, means.step.source)
        if link is None:
            raise StepFailed("its replication configuration vanished")
        if link.healthy and _source_speaks(means.server, link, pace):
            return Outcome(True, f"follows {means.step.source}")
        _raise_errors(look)
        if link.receiver_errno:
            last = f"the receiver, which says: {link.receiver_error} ({link.receiver_errno})"
        pace.pause(POLL, last)


def _source_speaks(server: Acting, link: Link, pace: Pace) -> bool:
    """Whether the source has begun to send.

    The receiver counts as running before its request is answered, so also when it is about to be refused.  The
    name of the source's binary log, forgotten by CHANGE MASTER, comes with the first event.
    """
    records = server.run("SHOW ALL SLAVES STATUS", pace)[0].records()
    return any(record["Master_Log_File"] for record in records if record["Connection_name"] == link.channel)


def _source_half_on(server: Acting, pace: Pace) -> None:
    server.run(f"SET GLOBAL rpl_semi_sync_master_timeout={FOR_EVER * 1000}", pace)
    server.run("SET GLOBAL rpl_semi_sync_master_wait_point='AFTER_SYNC'", pace)
    server.run("SET GLOBAL rpl_semi_sync_master_wait_no_slave=1", pace)
    _set_in_time(server, "rpl_semi_sync_master_enabled", "1", pace)


def _set_in_time(server: Acting, variable: str, value: str, pace: Pace) -> None:
    """Set a variable unless the step is over by the server's own clock.

    A frozen server executes what it finds in its socket when it wakes up, however long ago it was sent.
    """
    now = float(server.value("UNIX_TIMESTAMP(SYSDATE(6))", pace))
    in_time = f"UNIX_TIMESTAMP(SYSDATE(6)) < {now + pace.left:.6f}"
    server.run(f"SET GLOBAL {variable} = IF({in_time}, {value}, @@global.{variable})", pace)


STEPS: dict[StepKind, Callable[[Means, Pace], Outcome]] = {
    StepKind.FENCE: fence,
    StepKind.CLOSE: close,
    StepKind.STOP_RECEIVING: stop_receiving,
    StepKind.DRAIN: drain,
    StepKind.CATCH_UP: catch_up,
    StepKind.PROMOTE: promote,
    StepKind.FOLLOW: follow,
    StepKind.OPEN: open_,
    StepKind.RESUME: resume,
    StepKind.SEMI_SYNC_ON: semi_sync_on,
    StepKind.SEMI_SYNC_OFF: semi_sync_off,
    StepKind.CLEAN: clean,
    StepKind.PREPARE: prepare,
}
