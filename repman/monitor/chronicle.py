"""What changed between two ticks, as events for people.  A heartbeat without news says nothing."""

from __future__ import annotations

from collections.abc import Iterator

from repman.config.settings import ClusterSettings
from repman.model.command import Command
from repman.model.decision import Decision
from repman.model.policy import ClusterPolicy
from repman.model.problem import Severity
from repman.model.snapshot import Event
from repman.monitor.progress import Progress

_LEVEL = {Severity.INFO: "INFO", Severity.WARNING: "WARN", Severity.ERROR: "ERROR"}


def news(policy: ClusterPolicy, before: Decision | None, now: Decision, wall: float) -> Iterator[Event]:
    """The events that a decision brings."""
    names = {server.address: server.name for server in policy.servers}
    known = dict(before.states) if before else {}
    for address, state in now.states:
        if before and known.get(address) is not state:
            level = "ALERT" if state.down else "STATE"
            was = known.get(address, "not watched")
            yield Event(wall, level, f"{names[address]} is {state}, was {was}", address)
    old = {(problem.code, problem.server): problem for problem in before.problems} if before else {}
    new = {(problem.code, problem.server): problem for problem in now.problems}
    for key, problem in new.items():
        if key not in old:
            yield Event(wall, _LEVEL[problem.severity], problem.sentence, problem.server, problem.code)
    for key, problem in old.items():
        if key not in new:
            yield Event(wall, "INFO", f"no longer so: {problem.sentence}", problem.server, problem.code)
    yield from _refused(before, now, wall)
    if before and before.writer != now.writer:
        writer = names.get(now.writer, now.writer)
        yield Event(
            wall, "STATE", f"the writer is {writer or 'unknown'}, was {names.get(before.writer, before.writer)}"
        )
    if before and before.protected != now.protected:
        why = "; ".join(refusal.sentence for refusal in now.blocked_by)
        text = "the cluster is protected again" if now.protected else f"the cluster is not protected: {why}"
        yield Event(wall, "INFO" if now.protected else "WARN", text)


def _refused(before: Decision | None, now: Decision, wall: float) -> Iterator[Event]:
    """Every interval without a writer is explained: a refusal is told when it begins."""
    told = {refusal.code for refusal in before.refusals} if before else set()
    for refusal in now.refusals:
        if refusal.code not in told:
            yield Event(wall, "ALERT", f"nothing is done: {refusal.sentence}", refusal.server, refusal.code)


def adopted(old: ClusterSettings, new: ClusterSettings, wall: float) -> Event:
    """The cluster goes on with other settings."""
    changed = [
        f"{name} = {value}"
        for name, value in new.options.items()
        if name not in old.options or old.options[name] != value
    ]
    return Event(wall, "INFO", f"settings changed: {', '.join(changed) or 'a secret'}", code="settings")


def granted(command: Command | None, done: str, wall: float) -> Event:
    """A wish was fulfilled by remembering it; without a command: one of long duration is over."""
    if command is None:
        return Event(wall, "STATE", done, code="wish")
    return Event(wall, "INFO", f"{done}, as {command.user or 'an operator'} asked", command.server, "wish")


def begun(progress: Progress, wall: float) -> Event:
    """A plan was begun."""
    return Event(
        wall, "ALERT", f"{progress.plan.kind} begun ({progress.id}): {progress.plan.reason}", code=progress.plan.kind
    )


def ended(progress: Progress, wall: float) -> Event:
    """A plan ended."""
    level = "ALERT" if progress.state == "done" else "ERROR"
    told = f" ({progress.detail})" if progress.detail else ""
    text = f"{progress.plan.kind} {progress.state} after {progress.seconds:.3f} s{told}"
    return Event(wall, level, text, progress.plan.new_writer, progress.plan.kind)
