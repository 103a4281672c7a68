"""One cluster's heartbeat: look, decide, execute, publish.  No rule lives here."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace

from repman.clock import Clock
from repman.config.settings import ClusterSettings
from repman.decide.tick import decide, repair_key
from repman.engines.base import ClusterDriver
from repman.errors import JournalError, RepmanError, StateError
from repman.model.command import Command, CommandKind, Receipt
from repman.model.decision import Decision, Routes
from repman.model.memory import Memory
from repman.model.observation import ClusterSeen, ProxySeen
from repman.model.plan import Plan, PlanKind
from repman.model.probe import probe_table
from repman.model.snapshot import Event, Snapshot
from repman.monitor.chronicle import adopted, begun, ended, granted, news
from repman.monitor.crashes import crash_of_plan, crash_of_takeover
from repman.monitor.executor import Executor, Report
from repman.monitor.parting import parting, stays
from repman.monitor.progress import Progress
from repman.monitor.publication import Publication
from repman.monitor.receipts import receipt_of_decision, receipt_of_plan
from repman.monitor.resumption import resumption
from repman.monitor.takeovers import Takeovers
from repman.orchestrators.base import Orchestrator
from repman.proxies.base import Proxy
from repman.state.history import History
from repman.state.journal import Journal
from repman.state.snapshots import Publisher

LOG = logging.getLogger(__name__)

_HURRY = 0.02
"""Seconds between looks while the writer is out of reach and the verdict is not in yet."""
_HURRY_ANSWER = 0.25
"""Longest wait for answers in a hurried look: the silent one has had its full time in the look before."""
_HURRY_LOOKS = 100
"""After so many hurried looks the pace falls to a fifth of a second."""
_RETRY = 0.05
"""Seconds between looks while a resumed plan waits for a first answer."""
_SAVE_EVERY = 5.0
_REST_AFTER_FAILURE = 10.0
"""Seconds before a repair that failed is tried again."""
_MOVES = (PlanKind.FAILOVER, PlanKind.SWITCHOVER, PlanKind.REOPEN)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that one cluster's loop works with."""

    settings: ClusterSettings
    driver: ClusterDriver
    proxies: Sequence[Proxy]
    orchestrator: Orchestrator | None
    journal: Journal
    history: History
    publisher: Publisher
    clock: Clock
    run: str
    """Identifies this monitor process."""


class ClusterLoop:
    """Watches and moves one cluster, in one thread."""

    def __init__(self, around: Surroundings) -> None:
        """Nothing is opened before `run`."""
        self._around = around
        self.around = around
        """What it works with, or will from its next tick on."""
        self._policy = around.settings.policy
        self._clock = around.clock
        self._memory = Memory(self._policy.name)
        self._decision: Decision | None = None
        self._publication = Publication(self._policy, around.run)
        self._commands: queue.SimpleQueue[tuple[Command, Future[Receipt]]] = queue.SimpleQueue()
        self._adoptions: queue.SimpleQueue[tuple[Surroundings, Future[str]]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._inventory_due = threading.Event()
        self._inventory_due.set()
        self._hurried = 0
        self._saved = (0.0, "")
        self._takeovers = Takeovers()
        self._executor = _executor(around, self._report)

    def adopt(self, around: Surroundings) -> Future[str]:
        """Go on with other settings and equipment, from the next tick on.  Equipment left behind is closed.

        The future brings an empty text, or why the loop goes on as before.
        """
        future: Future[str] = Future()
        self.around = around
        self._adoptions.put((around, future))
        self._around.driver.wake()
        return future

    def ask(self, command: Command) -> Future[Receipt]:
        """Hand a command to the loop's thread."""
        future: Future[Receipt] = Future()
        self._commands.put((command, future))
        self._around.driver.wake()
        return future

    def stop(self) -> None:
        """End after the present tick; a running plan is finished first."""
        self._stopping.set()
        self._around.driver.wake()

    def read_inventory(self) -> None:
        """Read what changes rarely at the next quiet tick."""
        self._inventory_due.set()

    def run(self) -> None:
        """The heartbeat; returns after `stop`."""
        self._memory = self._around.journal.load_memory(self._policy.name) or Memory(self._policy.name)
        try:
            self._resume()
            while not self._stopping.is_set():
                self._adopt()
                began = self._clock.now()
                command, future = self._next_command()
                self.tick(command, future)
                self._publication.tick_seconds = self._clock.now() - began
                self._wait(began)
        finally:
            self._turn_away()
            self._save(force=True)
            self._around.driver.close()
            for proxy in self._around.proxies:
                proxy.close()

    def tick(self, command: Command | None = None, future: Future[Receipt] | None = None) -> None:
        """One look and what follows from it."""
        before = self._memory
        seen, decision = self._look(command)
        preview = command is not None and command.kind is CommandKind.PREVIEW
        try:
            if decision.plan is not None and not preview:
                receipt = self._carry_out(decision.plan, seen, decision)
            else:
                receipt = receipt_of_decision(self._policy, decision, command)
                self._steer(seen, decision)
                if decision.done:  # a wish that a restart must not forget
                    self._around.journal.save_memory(self._memory)
                    self._tell(granted(command, decision.done, self._clock.wall()))
                    if command is not None and command.kind is CommandKind.RESET_AVAILABILITY:
                        self._publication.count_anew()
            if future is not None:
                future.set_result(receipt)
        except JournalError as error:
            if decision.done:
                self._memory = before
            self._tell(Event(self._clock.wall(), "ERROR", f"nothing is done: {error}", code="no-journal"))
            if future is not None:
                future.set_result(Receipt("failed", str(error)))
        self._save(force=False)

    def _look(self, command: Command | None) -> tuple[ClusterSeen, Decision]:
        """Observe, decide, publish; a command is decided on a fresh inventory."""
        seen = self._observe(thorough=command is not None)
        now, wall = self._clock.now(), self._clock.wall()
        decision = decide(self._policy, seen, self._memory, command, now, wall)
        self._note(decision, wall)
        for event in self._takeovers.news(decision, seen, wall):
            self._tell(event)
        if decision.takeover is not None:
            self._around.history.append_crash(crash_of_takeover(self._policy.name, decision.takeover))
        self._memory, self._decision = decision.memory, decision
        self._publication.count(decision, now)
        self._publish(self._publication.snapshot(decision, seen, wall))
        return seen, decision

    def _observe(self, thorough: bool = False) -> ClusterSeen:
        timeout = self._policy.answer_timeout
        servers = self._around.driver.observe(min(timeout, _HURRY_ANSWER) if self._hurried else timeout)
        quiet = self._inventory_due.is_set() and all(one.answered for one in servers)
        if thorough or quiet:
            self._inventory_due.clear()
            self._around.driver.inventory(timeout)
            servers = self._around.driver.observe(timeout)
        proxies = tuple(proxy.observe(timeout) for proxy in self._around.proxies)
        return ClusterSeen(self._policy.name, self._clock.now(), servers, proxies)

    def _carry_out(self, plan: Plan, seen: ClusterSeen, decision: Decision) -> Receipt:
        LOG.info("plan cluster=%s kind=%s: %s", self._policy.name, plan.kind, plan.reason)
        progress = self._executor.run(plan, self._policy, seen, decision.memory, decision.routes)
        receipt = self._finished(progress)
        # Publish what the plan has led to before anybody is told that it ended.
        self._look(None)
        return receipt

    def _finished(self, progress: Progress) -> Receipt:
        plan, wall = progress.plan, self._clock.wall()
        self._memory = progress.memory
        if progress.state != "done" and plan.kind not in _MOVES:
            until = self._clock.now() + _REST_AFTER_FAILURE
            self._memory = replace(self._memory, refused_plans=(*self._memory.refused_plans, (repair_key(plan), until)))
        if progress.state != "done" and self._memory.rolling is not None:
            self._memory = replace(self._memory, rolling=None)
            self._tell(
                Event(wall, "ERROR", f"the rolling restart was left off, as the {plan.kind} failed", code="rolling")
            )
        if progress.opened and plan.kind in _MOVES and plan.old_writer != plan.new_writer:
            self._around.history.append_crash(crash_of_plan(progress, wall))
        self._tell(ended(progress, wall))
        self._save(force=True)
        return receipt_of_plan(progress)

    def _resume(self) -> None:
        """Finish, or put to rest, the plan that a dead monitor left open."""
        found = self._around.journal.unfinished(self._policy.name)
        if found is None:
            return
        deadline = self._clock.now() + self._policy.answer_timeout * 5
        seen = self._observe()
        while not seen.answering() and self._clock.now() < deadline:
            self._clock.sleep(_RETRY)
            seen = self._observe()
        decision = decide(self._policy, seen, self._memory, None, self._clock.now(), self._clock.wall())
        self._decision, self._memory = decision, decision.memory
        done, undoing, fences = resumption(found)
        self._tell(Event(self._clock.wall(), "WARN", f"resuming the {found.plan.kind} {found.id} at step {done + 1}"))
        progress = self._executor.resume(
            found.id, found.plan, done, undoing, self._policy, seen, self._memory, Routes(), fences
        )
        self._finished(progress)

    def _steer(self, seen: ClusterSeen, decision: Decision) -> None:
        """Keep the proxies at what was decided, when we are the one who may."""
        if self._policy.paused or not seen.leased:
            return
        for proxy, proxy_seen in zip(self._around.proxies, seen.proxies, strict=True):
            if proxy_seen.answered and not _as_told(proxy_seen, decision.routes):
                try:
                    proxy.route(decision.routes, self._policy.answer_timeout)
                except RepmanError as error:
                    LOG.warning("proxy cluster=%s proxy=%s: %s", self._policy.name, proxy.name, error)

    def _report(self, progress: Progress) -> None:
        """Called by the executor: publish where the plan is."""
        if self._publication.plan is None or self._publication.plan.id != progress.id:
            self._tell(begun(progress, self._clock.wall()))
        if self._decision is not None:
            now, wall = self._clock.now(), self._clock.wall()
            self._publish(self._publication.during(self._decision, progress, now, wall))

    def _publish(self, snapshot: Snapshot) -> None:
        settings = self._around.settings
        try:
            self._around.publisher.publish(
                snapshot, probe_table(snapshot, settings.probes_stale_policy, settings.probes_stale_max)
            )
        except StateError as error:
            LOG.error("publish cluster=%s: %s", self._policy.name, error)

    def _note(self, decision: Decision, wall: float) -> None:
        for event in news(self._policy, self._decision, decision, wall):
            self._tell(event)

    def _tell(self, event: Event) -> None:
        level = {"ERROR": logging.ERROR, "WARN": logging.WARNING, "ALERT": logging.WARNING}.get(
            event.level, logging.INFO
        )
        LOG.log(level, "cluster=%s server=%s code=%s %s", self._policy.name, event.server, event.code, event.text)
        self._publication.events.appendleft(event)
        self._around.history.append(event, self._policy.name)

    def _turn_away(self) -> None:
        """Answer who still waits: nobody will after this."""
        while not self._commands.empty():
            _, future = self._commands.get_nowait()
            future.set_result(Receipt("failed", f"repman stopped watching {self._policy.name} before it came to this"))

    def _next_command(self) -> tuple[Command | None, Future[Receipt] | None]:
        try:
            return self._commands.get_nowait()
        except queue.Empty:
            return None, None

    def _adopt(self) -> None:
        """Take over what `adopt` was given."""
        while not self._adoptions.empty():
            around, future = self._adoptions.get_nowait()
            old, policy = self._around, around.settings.policy
            told = stays(old.settings.policy, policy, self._memory)
            if told:
                if self.around is around:
                    self.around = old
                    _close_unused(around, old)
                self._tell(Event(self._clock.wall(), "ERROR", told, code="settings"))
                future.set_result(told)
                continue
            plan = parting(old.settings.policy, policy, self._memory)
            if plan is not None:
                try:
                    self._carry_out(plan, *self._look(None))
                except JournalError as error:
                    self._tell(Event(self._clock.wall(), "ERROR", f"{plan.reason}, but does still: {error}"))
            self._around, self._policy, self._publication.policy = around, policy, policy
            self._executor = _executor(around, self._report)
            _close_unused(old, around)
            self._inventory_due.set()
            self._tell(adopted(old.settings, around.settings, self._clock.wall()))
            future.set_result("")

    def _wait(self, began: float) -> None:
        """Sleep until the next tick, a closed connection, a command, other settings or the end."""
        until = began + self._pace()
        while not self._stopping.is_set() and self._commands.empty() and self._adoptions.empty():
            left = until - self._clock.now()
            if left <= 0 or self._around.driver.wait(left):
                return

    def _pace(self) -> float:
        if self._decision is None or self._decision.writer_alive or not self._decision.writer:
            self._hurried = 0
            return self._policy.tick
        self._hurried += 1
        return _HURRY if self._hurried < _HURRY_LOOKS else min(self._policy.tick, 0.2)

    def _save(self, force: bool) -> None:
        now = self._clock.now()
        due = now - self._saved[0] >= _SAVE_EVERY or self._memory.writer != self._saved[1]
        if not (force or due):
            return
        self._saved = (now, self._memory.writer)
        try:
            self._around.journal.save_memory(self._memory)
        except JournalError as error:
            LOG.error("memory cluster=%s: %s", self._policy.name, error)


def _executor(around: Surroundings, report: Report) -> Executor:
    return Executor(
        around.driver, around.proxies, around.orchestrator, around.journal, around.clock, report, around.run
    )


def _close_unused(old: Surroundings, new: Surroundings) -> None:
    if old.driver is not new.driver:
        old.driver.close()
    for proxy in old.proxies:
        if proxy not in new.proxies:
            proxy.close()


def _as_told(seen: ProxySeen, routes: Routes) -> bool:
    """Whether a proxy routes as decided, so that it need not be asked again."""
    writers = {routes.writer} if routes.writer else set()
    return not seen.error and set(seen.write) == writers and set(seen.read) == set(routes.readers)
