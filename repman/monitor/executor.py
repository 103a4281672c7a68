"""Runs a plan: look, ask whether the step may be done, write the intent, do it, write the outcome.

Stops at the first essential step that fails.  Decides nothing: `repman.decide.steps` says what may be done
now, the drivers read back what they claim, and a plan that fails before its new writer is open is undone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

from repman.clock import Clock
from repman.decide.remember import remember, wished
from repman.decide.steps import forbidden, unknown_fence_allowed
from repman.decide.view import View, look
from repman.decide.witness import Life
from repman.engines.base import ClusterDriver
from repman.errors import JournalError, RepmanError
from repman.model.decision import Routes
from repman.model.memory import Memory, ServerMemory
from repman.model.observation import ClusterSeen
from repman.model.plan import FenceOutcome, Outcome, Plan, PlanKind, Step, StepKind
from repman.model.policy import ClusterPolicy
from repman.monitor.journalling import PlanJournal
from repman.monitor.progress import Progress
from repman.orchestrators.base import Orchestrator
from repman.proxies.base import Proxy

LOG = logging.getLogger(__name__)

Report = Callable[[Progress], None]
"""Called at each step and at least every quarter second of a long one, so that what is published stays fresh."""

_REPORT_EVERY = 0.25
_SHUTDOWN_LOOK = 1.0
"""Seconds between two looks at the writer while another server shuts down."""
_WORD = 0.05
"""Seconds that a server which has been silent gets to answer in the middle of a plan."""


class Executor:
    """Carries out the plans of one cluster; used by that cluster's thread only."""

    def __init__(
        self,
        driver: ClusterDriver,
        proxies: Sequence[Proxy],
        orchestrator: Orchestrator | None,
        journal: PlanJournal,
        clock: Clock,
        report: Report,
        epoch: str = "",
    ) -> None:
        """`epoch` names the monitor process in the journal."""
        self._driver = driver
        self._proxies = tuple(proxies)
        self._orchestrator = orchestrator
        self._journal = journal
        self._clock = clock
        self._report = report
        self._epoch = epoch
        self._reported = 0.0

    def run(self, plan: Plan, policy: ClusterPolicy, seen: ClusterSeen, memory: Memory, routes: Routes) -> Progress:
        """Carry out a new plan to its end, one way or the other.  Raises JournalError; then nothing was begun."""
        plan_id = self._journal.open_plan(plan, self._epoch, self._clock.wall())
        progress = self._begin(plan_id, plan, seen, memory, routes)
        for assumption in plan.assumptions:
            self._journal.assume(plan_id, assumption)
        self._go(progress, policy, 0, undoing=False)
        return progress

    def resume(
        self,
        plan_id: str,
        plan: Plan,
        done: int,
        undoing: bool,
        policy: ClusterPolicy,
        seen: ClusterSeen,
        memory: Memory,
        routes: Routes,
        fences: dict[str, FenceOutcome],
    ) -> Progress:
        """Go on with a plan that a dead monitor left open: `done` steps (of its undo when `undoing`) are behind it."""
        progress = self._begin(plan_id, plan, seen, memory, routes)
        progress.fences.update(fences)
        progress.step_seconds += [0.0] * (0 if undoing else done)
        progress.opened = not undoing and any(step.kind.opens for step in plan.steps[:done])
        for step in () if undoing else plan.steps[:done]:  # repman may have died before it kept that
            progress.memory = wished(progress.memory, step)
        if plan.old_writer in fences and not progress.opened:
            progress.memory = _closed_by_us(progress.memory, plan.old_writer)
        self._go(progress, policy, done, undoing)
        return progress

    def _begin(self, plan_id: str, plan: Plan, seen: ClusterSeen, memory: Memory, routes: Routes) -> Progress:
        progress = Progress(plan_id, plan, memory, seen, routes, self._clock.wall(), self._clock.now())
        progress.silent = {one.address for one in seen.servers if one.reach.silent}
        return progress

    def _go(self, progress: Progress, policy: ClusterPolicy, first: int, undoing: bool) -> None:
        plan = progress.plan
        try:
            failure = "" if undoing else self._steps(progress, policy, plan.steps, first, undo=False)
            if undoing or (failure and plan.undo and not progress.opened):
                failure = failure or "the monitor died while it was undone"
                undone = self._steps(progress, policy, plan.undo, first if undoing else 0, undo=True)
                state = "failed" if undone else "undone"
                detail = f"{failure}; putting the old writer back failed too: {undone}" if undone else failure
            else:
                state, detail = ("failed", failure) if failure else ("done", "")
            self._end(progress, state, detail)
            # Before the plan is closed: whoever finds it closed must know what it has led to.
            self._journal.save_memory(progress.memory)
            self._journal.close_plan(progress.id, state, detail)
        except JournalError as error:
            self._end(progress, "failed", f"stopped, for without a journal nothing may be changed: {error}")

    def _end(self, progress: Progress, state: str, detail: str) -> None:
        progress.state, progress.detail = state, detail
        progress.seconds = self._clock.now() - progress.began
        if state == "done":
            progress.current = len(progress.plan.steps)
        self._tell(progress)

    def _steps(self, progress: Progress, policy: ClusterPolicy, steps: Sequence[Step], first: int, undo: bool) -> str:
        """Do the steps from `first` on; returns why it stopped, or nothing."""
        ends = self._clock.now() + progress.plan.deadline
        for index in range(first, len(steps)):
            step = steps[index]
            left = ends - self._clock.now()
            if left <= 0:
                return f"the plan's time of {progress.plan.deadline:.0f} s was over before: {step}"
            if not undo:
                progress.current = index
            began = self._clock.now()
            outcome = self._step(progress, policy, index, step, min(step.timeout, left), undo)
            if not undo:
                progress.step_seconds.append(self._clock.now() - began)
            if not outcome.ok:
                LOG.warning("step failed cluster=%s step=%s: %s", policy.name, step, outcome.detail)
                if step.essential:
                    return f"{step}: {outcome.detail}"
        return ""

    def _step(
        self, progress: Progress, policy: ClusterPolicy, index: int, step: Step, timeout: float, undo: bool
    ) -> Outcome:
        self._listen_again(progress, step)
        view = self._look(progress, policy)
        refusals = forbidden(view, progress.plan, step, progress.fences, undo)
        if refusals:
            progress.refusals = tuple((refusal.code, refusal.sentence) for refusal in refusals)
            return Outcome(False, "; ".join(refusal.sentence for refusal in refusals))
        self._journal.intent(progress.id, index, step, undo)
        began = self._clock.now()
        outcome = self._perform(progress, policy, step, timeout)
        if step.kind is StepKind.FENCE:
            outcome = self._fenced(progress, policy, step, outcome)
        if outcome.ok:
            self._remember(progress, step, outcome)
        self._journal.outcome(progress.id, index, outcome, self._clock.now() - began, undo)
        self._tell(progress)
        return outcome

    def _listen_again(self, progress: Progress, step: Step) -> None:
        """Before what cannot be taken back, a short word with the silent: one that woke up is to be reckoned with."""
        if progress.silent and step.kind in (StepKind.PROMOTE, StepKind.OPEN):
            heard = self._driver.observe(_WORD, tuple(progress.silent))
            progress.silent -= {one.address for one in heard if not one.reach.silent}

    def _look(self, progress: Progress, policy: ClusterPolicy) -> View:
        """Observe anew; servers that were silent keep their last look, as asking them costs the step its time."""
        asked = [address for address in policy.addresses if address not in progress.silent]
        fresh = {one.address: one for one in self._driver.observe(policy.answer_timeout, asked)}
        progress.silent |= {one.address for one in fresh.values() if one.reach.silent}
        servers = tuple(fresh.get(one.address, one) for one in progress.seen.servers)
        now = self._clock.now()
        progress.seen = replace(progress.seen, at=now, servers=servers)
        progress.memory = remember(policy, progress.seen, progress.memory, now)
        return look(policy, progress.seen, progress.memory, now, self._clock.wall())

    def _perform(self, progress: Progress, policy: ClusterPolicy, step: Step, timeout: float) -> Outcome:
        kind = step.kind
        if kind is StepKind.ROUTE_AWAY:
            return self._route_away(progress, step.server, timeout)
        if kind is StepKind.ROUTE:
            return self._route(progress, step.server, timeout)
        if kind in (StepKind.KILL, StepKind.START):
            return self._process(progress, step, timeout)
        if kind is StepKind.STOP:
            return self._shut_down(progress, policy, step, timeout)
        return self._driver.perform(step, timeout, lambda: self._keep_fresh(progress))

    def _route_away(self, progress: Progress, server: str, timeout: float) -> Outcome:
        """Probes first: whoever asks hears no before any proxy is told, and before anybody else hears yes."""
        if progress.routes.writer == server or progress.plan.old_writer == server:
            progress.routes = replace(progress.routes, writer="")
            self._tell(progress)
        return _each(self._proxies, lambda proxy: proxy.away(server, timeout))

    def _route(self, progress: Progress, server: str, timeout: float) -> Outcome:
        readers = tuple(address for address in progress.routes.readers if address != server)
        progress.routes = Routes(server, readers or (server,))
        self._tell(progress)
        routes = progress.routes
        return _each(self._proxies, lambda proxy: proxy.route(routes, timeout))

    def _process(self, progress: Progress, step: Step, timeout: float) -> Outcome:
        if self._orchestrator is None or not self._orchestrator.controls(step.server):
            return Outcome(False, "no orchestrator controls this server's process")
        try:
            if step.kind is StepKind.KILL:
                self._orchestrator.kill(step.server, timeout)
                progress.fences[step.server] = FenceOutcome.DEAD
            else:
                self._orchestrator.start(step.server)
            progress.silent.discard(step.server)
        except RepmanError as error:
            return Outcome(False, str(error))
        return Outcome(True)

    def _shut_down(self, progress: Progress, policy: ClusterPolicy, step: Step, timeout: float) -> Outcome:
        """Shut a process down, with an eye on the writer: a failover does not wait for a replica's shutdown."""
        orchestrator, ends = self._orchestrator, self._clock.now() + timeout
        if orchestrator is None or not orchestrator.controls(step.server):
            return Outcome(False, "no orchestrator controls this server's process")
        while True:
            asked = self._clock.now()
            wait = min(_SHUTDOWN_LOOK, ends - asked)
            try:
                orchestrator.stop(step.server, wait)
                return Outcome(True, "its process is gone")
            except RepmanError as error:
                refused = self._clock.now() - asked < wait / 2
                if refused or self._clock.now() >= ends:
                    return Outcome(False, str(error))
            self._keep_fresh(progress)
            view = self._look(progress, policy)
            if view.life is not Life.OPEN and step.server != view.writer:
                return Outcome(True, "it is shutting down; not waited for, as the writer needs attention")

    def _fenced(self, progress: Progress, policy: ClusterPolicy, step: Step, outcome: Outcome) -> Outcome:
        """The three outcomes of a fence: what the unknown one allows is policy, and is journalled."""
        if outcome.fence is not FenceOutcome.UNKNOWN:
            return outcome
        # Only where the answer is at hand: a failover does not wait for a host that may be dead itself.
        orchestrator = self._orchestrator if policy.server(step.server).controlled else None
        if orchestrator and orchestrator.controls(step.server) and not orchestrator.running(step.server):
            return replace(outcome, ok=True, fence=FenceOutcome.DEAD, detail="its process is gone")
        view = look(policy, progress.seen, progress.memory, self._clock.now(), self._clock.wall())
        if progress.plan.kind is PlanKind.FAILOVER and unknown_fence_allowed(view, step.server):
            sentence = f"{step.server} could not be fenced ({outcome.detail}); taken to acknowledge nothing, by policy"
            self._journal.assume(progress.id, sentence)
            return replace(outcome, ok=True, detail=sentence)
        return replace(outcome, ok=False)

    def _remember(self, progress: Progress, step: Step, outcome: Outcome) -> None:
        plan, memory = progress.plan, progress.memory
        if step.kind in (StepKind.FENCE, StepKind.CLOSE):
            if outcome.fence is not None:
                progress.fences[step.server] = outcome.fence
            if outcome.fence is FenceOutcome.DONE:
                progress.silent.discard(step.server)  # it woke up, and may have more than anybody else
            server = memory.server(step.server)
            unknown = outcome.fence is FenceOutcome.UNKNOWN
            told = outcome.unacknowledged or server.unacknowledged
            memory = memory.with_server(replace(server, fenced_unknown=unknown, unacknowledged=told))
            if step.server == plan.old_writer:
                memory = _closed_by_us(memory, step.server)
        elif step.kind.opens:
            memory = memory.with_writer(step.server)
            progress.opened = progress.opened or step.server == plan.new_writer
            if plan.kind is PlanKind.FAILOVER:
                wall, now = self._clock.wall(), self._clock.now()
                memory = replace(
                    memory, failovers=memory.failovers + 1, last_failover=wall, last_failover_monotonic=now
                )
        elif step.kind in (StepKind.SEMI_SYNC_OFF, StepKind.SEMI_SYNC_ON):
            memory = replace(memory, degraded=step.kind is StepKind.SEMI_SYNC_OFF)
        elif step.kind is StepKind.CLEAN:
            wishes = tuple(
                ServerMemory(one.address, rating=one.rating, maintenance=one.maintenance, held=one.held)
                for one in memory.servers
            )
            memory = Memory(
                memory.cluster, servers=wishes, failovers=memory.failovers, last_failover=memory.last_failover
            )
        progress.memory = wished(memory, step)

    def _keep_fresh(self, progress: Progress) -> None:
        if self._clock.now() - self._reported >= _REPORT_EVERY:
            self._tell(progress)

    def _tell(self, progress: Progress) -> None:
        self._reported = self._clock.now()
        if progress.state == "running":
            progress.seconds = self._reported - progress.began
        self._report(progress)


def _closed_by_us(memory: Memory, address: str) -> Memory:
    """A fenced writer: closed, but not by hand, and to be replaced by whoever goes on."""
    return replace(memory, reopen=True, condemned=address)


def _each(proxies: Sequence[Proxy], act: Callable[[Proxy], None]) -> Outcome:
    """Tell every proxy, also when one of them fails."""
    failures = []
    for proxy in proxies:
        try:
            act(proxy)
        except RepmanError as error:
            failures.append(f"{proxy.name}: {error}")
    return Outcome(not failures, "; ".join(failures))
