"""The real loop, decision core and executor of one cluster, over the in-memory engine, in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, cast

from repman.config.settings import ClusterSettings, Credential
from repman.engines.memory import (
    MemoryConfig,
    MemoryDriver,
    MemoryOrchestrator,
    MemoryProxy,
    MemoryWorld,
    Write,
    WriteState,
)
from repman.model.command import Command, Receipt
from repman.model.plan import Outcome, Step
from repman.model.policy import ClusterPolicy, ServerPolicy
from repman.monitor.loop import ClusterLoop, Surroundings
from repman.state.journal import Journal
from simulation.journals import Crash, MemoryJournal
from simulation.recorder import JudgedDriver, Recorder

A, B, C = ADDRESSES = ("a:1", "b:1", "c:1")
_NOBODY = Credential("", "")


def policy(controlled: bool = True, unelectable: str = "", preferred: str = "", **changes: Any) -> ClusterPolicy:
    """Three servers, by default all of them processes that repman may kill and start."""
    servers = tuple(
        ServerPolicy(
            address,
            address[0],
            1,
            f"db{number}",
            address[0],
            preferred=0 if address == preferred else None,
            electable=address != unelectable,
            controlled=controlled,
        )
        for number, address in enumerate(ADDRESSES, 1)
    )
    return replace(ClusterPolicy("c1", servers), **changes)


class Load:
    """Clients: some through the proxy, and some, against all advice, straight to every server in turn."""

    def __init__(self, world: MemoryWorld, proxy: MemoryProxy, patience: float = 2.0, direct: bool = True) -> None:
        self.proxy, self.patience, self.direct = proxy, patience, direct
        self.waiting: list[Write] = []
        self._quanta = 0
        world.observers.append(self)

    def __call__(self, world: MemoryWorld) -> None:
        self._quanta += 1
        for write in self.waiting:
            if world.now() - write.started > self.patience:
                world.give_up(write)
        self.waiting = [write for write in self.waiting if write.state is WriteState.WAITING]
        if self._quanta % 4 == 0 and len(self.waiting) < 20:
            self._keep(self.proxy.client_write())
        if self.direct and self._quanta % 10 == 0 and len(self.waiting) < 20:
            addresses = tuple(world.servers)
            self._keep(world.client_write(addresses[self._quanta // 10 % len(addresses)]))

    def _keep(self, write: Write | None) -> None:
        if write is not None:
            self.waiting.append(write)


class Simulation:
    """One cluster, wired with A as the writer unless told otherwise, its clients, and repman."""

    def __init__(
        self,
        rules: ClusterPolicy | None = None,
        seed: int = 0,
        journal: MemoryJournal | Journal | None = None,
        wired: bool = True,
        config: MemoryConfig | None = None,
        load: bool = True,
        stall: float = 0.2,
        quantum: float = 0.01,
    ) -> None:
        self.policy = rules or policy()
        self.world = MemoryWorld(ADDRESSES, seed, config, stall=stall)
        self.world.quantum = quantum
        self.proxy = MemoryProxy(self.world)
        controlled = [server.address for server in self.policy.servers if server.controlled]
        self.orchestrator = MemoryOrchestrator(self.world, controlled)
        self.journal = journal if journal is not None else MemoryJournal()
        if wired:
            self.world.wire(A, self.policy.semi_sync)
            self.proxy.write = (A,)
        self.recorder = Recorder(self.world, self.policy)
        self.on_step: Callable[[Step], Outcome | None] = lambda step: None
        self.receipts: list[Future[Receipt]] = []
        self.crashes = 0
        self.loop: ClusterLoop | None = None
        if load:
            Load(self.world, self.proxy)

    def at(self, delay: float, action: Callable[..., object], *arguments: object) -> None:
        """Do something `delay` seconds from now."""
        self.world.at(delay, lambda: action(*arguments) and None)

    def ask(self, delay: float, command: Command) -> None:
        """Have an operator ask for something `delay` seconds from now."""

        def ask() -> None:
            if self.loop is not None:
                self.receipts.append(self.loop.ask(command))

        self.world.at(delay, ask)

    def errant(self, address: str) -> None:
        """Somebody writes on a server behind everybody's back."""
        self.recorder.errant.add(self.world.errant(address).payload)

    def run(self, seconds: float) -> None:
        """Let repman watch for that long; a crash at a journal write is followed by a new process."""
        over = False

        def end() -> None:
            nonlocal over
            over = True
            if self.loop is not None:
                self.loop.stop()

        self.world.at(seconds, end)
        while not over:
            driver = JudgedDriver(
                MemoryDriver(self.world, f"repman{self.crashes}", self.policy.semi_sync), self.recorder
            )
            driver.on_step = lambda step: self.on_step(step)
            self.loop = ClusterLoop(self._around(driver))
            try:
                self.loop.run()
            except Crash:
                self.crashes += 1
                driver.close()
                self.loop = None
                self.world.sleep(0.5)
                cast(MemoryJournal, self.journal).revive()

    def _around(self, driver: JudgedDriver) -> Surroundings:
        recorder = cast(Any, self.recorder)
        return Surroundings(
            ClusterSettings(self.policy, _NOBODY, _NOBODY),
            driver,
            (self.proxy,),
            self.orchestrator,
            cast(Journal, self.journal),
            recorder,
            recorder,
            self.world,
            f"run{self.crashes}",
        )

    @property
    def writer(self) -> str:
        """The only open server; empty when there is none or more than one."""
        found = [one.address for one in self.world.servers.values() if one.up and not one.read_only]
        return found[0] if len(found) == 1 else ""

    @property
    def plans(self) -> list[str]:
        """The kinds of all plans, in order."""
        return list(self.recorder.plans.values())

    def refusals(self) -> set[str]:
        """Codes of all refusals that were ever published."""
        return {refusal.code for snapshot in self.recorder.snapshots for refusal in snapshot.refusals}

    def acknowledged(self, since: float, until: float = 1e18) -> int:
        """Writes acknowledged in that time."""
        acked = [write for write in self.world.writes if write.state is WriteState.ACKNOWLEDGED]
        return sum(1 for write in acked if since <= write.ended < until)
