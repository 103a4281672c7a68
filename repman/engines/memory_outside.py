"""The surroundings of a simulated cluster: who runs its processes, and who routes its traffic."""

from __future__ import annotations

from collections.abc import Collection

from repman.engines.memory_server import Process, Write, WriteState
from repman.engines.memory_world import CLIENTS, MemoryWorld
from repman.errors import SandboxError, StepFailed
from repman.model.decision import Routes
from repman.model.observation import ProxySeen


class MemoryOrchestrator:
    """An `Orchestrator` over simulated processes."""

    def __init__(self, world: MemoryWorld, controlled: Collection[str]) -> None:
        self.world, self.controlled = world, frozenset(controlled)

    def controls(self, address: str) -> bool:
        """See `Orchestrator`."""
        return address in self.controlled

    def running(self, address: str) -> bool:
        """See `Orchestrator`."""
        return self.world.servers[address].process is not Process.DEAD

    def kill(self, address: str, timeout: float) -> None:
        """See `Orchestrator`."""
        self._own(address)
        self.world.kill(address)
        self.world.sleep(min(0.005, timeout))

    def stop(self, address: str, timeout: float) -> None:
        """See `Orchestrator`."""
        self._own(address)
        server = self.world.servers[address]
        if server.process is Process.RUNNING:  # what waits commits when its session ends, and all of it is flushed
            server.kill_sessions(self.world.now())
            server.unflushed = []
        server.die(self.world.now())
        self.world.sleep(min(0.05, timeout))

    def start(self, address: str) -> None:
        """See `Orchestrator`."""
        self._own(address)
        self.world.start(address, as_replica=True)

    def _own(self, address: str) -> None:
        if address not in self.controlled:
            raise SandboxError(f"{address} is not a process of ours; start or kill it on its own host")


class MemoryProxy:
    """A `Proxy` over simulated clients.  Its routes survive repman; when it is down nobody passes."""

    def __init__(self, world: MemoryWorld, name: str = "proxy") -> None:
        self.world, self.name = world, name
        self.write: tuple[str, ...] = ()
        self.read: tuple[str, ...] = ()
        self.down = False

    def observe(self, timeout: float) -> ProxySeen:
        """See `Proxy`."""
        if self.down:
            return ProxySeen(self.name, False, "nobody answers on its runtime socket")
        return ProxySeen(self.name, True, "", self.write, self.read)

    def away(self, address: str, timeout: float) -> None:
        """See `Proxy`."""
        self._answering()
        self.write = tuple(other for other in self.write if other != address)
        self._cut_sessions(address)

    def route(self, routes: Routes, timeout: float) -> None:
        """See `Proxy`."""
        self._answering()
        for address in self.write:
            if address != routes.writer:
                self._cut_sessions(address)
        self.write = (routes.writer,) if routes.writer else ()
        self.read = routes.readers

    def close(self) -> None:
        """See `Proxy`."""

    def client_write(self) -> Write | None:
        """A client writes through this proxy; None when it has nowhere to send it."""
        if self.down or not self.write:
            return None
        return self.world.client_write(self.write[0], proxy=self.name, origin=CLIENTS)

    def _answering(self) -> None:
        if self.down:
            raise StepFailed(f"proxy {self.name} does not answer on its runtime socket; start it")

    def _cut_sessions(self, address: str) -> None:
        for write in self.world.servers[address].in_doubt + self.world.servers[address].inbox:
            if write.proxy == self.name and write.state is WriteState.WAITING:
                self.world.give_up(write)
