"""The simulated servers do what the facts about MariaDB say, pleasant or not."""

from __future__ import annotations

from repman.engines.memory import (
    MONITOR,
    MemoryConfig,
    MemoryDriver,
    MemoryOrchestrator,
    MemoryProxy,
    MemoryWorld,
    Write,
    WriteState,
)
from repman.model.decision import Routes
from repman.model.observation import Reach, Receiver, ServerSeen
from repman.model.plan import FenceOutcome, Outcome, Step, StepKind

A, B, C = "a:1", "b:1", "c:1"


def world(**arguments: object) -> MemoryWorld:
    made = MemoryWorld((A, B, C), **arguments)  # type: ignore[arg-type]
    made.wire(A)
    return made


def do(driver: MemoryDriver, kind: StepKind, server: str, source: str = "", timeout: float = 1.0) -> Outcome:
    return driver.perform(Step(kind, server, source, timeout), timeout, lambda: None)


def told(write: Write) -> WriteState:
    return write.state


def see(driver: MemoryDriver, address: str) -> ServerSeen:
    return driver.observe(0.5, (address,))[0]


def test_a_write_is_acknowledged_after_a_replica_has_it_and_reaches_all() -> None:
    sim = world()
    write = sim.client_write(A)
    assert told(write) == WriteState.WAITING
    sim.sleep(0.1)
    assert told(write) == WriteState.ACKNOWLEDGED
    assert all(write.payload in server.tables for server in sim.servers.values())


def test_without_replicas_a_commit_waits_for_ever() -> None:
    sim = world()
    sim.kill(B)
    sim.kill(C)
    sim.sleep(0.1)
    write = sim.client_write(A)
    sim.sleep(3600.0)
    assert told(write) == WriteState.WAITING
    assert not sim.could_acknowledge(A)


def test_a_finite_timeout_acknowledges_without_a_replica_after_a_freeze() -> None:
    sim = world()
    sim.servers[A].semi_sync.timeout = 10.0
    sim.kill(B)
    sim.kill(C)
    write = sim.client_write(A)
    sim.freeze(A)
    sim.sleep(11.0)
    assert told(write) == WriteState.WAITING
    sim.thaw(A)
    sim.sleep(0.02)
    assert told(write) == WriteState.ACKNOWLEDGED
    assert write.unprotected


def test_an_acknowledgement_that_had_arrived_is_read_on_thawing() -> None:
    sim = world()
    write = sim.client_write(A)
    sim.sleep(0.01)
    sim.freeze(A)
    sim.sleep(5.0)
    assert told(write) == WriteState.WAITING
    sim.thaw(A)
    sim.sleep(0.01)
    assert told(write) == WriteState.ACKNOWLEDGED
    assert not write.unprotected


def test_killing_waiting_sessions_commits_locally_and_diverges() -> None:
    sim = world()
    driver = MemoryDriver(sim)
    sim.cut(A, B)
    sim.cut(A, C)
    writes = [sim.client_write(A) for _ in range(8)]
    outcome = do(driver, StepKind.FENCE, A)
    assert (outcome.ok, outcome.fence) == (True, FenceOutcome.DONE)
    assert outcome.unacknowledged == ",".join(f"0-1-{n}" for n in range(1, 9))
    assert {write.state for write in writes} == {WriteState.LOST}
    assert all(write.payload in sim.servers[A].tables for write in writes)
    refused = do(driver, StepKind.FOLLOW, A, B)
    assert not refused.ok
    assert "0-1-1..8" in refused.detail


def test_read_only_is_blocked_by_a_waiting_commit() -> None:
    sim = world()
    sim.kill(B)
    sim.kill(C)
    sim.client_write(A)
    assert not sim.servers[A].set_read_only()
    behind = sim.client_write(A)
    sim.sleep(1.0)
    assert behind.event is None
    sim.servers[A].kill_sessions(sim.now())
    sim.sleep(0.02)
    assert sim.servers[A].read_only


def test_read_only_refuses_clients_but_not_privileged_ones() -> None:
    sim = world()
    assert sim.client_write(B).state is WriteState.READ_ONLY
    assert sim.errant(B).payload in sim.servers[B].tables


def test_a_long_statement_ends_with_1290_when_the_server_was_closed() -> None:
    sim = world()
    write = sim.client_write(A, lasts=5.0)
    sim.sleep(1.0)
    assert not sim.servers[A].set_read_only()
    outcome = do(MemoryDriver(sim), StepKind.FENCE, A)
    assert outcome.fence is FenceOutcome.DONE
    assert told(write) == WriteState.LOST
    assert write.payload not in sim.servers[A].tables


def test_a_restart_as_replica_cuts_the_tail_in_doubt_and_a_plain_one_keeps_it() -> None:
    for as_replica, left in ((True, 0), (False, 4)):
        sim = world()
        sim.cut(A, B)
        sim.cut(A, C)
        for _ in range(4):
            sim.client_write(A)
        sim.kill(A)
        sim.start(A, as_replica)
        sim.sleep(1.0)
        assert len(sim.servers[A].log.events) == len(sim.servers[A].tables) == left
        assert sim.servers[A].read_only


def test_a_restart_as_replica_may_forget_even_what_a_client_was_told() -> None:
    """Without a waiting commit: the engine's commit record of the last transaction was not on disk yet."""
    for flushes, pause, left in ((False, 0.1, 1), (False, 1.5, 2), (True, 0.1, 2)):
        sim = world()
        sim.servers[A].config = MemoryConfig(flushes_commits=flushes)
        sim.servers[A].semi_sync.source_enabled = False
        first, last = sim.client_write(A), sim.client_write(A)
        assert told(first) == told(last) == WriteState.ACKNOWLEDGED
        sim.cut(A, B)
        sim.cut(A, C)
        sim.sleep(pause)
        sim.restart(A)
        sim.sleep(1.0)
        assert len(sim.servers[A].log.events) == len(sim.servers[A].tables) == left


def test_a_tail_is_not_cut_below_a_locally_committed_transaction() -> None:
    sim = world()
    sim.cut(A, B)
    sim.cut(A, C)
    sim.client_write(A)
    sim.servers[A].kill_sessions(sim.now())
    sim.sleep(1.5)
    sim.client_write(A)
    sim.restart(A)
    sim.sleep(1.0)
    assert [event.sequence for event in sim.servers[A].log.events] == [1]


def test_a_restarted_replica_has_lost_what_it_had_not_applied() -> None:
    sim = world()
    sim.servers[B].stalled_applier = True
    sim.client_write(A)
    sim.sleep(0.1)
    driver = MemoryDriver(sim)
    before = see(driver, B)
    assert before.received is not None
    assert str(before.received) == "0-1-1"
    sim.kill(A)
    sim.restart(B)
    sim.sleep(0.5)
    after = see(driver, B)
    assert after.reach in (Reach.CLOSED, Reach.ANSWERED)
    after = see(driver, B)
    assert after.received is not None
    assert after.received.is_empty()


def test_starting_a_thread_after_both_were_stopped_discards_the_relay_log() -> None:
    sim = world()
    server = sim.servers[B]
    assert server.channel is not None
    server.channel.applier_running = False
    sim.client_write(A)
    sim.sleep(0.1)
    server.stop_receiver()
    assert str(server.received()) == "0-1-1"
    driver = MemoryDriver(sim)
    for kind in (StepKind.DRAIN, StepKind.STOP_RECEIVING, StepKind.PROMOTE):
        assert not do(driver, kind, B).ok
    assert str(server.received()) == "0-1-1"
    server.start_threads(receiver=False)
    sim.sleep(0.1)
    assert server.received().is_empty()


def test_promote_refuses_a_gap_and_drain_closes_it() -> None:
    sim = world(config=MemoryConfig(apply_rate=2.0))
    driver = MemoryDriver(sim)
    for _ in range(4):
        sim.client_write(A)
    sim.sleep(0.05)
    sim.kill(A)
    assert do(driver, StepKind.STOP_RECEIVING, B).ok
    assert not do(driver, StepKind.PROMOTE, B).ok
    short = do(driver, StepKind.DRAIN, B, timeout=0.3)
    assert not short.ok
    assert do(driver, StepKind.DRAIN, B, timeout=5.0).ok
    assert do(driver, StepKind.PROMOTE, B).ok
    assert sim.servers[B].read_only


def test_follow_refuses_to_discard_what_the_source_lacks() -> None:
    sim = world()
    sim.servers[B].stalled_applier = True
    sim.cut(A, C)
    sim.client_write(A)
    sim.sleep(0.1)
    outcome = do(MemoryDriver(sim), StepKind.FOLLOW, B, C)
    assert not outcome.ok
    assert "0-1-1" in outcome.detail


def test_a_source_without_the_position_is_refused_with_1236() -> None:
    sim = world()
    sim.client_write(A)
    sim.sleep(0.1)
    sim.errant(C)
    sim.attach(C, A)
    sim.sleep(0.1)
    channel = sim.servers[C].channel
    assert channel is not None
    assert (channel.receiver, channel.receiver_errno) == (Receiver.STOPPED, 1236)
    assert "0-3-2" in channel.receiver_error


def test_an_errant_transaction_stops_the_applier_under_strict_mode() -> None:
    sim = world()
    sim.errant(B)
    sim.client_write(A)
    sim.sleep(0.1)
    link = see(MemoryDriver(sim), B).link
    assert link is not None
    assert (link.receiver, link.applier_errno, link.lag) == (Receiver.RUNNING, 1950, None)


def test_a_frozen_source_leaves_the_receiver_running_without_progress() -> None:
    sim = world(net_timeout=60.0)
    driver = MemoryDriver(sim)
    sim.sleep(2.0)
    first = see(driver, B).link
    sim.sleep(2.0)
    second = see(driver, B).link
    assert first is not None
    assert second is not None
    assert second.heartbeats - first.heartbeats == 4
    sim.freeze(A)
    sim.sleep(11.0)
    third = see(driver, B).link
    assert third is not None
    assert third.receiver is Receiver.RUNNING
    assert third.heartbeats == second.heartbeats
    assert see(driver, A).reach is Reach.SILENT
    sim.sleep(60.0)
    last = see(driver, B).link
    assert last is not None
    assert last.receiver is Receiver.CONNECTING


def test_a_dead_source_is_noticed_at_once() -> None:
    sim = world()
    driver = MemoryDriver(sim)
    driver.observe(1.0)
    began = sim.now()
    sim.at(0.2, lambda: sim.kill(A))
    assert driver.wait(1.0) == {A}
    assert sim.now() - began < 0.3
    sim.sleep(0.02)
    dead, replica, _ = driver.observe(1.0)
    assert dead.reach is Reach.REFUSED
    assert replica.link is not None
    assert (replica.link.receiver, replica.link.receiver_errno) == (Receiver.CONNECTING, 2003)
    assert do(driver, StepKind.FENCE, A).fence is FenceOutcome.DEAD


def test_our_own_partition_blinds_us_alone() -> None:
    sim = world()
    driver = MemoryDriver(sim)
    sim.cut(MONITOR, A)
    began = sim.now()
    assert see(driver, A).reach is Reach.SILENT
    assert sim.now() - began >= 0.5
    write = sim.client_write(A)
    sim.sleep(0.1)
    assert told(write) == WriteState.ACKNOWLEDGED
    fenced = do(driver, StepKind.FENCE, A, timeout=0.5)
    assert (fenced.ok, fenced.fence) == (False, FenceOutcome.UNKNOWN)
    sim.heal()
    sim.cut(MONITOR, A, rejecting=True)
    assert see(driver, A).reach is Reach.UNREACHABLE


def test_the_lease_is_given_to_the_first_and_freed_by_closing() -> None:
    sim = world()
    one, two = MemoryDriver(sim, "one"), MemoryDriver(sim, "two")
    assert all(seen.leased for seen in one.observe(1.0))
    assert {(seen.leased, seen.lease_holder) for seen in two.observe(1.0)} == {(False, "one")}
    sim.freeze(C)
    one.close()
    sim.sleep(0.1)
    assert sim.servers[C].lease_holder == "one"
    sim.thaw(C)
    assert all(seen.leased for seen in two.observe(1.0))


def test_a_frozen_server_executes_what_clients_sent_when_it_thaws() -> None:
    sim = world()
    sim.freeze(A)
    write = sim.client_write(A)
    sim.sleep(2.0)
    sim.give_up(write)
    sim.thaw(A)
    sim.sleep(0.1)
    assert told(write) == WriteState.LOST
    assert write.payload in sim.servers[B].tables


def test_switching_semi_sync_off_acknowledges_what_waits() -> None:
    sim = world()
    sim.kill(B)
    sim.kill(C)
    write = sim.client_write(A)
    assert do(MemoryDriver(sim), StepKind.SEMI_SYNC_OFF, A).ok
    assert told(write) == WriteState.ACKNOWLEDGED
    assert write.unprotected


def test_a_hand_written_failover_loses_nothing() -> None:
    sim = world()
    driver, proxy = MemoryDriver(sim), MemoryProxy(sim)
    proxy.route(Routes(A), 1.0)
    acked = [proxy.client_write() for _ in range(5)]
    sim.sleep(0.05)
    sim.kill(A)
    assert do(driver, StepKind.FENCE, A).ok
    for kind, server, source in (
        (StepKind.STOP_RECEIVING, B, ""),
        (StepKind.STOP_RECEIVING, C, ""),
        (StepKind.DRAIN, B, ""),
        (StepKind.PROMOTE, B, ""),
        (StepKind.FOLLOW, C, B),
        (StepKind.OPEN, B, ""),
    ):
        outcome = do(driver, kind, server, source)
        assert outcome.ok, f"{kind}: {outcome.detail}"
    proxy.route(Routes(B), 1.0)
    after = proxy.client_write()
    sim.sleep(0.1)
    assert after is not None
    for write in [*acked, after]:
        assert write is not None
        assert told(write) == WriteState.ACKNOWLEDGED
        assert write.payload in sim.servers[B].tables
    MemoryOrchestrator(sim, (A,)).start(A)
    sim.sleep(1.0)
    assert do(driver, StepKind.FOLLOW, A, B).ok


def test_every_step_is_idempotent() -> None:
    sim = world()
    driver = MemoryDriver(sim)
    for kind, server, source in (
        (StepKind.STOP_RECEIVING, B, ""),
        (StepKind.RESUME, B, ""),
        (StepKind.FENCE, A, ""),
        (StepKind.CATCH_UP, B, A),
        (StepKind.PROMOTE, B, ""),
        (StepKind.FOLLOW, A, B),
        (StepKind.OPEN, B, ""),
        (StepKind.CLOSE, C, ""),
        (StepKind.SEMI_SYNC_ON, B, ""),
        (StepKind.PREPARE, B, ""),
        (StepKind.CLEAN, C, ""),
    ):
        assert do(driver, kind, server, source).ok, kind
        before = [server.executed() for server in sim.servers.values()]
        assert do(driver, kind, server, source).ok, kind
        assert before == [server.executed() for server in sim.servers.values()]


def test_the_same_seed_gives_the_same_history() -> None:
    def write_one(sim: MemoryWorld) -> None:
        sim.client_write(A)

    def run(seed: int) -> list[tuple[float, str]]:
        sim = world(seed=seed, stall=0.5)
        sim.observers.append(write_one)
        sim.sleep(1.0)
        return [(write.ended, write.state) for write in sim.writes]

    assert run(1) == run(1)
    assert run(1) != run(2)
