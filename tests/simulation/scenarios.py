"""What can happen to a cluster, as a table: the faults, and what must be so at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from repman.engines.memory import MONITOR, MemoryConfig, MemoryDriver, MemoryWorld
from repman.model.command import Command, CommandKind
from repman.model.plan import Outcome, Step, StepKind
from repman.model.policy import ClusterPolicy, UnackedPolicy
from simulation.simulator import ADDRESSES, A, B, C, Simulation, policy


@dataclass(frozen=True)
class Scenario:
    """One story.  Time is in seconds from the start of the simulation."""

    name: str
    faults: Callable[[Simulation], None]
    seconds: float = 30.0
    rules: Callable[[], ClusterPolicy] = policy
    config: MemoryConfig | None = None
    wired: bool = True
    writer: str | None = None
    """Who must be open at the end; empty: nobody; None: anyone."""
    apart: frozenset[str] = frozenset()
    """Who must not be asked to follow at the end."""
    converges: bool = True
    plans: tuple[str, ...] | None = None
    """The plans that must have run, in order; None: not said."""
    refused: frozenset[str] = frozenset()
    """Refusals that must have been published."""
    tolerated: tuple[str, ...] = ()
    """Invariants that the story itself breaks for a while."""
    known: str = ""
    """Why it does not pass yet."""

    def build(self, **arguments: object) -> Simulation:
        """A simulation with its faults scheduled, not yet run."""
        sim = Simulation(self.rules(), wired=self.wired, config=self.config, **arguments)  # type: ignore[arg-type]
        self.faults(sim)
        return sim


def _switchover(to: str = "", at: float = 3.0) -> Callable[[Simulation], None]:
    def faults(sim: Simulation) -> None:
        sim.ask(at, Command(CommandKind.SWITCHOVER, "c1", to))

    return faults


def _failing(kind: StepKind, server: str = "") -> Callable[[Simulation], None]:
    """A switchover in which one step does not succeed, once."""

    def faults(sim: Simulation) -> None:
        done: list[Step] = []

        def fail(step: Step) -> Outcome | None:
            if step.kind is kind and (not server or step.server == server) and not done and sim.recorder.plans:
                done.append(step)
                return Outcome(False, "it failed, for the sake of the story")
            return None

        sim.on_step = fail
        sim.ask(3.0, Command(CommandKind.SWITCHOVER, "c1", B))

    return faults


def _dies_at(kind: StepKind, victim: str, first: Callable[[Simulation], None]) -> Callable[[Simulation], None]:
    """A second server dies when a step of that kind begins."""

    def faults(sim: Simulation) -> None:
        done: list[Step] = []

        def strike(step: Step) -> Outcome | None:
            if step.kind is kind and not done:
                done.append(step)
                sim.world.kill(victim)
                sim.at(8.0, sim.world.start, victim)
            return None

        sim.on_step = strike
        first(sim)

    return faults


def _kill(victim: str = A, again: float | None = None, at: float = 3.0) -> Callable[[Simulation], None]:
    def faults(sim: Simulation) -> None:
        sim.at(at, sim.world.kill, victim)
        if again is not None:
            sim.at(at + again, sim.world.start, victim)

    return faults


def _freeze(thaw: float | None = None) -> Callable[[Simulation], None]:
    def faults(sim: Simulation) -> None:
        sim.at(3.0, sim.world.freeze, A)
        if thaw is not None:
            sim.at(3.0 + thaw, sim.world.thaw, A)

    return faults


def _isolated(sim: Simulation) -> None:
    sim.at(3.0, sim.world.isolate, A)
    sim.at(15.0, sim.world.heal)


def _monitor_cut(sim: Simulation) -> None:
    sim.at(3.0, sim.world.cut, MONITOR, A)
    sim.at(15.0, sim.world.heal)


def _replication_cut(sim: Simulation) -> None:
    sim.at(3.0, sim.world.cut, A, B)
    sim.at(3.0, sim.world.cut, A, C)
    sim.at(15.0, sim.world.heal)


def _late_applier(sim: Simulation) -> None:
    sim.world.servers[B].config = MemoryConfig(apply_rate=5.0)
    sim.world.servers[C].config = MemoryConfig(apply_delay=4.0)
    sim.at(6.0, sim.world.kill, A)


def _errant(sim: Simulation) -> None:
    sim.at(2.0, sim.errant, B)
    sim.at(5.0, sim.world.kill, A)
    sim.at(12.0, sim.world.start, A)


def _acker_frozen(sim: Simulation) -> None:
    sim.at(2.0, sim.world.freeze, B)
    sim.at(4.0, sim.world.kill, A)
    sim.at(12.0, sim.world.thaw, B)


def _receiver_cut(sim: Simulation) -> None:
    """B hears nothing of its source for a while, C alone acknowledges and may not be elected."""
    sim.at(2.0, sim.world.cut, A, B)
    sim.at(4.0, sim.world.kill, A)
    sim.at(4.0, sim.world.heal)


def _whole_cluster(as_replicas: bool) -> Callable[[Simulation], None]:
    """All die at once; `as_replicas`: they are started with ``init_rpl_role=SLAVE``, as the sandbox does."""

    def faults(sim: Simulation) -> None:
        for address in ADDRESSES:
            sim.at(3.0, sim.world.kill, address)
            sim.at(5.0 + ADDRESSES.index(address) * 0.4, sim.world.start, address, as_replicas)

    return faults


def _writer_first(sim: Simulation) -> None:
    """All die when replicas have applied what no client was told of; the writer comes back first, without it."""

    def all_die(world: MemoryWorld) -> None:
        doubtful = {write.event for write in world.servers[A].in_doubt}
        if world.now() > 3.0 and doubtful & set(world.servers[B].log.events) and world.servers[A].up:
            world.observers.remove(all_die)
            for address in ADDRESSES:
                world.kill(address)
            for delay, address in ((2.0, A), (6.0, B), (7.0, C)):
                world.at(delay, partial(world.start, address, True))

    sim.world.observers.append(all_die)


def _bootstrap(sim: Simulation) -> None:
    for server in sim.world.servers.values():
        server.accounts = False
    sim.ask(2.0, Command(CommandKind.BOOTSTRAP, "c1"))


def _bootstrap_again(sim: Simulation) -> None:
    sim.ask(3.0, Command(CommandKind.BOOTSTRAP, "c1"))
    sim.ask(5.0, Command(CommandKind.CLEANUP, "c1", force=True))
    sim.ask(8.0, Command(CommandKind.BOOTSTRAP, "c1", clean=True))


def _opened(sim: Simulation, address: str) -> None:
    sim.world.servers[address].read_only = False


def _two_writers(sim: Simulation) -> None:
    sim.at(3.0, _opened, sim, C)


def _opened_and_killed(sim: Simulation) -> None:
    sim.at(3.0, _opened, sim, C)
    sim.at(3.0, sim.world.kill, A)


def _other_repman(sim: Simulation) -> None:
    MemoryDriver(sim.world, "other repman").observe(0.5)
    sim.at(3.0, sim.world.kill, A)


def _no_replicas(sim: Simulation) -> None:
    for address in (B, C):
        sim.at(3.0, sim.world.kill, address)
        sim.at(15.0, sim.world.start, address)


def _stopped(sim: Simulation) -> None:
    sim.at(3.0, sim.world.servers[C].stop_receiver)

    def stop_applier() -> None:
        channel = sim.world.servers[B].channel
        assert channel is not None
        channel.applier_running = False

    sim.at(4.0, stop_applier)


def _flapping(sim: Simulation) -> None:
    for round_ in range(4):
        sim.at(3.0 + round_ * 6.0, sim.world.isolate, A)
        sim.at(5.0 + round_ * 6.0, sim.world.heal)


def _twice(sim: Simulation) -> None:
    sim.at(3.0, sim.world.kill, A)
    sim.at(9.0, sim.world.start, A)
    sim.at(16.0, sim.world.kill, B)
    sim.at(22.0, sim.world.start, B)


def _ping_pong(sim: Simulation) -> None:
    """A dies, B takes writes and dies, A returns alone: it must not be opened."""
    sim.world.kill(C)
    sim.world.servers[A].semi_sync.source_enabled = False
    sim.at(4.0, sim.world.kill, A)
    sim.at(10.0, sim.world.kill, B)
    sim.at(12.0, sim.world.start, A)


def _uncontrolled() -> ClusterPolicy:
    return policy(controlled=False)


def _both(*stories: Callable[[Simulation], None]) -> Callable[[Simulation], None]:
    def faults(sim: Simulation) -> None:
        for story in stories:
            story(sim)

    return faults


SCENARIOS = (
    Scenario("quiet", lambda sim: None, 10.0, writer=A, plans=()),
    Scenario("kill", _kill(), apart=frozenset({A}), plans=("failover",)),
    Scenario("kill-slow-replicas", _late_applier, 60.0, apart=frozenset({A})),
    *(Scenario(f"kill-restart-{delay:g}", _kill(again=delay)) for delay in (0.0, 0.2, 0.4, 1.0, 5.0)),
    Scenario("kill-restart-at-once-uncontrolled", _kill(again=0.2), rules=_uncontrolled),
    Scenario("replica-killed", _kill(B, again=5.0), writer=A),
    Scenario("freeze", _freeze(), 40.0),
    Scenario("freeze-short", _freeze(0.8), writer=A, plans=()),
    Scenario("freeze-thaw", _freeze(6.0), 40.0),
    Scenario(
        "freeze-thaw-uncontrolled",
        _freeze(10.0),
        40.0,
        _uncontrolled,
        apart=frozenset({A}),
        plans=("failover", "repair"),
    ),
    Scenario("freeze-for-ever-uncontrolled", _freeze(), 40.0, _uncontrolled, apart=frozenset({A})),
    Scenario("isolated", _isolated, 45.0),
    Scenario("isolated-uncontrolled", _isolated, 45.0, _uncontrolled, apart=frozenset({A})),
    Scenario("monitor-cut", _monitor_cut, writer=A, plans=()),
    Scenario("monitor-cut-uncontrolled", _monitor_cut, rules=_uncontrolled, writer=A, plans=()),
    Scenario("replication-cut", _replication_cut, 40.0),
    Scenario("errant-replica", _errant, writer=C, apart=frozenset({B})),
    Scenario("acker-frozen", _acker_frozen, 40.0, apart=frozenset({A}), refused=frozenset({"acker-missing"})),
    Scenario(
        "most-advanced-unelectable",
        _receiver_cut,
        rules=lambda: policy(unelectable=C),
        writer=B,
        apart=frozenset({A}),
    ),
    Scenario("whole-cluster", _whole_cluster(as_replicas=False), 40.0),
    Scenario("whole-cluster-uncontrolled", _whole_cluster(as_replicas=False), 40.0, _uncontrolled),
    Scenario("whole-cluster-as-replicas", _whole_cluster(as_replicas=True), 40.0),
    Scenario("whole-cluster-writer-back-first", _writer_first, 40.0, refused=frozenset({"tail-unseen"})),
    Scenario(
        "whole-cluster-as-replicas-unflushed",
        _whole_cluster(as_replicas=True),
        40.0,
        config=MemoryConfig(flushes_commits=False),
        known="I2: started as semi-sync replicas all servers cut off their last commits, acknowledged ones too "
        "(seen on real servers: 2 of 5 rounds lost 3 and 4 acknowledged writes)",
    ),
    Scenario("switchover", _switchover(), plans=("switchover",)),
    Scenario("switchover-to", _switchover(C), writer=C, plans=("switchover",)),
    Scenario("switchover-preferred", _switchover(), rules=lambda: policy(preferred=C), writer=C),
    Scenario(
        "switchover-refused",
        _switchover(C),
        rules=lambda: policy(unelectable=C),
        writer=A,
        plans=(),
        refused=frozenset({"candidate-unfit"}),
    ),
    *(
        Scenario(f"switchover-{kind}-fails", _failing(kind, server), writer=writer)
        for kind, server, writer in (
            (StepKind.CATCH_UP, B, A),
            (StepKind.FENCE, A, A),
            (StepKind.PROMOTE, B, A),
            (StepKind.FOLLOW, C, A),
            (StepKind.OPEN, B, A),
            (StepKind.FOLLOW, A, B),
        )
    ),
    *(
        Scenario(f"switchover-old-dies-at-{kind}", _dies_at(kind, A, _switchover(B)), 40.0)
        for kind in (StepKind.FENCE, StepKind.CATCH_UP, StepKind.PROMOTE, StepKind.FOLLOW, StepKind.OPEN)
    ),
    *(
        Scenario(f"switchover-new-dies-at-{kind}", _dies_at(kind, B, _switchover(B)), 40.0)
        for kind in (StepKind.FENCE, StepKind.PROMOTE, StepKind.FOLLOW, StepKind.OPEN)
    ),
    *(
        Scenario(f"failover-new-dies-at-{kind}", _dies_at(kind, B, _kill(again=15.0)), 50.0)
        for kind in (StepKind.FENCE, StepKind.DRAIN, StepKind.PROMOTE, StepKind.FOLLOW, StepKind.OPEN)
    ),
    *(
        Scenario(f"failover-other-dies-at-{kind}", _dies_at(kind, C, _kill(again=15.0)), 50.0)
        for kind in (StepKind.FENCE, StepKind.DRAIN, StepKind.PROMOTE, StepKind.FOLLOW, StepKind.OPEN)
    ),
    Scenario("bootstrap", _bootstrap, 15.0, wired=False, plans=("bootstrap",)),
    Scenario("cleanup-and-bootstrap", _bootstrap_again, 20.0, plans=("cleanup", "bootstrap")),
    Scenario("two-writers", _two_writers, writer=A, apart=frozenset({C}), tolerated=("I1", "I2", "I4", "I6")),
    Scenario(
        "writable-replica-and-writer-dead",
        _opened_and_killed,
        apart=frozenset({A, C}),
        tolerated=("I1", "I2", "I4", "I6"),
    ),
    Scenario("paused", _kill(), rules=lambda: policy(paused=True), writer="", converges=False, plans=()),
    Scenario("other-repman", _other_repman, writer="", converges=False, plans=(), refused=frozenset({"no-lease"})),
    Scenario("manual", _kill(), rules=lambda: policy(automatic_failover=False), writer="", converges=False, plans=()),
    Scenario("no-replicas-block", _no_replicas, 40.0, writer=A),
    Scenario(
        "no-replicas-degrade",
        _no_replicas,
        40.0,
        rules=lambda: policy(unacked=UnackedPolicy.DEGRADE, degrade_after=4.0),
        writer=A,
    ),
    Scenario("threads-stopped", _stopped, writer=A),
    Scenario("flapping", _flapping, 60.0),
    Scenario("flapping-uncontrolled", _flapping, 60.0, _uncontrolled, apart=frozenset({A})),
    Scenario("two-failovers", _twice, 45.0),
    Scenario("asynchronous-kill", _kill(), rules=lambda: policy(semi_sync=False), apart=frozenset({A})),
    Scenario("asynchronous-freeze", _freeze(6.0), 40.0, rules=lambda: policy(semi_sync=False)),
)
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
