"""A simulated world: servers, the network between them, clients, and time, which passes only when waited for.

It is a `repman.clock.Clock`.  `sleep` lets the world go on in quanta of `quantum` seconds: scheduled faults
strike, statements run, events and acknowledgements travel, heartbeats come, appliers apply.  All chance
comes from one seeded generator, so the same seed gives the same history.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

from repman.engines import memory_replication as replication
from repman.engines.memory_server import MemoryConfig, MemoryServer, Process, Write, WriteState

MONITOR = "monitor"
"""The node of the network where repman stands."""
CLIENTS = "clients"
"""The node of the network where clients and proxies stand."""
QUANTUM = 0.01
_LEAST = 1e-6
_FLUSH = 1.0
"""Seconds after which the storage engine writes its log to disk though nobody asked for it."""


class MemoryWorld:
    """Everything outside repman.  Use it as the clock of what is simulated."""

    def __init__(
        self,
        addresses: Iterable[str],
        seed: int = 0,
        config: MemoryConfig | None = None,
        net_timeout: float = 5.0,
        retry: float = 1.0,
        stall: float = 0.0,
    ) -> None:
        """Make servers that know nothing of each other.

        `net_timeout`: seconds of silence after which a receiver gives its connection up.  `retry`: seconds
        between its attempts to connect.  `stall`: chance that a channel carries no event in a quantum.
        """
        self.servers = {
            address: MemoryServer(address, number, config or MemoryConfig())
            for number, address in enumerate(addresses, 1)
        }
        self.random = random.Random(seed)
        self.net_timeout, self.retry, self.stall = net_timeout, retry, stall
        self.quantum = QUANTUM
        self.observers: list[Callable[[MemoryWorld], None]] = []
        """Called after each quantum: loads that write and recorders that judge."""
        self.writes: list[Write] = []
        self._cuts: set[frozenset[str]] = set()
        self._rejecting: set[frozenset[str]] = set()
        self._faults: list[tuple[float, int, Callable[[], None]]] = []
        self._scheduled = 0
        self._now = 1000.0
        self._payloads = 0

    # Clock

    def now(self) -> float:
        """Virtual monotonic seconds."""
        return self._now

    def wall(self) -> float:
        """Virtual Unix seconds."""
        return 1_700_000_000.0 + self._now

    def sleep(self, seconds: float) -> None:
        """Let the world go on for that long; never for nothing, so that no waiting loop stands still."""
        end = self._now + max(seconds, _LEAST)
        while self._now < end - 1e-9:
            self._quantum(min(self.quantum, end - self._now))

    def at(self, delay: float, action: Callable[[], None]) -> None:
        """Do something `delay` seconds from now."""
        self._scheduled += 1
        self._faults.append((self._now + delay, self._scheduled, action))
        self._faults.sort(key=lambda fault: fault[:2])

    def _quantum(self, seconds: float) -> None:
        self._now += seconds
        while self._faults and self._faults[0][0] <= self._now + 1e-9:
            self._faults.pop(0)[2]()
        servers = tuple(self.servers.values())
        for server in servers:
            if server.process is Process.STARTING and self._now >= server.ready_at:
                server.recover()
            if server.process is Process.RUNNING:
                self._live(server)
        for server in servers:
            if server.up and server.channel is not None:
                replication.receive(self, server)
                replication.apply(self, server, seconds)
        for observer in self.observers:
            observer(self)

    def _live(self, server: MemoryServer) -> None:
        if server.orphaned and self.connected(MONITOR, server.address):
            server.orphaned, server.lease_holder = False, ""
        while server.acknowledged:
            server.acknowledge(server.acknowledged.popleft(), self._now)
        if server.unflushed and self._now - server.unflushed[-1][1] > _FLUSH:
            server.unflushed.clear()
        replication.judge_semi_sync(self, server)
        if server.running:
            server.finish_running(self._now)
        if server.closing:
            if server.set_read_only():
                server.closing = False
                server.read_inbox(self._now)
        elif server.inbox:
            server.read_inbox(self._now)

    # Network

    def cut(self, one: str, other: str, rejecting: bool = False) -> None:
        """Let nothing through between two nodes; `rejecting`: the network says so instead of silence."""
        self._cuts.add(frozenset((one, other)))
        if rejecting:
            self._rejecting.add(frozenset((one, other)))

    def isolate(self, node: str) -> None:
        """Cut a node off from all others."""
        for other in (*self.servers, MONITOR, CLIENTS):
            if other != node:
                self.cut(node, other)

    def heal(self, *nodes: str) -> None:
        """Repair every cut, or those of these nodes."""
        self._cuts = {pair for pair in self._cuts if nodes and not pair & set(nodes)}
        self._rejecting &= self._cuts

    def connected(self, one: str, other: str) -> bool:
        """Whether packets pass between two nodes."""
        return not self._cuts or frozenset((one, other)) not in self._cuts

    def rejects(self, one: str, other: str) -> bool:
        """Whether the network answers that there is no way."""
        return frozenset((one, other)) in self._rejecting

    # Signals

    def kill(self, address: str) -> None:
        """kill -9."""
        if self.servers[address].process is not Process.DEAD:
            self.servers[address].die(self._now)

    def start(self, address: str, as_replica: bool = True) -> None:
        """Start a dead server; `as_replica`: with ``--init-rpl-role=SLAVE``, as the sandbox does."""
        server = self.servers[address]
        if server.process is Process.DEAD:
            server.process, server.truncates = Process.STARTING, as_replica
            server.ready_at = self._now + server.config.start_seconds

    def restart(self, address: str, down: float = 0.0, as_replica: bool = True) -> None:
        """kill -9, and a start `down` seconds later."""
        self.kill(address)
        self.at(down, lambda: self.start(address, as_replica))

    def freeze(self, address: str) -> None:
        """SIGSTOP."""
        if self.servers[address].process is Process.RUNNING:
            self.servers[address].process = Process.FROZEN

    def thaw(self, address: str) -> None:
        """SIGCONT.  It first reads acknowledgements that had arrived, then what clients sent."""
        if self.servers[address].process is Process.FROZEN:
            self.servers[address].process = Process.RUNNING

    # Clients

    def client_write(
        self, address: str, bypass: bool = False, lasts: float = 0.0, proxy: str = "", origin: str = CLIENTS
    ) -> Write:
        """Write one row on that server; the returned value follows its fate.

        On a frozen server, or over a cut, it waits.  `bypass`: an account that ``read_only`` does not hold.
        """
        self._payloads += 1
        server = self.servers[address]
        write = Write(self._payloads, address, self._now, bypass=bypass, lasts=lasts, proxy=proxy)
        self.writes.append(write)
        if server.process in (Process.DEAD, Process.STARTING) or not self.connected(origin, address):
            write.end(WriteState.UNREACHABLE, self._now)
        elif server.process is Process.FROZEN:
            server.inbox.append(write)
        else:
            server.execute(write, self._now)
        return write

    def give_up(self, write: Write) -> None:
        """The client closes its connection; the server may still execute what it has been sent."""
        write.end(WriteState.LOST, self._now)

    def errant(self, address: str) -> Write:
        """A privileged account writes on that server, read-only or not, acknowledged or not."""
        server = self.servers[address]
        write = self.client_write(address, bypass=True)
        if write in server.in_doubt:
            server.in_doubt.remove(write)
            if write.event is not None:
                server.commit_in_engine(write.event, self._now)
            write.end(WriteState.LOST, self._now)
        return write

    def could_acknowledge(self, address: str) -> bool:
        """Whether a client that reaches this server could be told now that its write is committed."""
        server = self.servers[address]
        if not server.up or server.read_only or server.closing or not self.connected(CLIENTS, address):
            return False
        return not server.semi_sync.waits or bool(replication.living_ackers(self, server))

    # Shortcuts to a topology

    def wire(self, writer: str, semi_sync: bool = True) -> None:
        """Make `writer` open and everybody else its running replica, without any plan."""
        for server in self.servers.values():
            server.semi_sync.source_enabled = semi_sync and server.address == writer
            server.read_only = server.address != writer
            if server.address != writer:
                self.attach(server.address, writer)
        self.sleep(self.quantum * 3)

    def attach(self, replica: str, source: str, heartbeat_period: float = 0.5) -> None:
        """CHANGE MASTER and START SLAVE; what was received and not applied is gone."""
        replication.change_source(self, self.servers[replica], source, heartbeat_period)
        self.servers[replica].start_threads()
