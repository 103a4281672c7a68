"""An in-memory engine with MariaDB's replication semantics, for simulation and tests.

`MemoryWorld` is everything outside repman, `MemoryDriver` the driver that looks at it and acts on it, and
`MemoryOrchestrator` and `MemoryProxy` its surroundings.  It is kept honest by a differential test against
real servers: where the two differ, this one is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from repman.engines.memory_outside import MemoryOrchestrator, MemoryProxy
from repman.engines.memory_replication import ackers
from repman.engines.memory_server import Channel, MemoryConfig, MemoryServer, Process, Write, WriteState
from repman.engines.memory_steps import PERFORMERS, Acting, NoAnswer
from repman.engines.memory_wishes import WISHED
from repman.engines.memory_world import CLIENTS, MONITOR, MemoryWorld
from repman.model.observation import Inventory, Link, Reach, Receiver, SemiSync, ServerSeen
from repman.model.plan import FenceOutcome, Outcome, Step, StepKind
from repman.model.version import ServerVersion

__all__ = [
    "CLIENTS",
    "MONITOR",
    "MemoryConfig",
    "MemoryDriver",
    "MemoryOrchestrator",
    "MemoryProxy",
    "MemoryServer",
    "MemoryWorld",
    "Process",
    "Write",
    "WriteState",
]

_VERSION = ServerVersion("MariaDB", 10, 11, 0)
_LATENCY = 0.001


class MemoryDriver:
    """The `ClusterDriver` of a simulated world.

    `holder` names this repman in the votes for the lease: each answering server gives its vote to the first
    who asks and takes it back when that one's connection closes.
    """

    performs: frozenset[StepKind] = frozenset({*PERFORMERS, *WISHED})

    def __init__(
        self,
        world: MemoryWorld,
        holder: str = "repman",
        semi_sync: bool = True,
        heartbeat_period: float = 0.5,
        node: str = MONITOR,
    ) -> None:
        self.world, self.holder, self.node = world, holder, node
        self.semi_sync, self.heartbeat_period = semi_sync, heartbeat_period
        self._kept: dict[str, int] = {}
        self._inventories: dict[str, Inventory] = {}

    def observe(self, timeout: float, only: Collection[str] | None = None) -> tuple[ServerSeen, ...]:
        """See `ClusterDriver`.  A silent server makes the look take the whole `timeout`."""
        servers = [server for server in self.world.servers.values() if only is None or server.address in only]
        self.world.sleep(_LATENCY)
        looks = {server.address: self._look(server) for server in servers}
        if any(seen.reach is Reach.SILENT for seen in looks.values()):
            self.world.sleep(max(timeout - _LATENCY, 0.0))
        return tuple(looks[server.address] for server in servers)

    def wait(self, timeout: float) -> frozenset[str]:
        """See `ClusterDriver`."""
        end = self.world.now() + timeout
        while not (closed := self._closed()) and self.world.now() < end - 1e-9:
            self.world.sleep(min(self.world.quantum, end - self.world.now()))
        if not closed and timeout < 1e-6:
            self.world.sleep(timeout)
        for address in closed:
            del self._kept[address]
        return closed

    def wake(self) -> None:
        """See `ClusterDriver`: nobody else runs while virtual time stands still."""

    def inventory(self, timeout: float) -> None:
        """See `ClusterDriver`."""
        for server in self.world.servers.values():
            if self.reach(server) is Reach.ANSWERED:
                schemas = ("app",) if server.tables else ()
                self._inventories[server.address] = Inventory(
                    self.world.now(), user_schemas=schemas, commits_survive=server.config.flushes_commits
                )

    def perform(self, step: Step, timeout: float, waiting: Callable[[], None]) -> Outcome:
        """See `ClusterDriver`."""
        server = self.world.servers.get(step.server)
        performer = PERFORMERS.get(step.kind) or WISHED.get(step.kind)
        if server is None or performer is None:
            return Outcome(False, f"this engine cannot do: {step}")
        acting = Acting(self.world, self.reach, waiting, timeout, self.semi_sync, self.heartbeat_period)
        fencing = step.kind is StepKind.FENCE
        try:
            acting.talk(server)
            return performer(acting, server, step)
        except NoAnswer as silence:
            fence = None
            if fencing:
                fence = FenceOutcome.DEAD if silence.reach is Reach.REFUSED else FenceOutcome.UNKNOWN
            return Outcome(fence is FenceOutcome.DEAD, str(silence), fence)

    def close(self) -> None:
        """See `ClusterDriver`.  Servers that cannot hear it keep the vote until they can."""
        for server in self.world.servers.values():
            if server.lease_holder == self.holder:
                server.orphaned = True
        self._kept = {}

    def reach(self, server: MemoryServer) -> Reach:
        """How an attempt to talk to that server would end now."""
        if not self.world.connected(self.node, server.address):
            rejected = self.world.rejects(self.node, server.address)
            return Reach.UNREACHABLE if rejected else Reach.SILENT
        if server.process in (Process.DEAD, Process.STARTING):
            return Reach.REFUSED
        if server.process is Process.FROZEN:
            return Reach.SILENT
        if server.denies:
            return Reach.DENIED
        return Reach.BUSY if server.busy else Reach.ANSWERED

    def _closed(self) -> frozenset[str]:
        return frozenset(
            address
            for address, boot in self._kept.items()
            if self.world.connected(self.node, address)
            and (self.world.servers[address].process is Process.DEAD or self.world.servers[address].boot != boot)
        )

    def _look(self, server: MemoryServer) -> ServerSeen:
        reach = self.reach(server)
        if server.address in self._closed():
            del self._kept[server.address]
            if reach is not Reach.ANSWERED:
                reach = Reach.CLOSED
        if reach is not Reach.ANSWERED:
            return ServerSeen(server.address, reach, self.world.now(), error=f"{server.address}: {reach}")
        self._kept[server.address] = server.boot
        if not server.lease_holder:
            server.lease_holder = self.holder
        return self._answer(server)

    def _answer(self, server: MemoryServer) -> ServerSeen:
        halves, channel = server.semi_sync, server.channel
        return ServerSeen(
            server.address,
            Reach.ANSWERED,
            self.world.now(),
            version=_VERSION,
            server_id=server.server_id,
            boot=str(server.boot),
            read_only=server.read_only,
            executed=server.executed(),
            received=server.received(),
            links=() if channel is None else (self._link(server, channel),),
            semi_sync=SemiSync(
                halves.source_enabled,
                halves.replica_enabled,
                halves.waits,
                ackers(self.world, server),
                halves.timeout,
                halves.waits_without_replica,
                waiting=len(server.in_doubt),
                waits_ended=server.waits_ended,
            ),
            binlog=True,
            log_replica_updates=True,
            strict_gtid=server.config.strict,
            row_format=True,
            leased=server.lease_holder == self.holder,
            lease_holder="" if server.lease_holder == self.holder else server.lease_holder,
            inventory=self._inventories.get(server.address),
        )

    def _link(self, server: MemoryServer, channel: Channel) -> Link:
        lag: float | None = None
        if channel.receiver is Receiver.RUNNING and channel.applier_running:
            lag = float(int(self.world.now() - channel.relay[0][0].at)) if channel.relay else 0.0
        return Link(
            channel.source,
            channel.source_server_id,
            channel.receiver,
            channel.applier_running,
            channel.received(server.config.strict),
            channel.heartbeats,
            channel.heartbeat_period,
            lag,
            receiver_errno=channel.receiver_errno,
            receiver_error=channel.receiver_error,
            applier_errno=channel.applier_errno,
            applier_error=channel.applier_error,
        )
