"""Judges a simulated run by its whole history, invariant by invariant.

It reads the truth of the simulated world, never what repman believes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from repman.engines.base import ClusterDriver
from repman.engines.memory import MemoryDriver, MemoryProxy, MemoryWorld, Process, WriteState
from repman.model.observation import Reach, Receiver, ServerSeen
from repman.model.plan import Outcome, Step, StepKind
from repman.model.policy import ClusterPolicy
from repman.model.probe import ProbeTable
from repman.model.snapshot import Event, Snapshot

_MOST_PLANS = 15


class Recorder:
    """Collects what happened, and every broken invariant as a sentence that begins with its id."""

    def __init__(self, world: MemoryWorld, policy: ClusterPolicy) -> None:
        self.world, self.policy = world, policy
        self.violations: list[str] = []
        self.steps: list[tuple[float, Step, Outcome]] = []
        self.snapshots: list[Snapshot] = []
        self.plans: dict[str, str] = {}
        self.events: list[Event] = []
        self.announced: list[tuple[float, str]] = []
        self.errant: set[int] = set()
        self._mismatch_since: float | None = None
        self._unexplained_since: float | None = None
        self._quanta = 0
        world.observers.append(self.judge)

    def broken(self, sentence: str) -> None:
        """Note a broken invariant once."""
        if sentence not in self.violations:
            self.violations.append(sentence)

    def judge(self, world: MemoryWorld) -> None:
        """After each quantum of the world."""
        able = [address for address in world.servers if world.could_acknowledge(address)]
        if len(able) > 1:
            self.broken(f"I1: {' and '.join(able)} can acknowledge client writes at once")
        self._quanta += 1
        if self._quanta % 20 == 0:
            self._followers(world)

    def _followers(self, world: MemoryWorld) -> None:
        for server in world.servers.values():
            channel = server.channel
            source = world.servers.get(channel.source) if channel else None
            if channel is None or source is None or channel.receiver is not Receiver.RUNNING:
                continue
            if not (server.up and source.up) or channel.connected is None or channel.connected[0] != source.boot:
                continue
            extra = server.tables - source.tables - {write.payload for write in source.in_doubt} - self.errant
            if extra and source.read_only is False and world.connected(server.address, source.address):
                self.broken(f"I6: {server.address} follows {source.address} and has {len(extra)} writes that it lacks")

    def performed(self, step: Step, outcome: Outcome, driver: MemoryDriver) -> None:
        """After each step on a server."""
        self.steps.append((self.world.now(), step, outcome))
        if step.kind is StepKind.PROMOTE and outcome.ok and not self._building():
            self._promoted(step.server, driver)

    def _building(self) -> bool:
        return (
            bool(self.snapshots)
            and self.snapshots[-1].plan is not None
            and (self.snapshots[-1].plan.kind == "bootstrap")
        )

    def _promoted(self, winner: str, driver: MemoryDriver) -> None:
        mine = {event.payload for event in self.world.servers[winner].log.events}
        for other in self.world.servers.values():
            if other.address == winner or driver.reach(other) is not Reach.ANSWERED:
                continue
            theirs = {event.payload for event in other.log.events}
            if other.channel is not None:
                theirs |= {event.payload for event, _ in other.channel.relay}
            unacknowledged = {write.payload for write in other.in_doubt}
            if missing := theirs - mine - self.errant - unacknowledged:
                self.broken(f"I7: {winner} is promoted and lacks {len(missing)} writes of {other.address}")

    def before_step(self, step: Step, driver: MemoryDriver) -> None:
        """Before each step on a server."""
        if self.policy.paused:
            self.broken(f"I13: {step} while paused")
        answering = [one for one in self.world.servers.values() if driver.reach(one) is Reach.ANSWERED]
        votes = sum(1 for one in answering if one.lease_holder == driver.holder)
        if answering and 2 * votes <= len(answering):
            self.broken(f"I8: {step} with {votes} of {len(answering)} votes")

    def publish(self, snapshot: Snapshot, table: ProbeTable) -> None:
        """What probes and people are told; stands where files are published."""
        self.snapshots.append(snapshot)
        if len(table.masters) > 1:
            self.broken(f"I11: several servers are is-master: {table.masters}")
        self._agrees(snapshot, table)
        self._explained(snapshot)
        writer = snapshot.routes.writer
        if writer and (not self.announced or self.announced[-1][1] != writer):
            self.announced.append((self.world.now(), writer))
        if snapshot.plan is not None and snapshot.plan.id not in self.plans:
            self.plans[snapshot.plan.id] = snapshot.plan.kind
            if snapshot.plan.kind == "failover":
                self._justified(snapshot.plan.old_writer)
            if len(self.plans) > _MOST_PLANS:
                self.broken(f"I15: more than {_MOST_PLANS} plans")

    def _agrees(self, snapshot: Snapshot, table: ProbeTable) -> None:
        now = self.world.now()
        server = self.world.servers.get(table.masters[0]) if table.masters else None
        if server is None or not server.up or not server.read_only:
            self._mismatch_since = None
        elif self._mismatch_since is None:
            self._mismatch_since = now
        elif now - self._mismatch_since > self.policy.tick + 1.0:
            self.broken(f"I11: {server.address} is is-master for long though read-only")

    def _explained(self, snapshot: Snapshot) -> None:
        now = self.world.now()
        able = any(self.world.could_acknowledge(address) for address in self.world.servers)
        told = snapshot.in_failover or snapshot.refusals or snapshot.blocked_by or snapshot.problems
        if able or told:
            self._unexplained_since = None
        elif self._unexplained_since is None:
            self._unexplained_since = now
        elif now - self._unexplained_since > 3 * self.policy.tick:
            self.broken("I12: nobody takes writes, and neither a plan nor a refusal says why")

    def _justified(self, old: str) -> None:
        writer = self.world.servers.get(old)
        if writer is None or not writer.up:
            return
        for other in self.world.servers.values():
            channel = other.channel
            live = channel is not None and channel.source == old and channel.receiver is Receiver.RUNNING
            if other.up and live and self.world.connected(other.address, old):
                self.broken(f"I9: failover of {old}, which lives and feeds {other.address}")

    def append(self, event: Event, cluster: str) -> None:
        """A line of the history; stands where the history is kept."""
        self.events.append(event)

    def append_crash(self, crash: object) -> None:
        """An old writer was replaced."""

    def finish(self, proxies: Collection[MemoryProxy], converges: bool, apart: Collection[str] = ()) -> list[str]:
        """Judge the end; `apart`: servers that must stay out (dead, diverged) and are not asked to follow."""
        open_ones = [one for one in self.world.servers.values() if one.up and not one.read_only]
        if converges:
            self._converged([one.address for one in open_ones], proxies, apart)
        if len(open_ones) == 1:
            self._kept(open_ones[0].address)
        self._late()
        untold = (WriteState.READ_ONLY, WriteState.UNREACHABLE)
        never = {write.payload for write in self.world.writes if write.state in untold}
        for server in self.world.servers.values():
            if server.tables & never:
                self.broken(f"I3: {server.address} has writes that were refused")
        return self.violations

    def _kept(self, final: str) -> None:
        """Every acknowledged write is on the final writer."""
        if not self.policy.semi_sync:
            return
        have = self.world.servers[final].tables
        lost = [one for one in self.world.writes if one.state is WriteState.ACKNOWLEDGED and one.payload not in have]
        lost = [one for one in lost if one.payload not in self.errant]
        if lost:
            self.broken(f"I2: {len(lost)} acknowledged writes are not on {final}, first of {lost[0].address}")

    def _late(self) -> None:
        """No write issued after a new writer was announced is acknowledged by the one before it."""
        for place, (since, writer) in enumerate(self.announced):
            until = self.announced[place + 1][0] if place + 1 < len(self.announced) else 1e18
            deposed = {address for _, address in self.announced[:place]} - {writer}
            for write in self.world.writes:
                late = since < write.started and write.ended < until
                acknowledged = write.state is WriteState.ACKNOWLEDGED and write.payload not in self.errant
                if acknowledged and late and write.address in deposed:
                    self.broken(f"I4: {write.address} acknowledged a write issued after {writer} was announced")

    def _converged(self, open_ones: list[str], proxies: Collection[MemoryProxy], apart: Collection[str]) -> None:
        if len(open_ones) != 1:
            self.broken(f"I5: {len(open_ones)} servers are open at the end: {open_ones}")
            return
        writer = self.world.servers[open_ones[0]]
        for server in self.world.servers.values():
            if server is writer or server.address in apart:
                continue
            channel = server.channel
            if server.process is not Process.RUNNING or channel is None or channel.source != writer.address:
                self.broken(f"I5: {server.address} does not follow {writer.address} at the end")
            elif channel.receiver is not Receiver.RUNNING or not channel.applier_running:
                self.broken(f"I5: {server.address} does not replicate at the end")
            elif not server.read_only or not server.semi_sync.replica_enabled:
                self.broken(f"I5: {server.address} is not a read-only, acknowledging replica at the end")
            elif server.tables - writer.tables - {write.payload for write in writer.in_doubt}:
                self.broken(f"I6: {server.address} serves as a replica with writes that {writer.address} lacks")
        if writer.semi_sync.source_enabled is not self.policy.semi_sync:
            self.broken(f"I5: semi-sync on {writer.address} is not as the policy says")
        for proxy in proxies:
            if proxy.write != (writer.address,):
                self.broken(f"I5: {proxy.name} routes writes to {proxy.write}, not to {writer.address}")


class JudgedDriver:
    """A driver whose steps the recorder sees; `on_step` may interfere: it returns an outcome instead, or None."""

    def __init__(self, inner: MemoryDriver, recorder: Recorder) -> None:
        self.inner, self.recorder = inner, recorder
        self.performs = inner.performs
        self.on_step: Callable[[Step], Outcome | None] = lambda step: None

    def observe(self, timeout: float, only: Collection[str] | None = None) -> tuple[ServerSeen, ...]:
        return self.inner.observe(timeout, only)

    def wait(self, timeout: float) -> frozenset[str]:
        return self.inner.wait(timeout)

    def wake(self) -> None:
        self.inner.wake()

    def inventory(self, timeout: float) -> None:
        self.inner.inventory(timeout)

    def perform(self, step: Step, timeout: float, waiting: Callable[[], None]) -> Outcome:
        self.recorder.before_step(step, self.inner)
        instead = self.on_step(step)
        outcome = self.inner.perform(step, timeout, waiting) if instead is None else instead
        self.recorder.performed(step, outcome, self.inner)
        return outcome

    def close(self) -> None:
        self.inner.close()


def is_driver(driver: JudgedDriver) -> ClusterDriver:
    """The type checker agrees that it is one."""
    return driver
