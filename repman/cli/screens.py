"""What a published snapshot looks like in a terminal.  Pure: a value in, a rich renderable out."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from repman.model.decision import ServerState
from repman.model.observation import Receiver, ServerSeen
from repman.model.problem import Problem, Refusal, Severity
from repman.model.replica_set import Member
from repman.model.snapshot import PlanView, ServerView, Snapshot

_STATE_STYLE = {
    ServerState.MASTER: "bold green",
    ServerState.SLAVE: "green",
    ServerState.RELAY: "green",
    ServerState.SLAVE_LATE: "yellow",
    ServerState.RELAY_LATE: "yellow",
    ServerState.MAINTENANCE: "cyan",
    ServerState.STANDALONE: "yellow",
    ServerState.SUSPECT: "yellow",
}
_LEVEL_STYLE = {"ERROR": "red", "ALERT": "bold red", "WARN": "yellow", "STATE": "cyan"}
_SEVERITY_STYLE = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_PLAN_STYLE = {"running": "cyan", "done": "green"}


def topology(snapshot: Snapshot) -> RenderableType:
    """The servers as a tree of who replicates from whom."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    members = any(known(view).member for view in snapshot.servers)
    own = ("OPTIME", "LAG", "MEMBER") if members else ("GTID", "LAG", "SEMI-SYNC")
    for heading in ("SERVER", "ADDRESS", "STATE", "ACCESS", *own, "ROUTES"):
        table.add_column(heading, no_wrap=heading not in ("GTID",), overflow="fold")
    for branch, view in tree(snapshot):
        table.add_row(Text.assemble((branch, "dim"), view.policy.name), view.policy.address, *_cells(snapshot, view))
    return table


def tree(snapshot: Snapshot) -> list[tuple[str, ServerView]]:
    """Every server once, sources before their replicas, with the lines drawn before its name."""
    views = {view.policy.address: view for view in snapshot.servers}
    below: dict[str, list[str]] = {address: [] for address in views}
    roots = []
    for address, view in views.items():
        source = source_of(view)
        if source in views and source != address:
            below[source].append(address)
        else:
            roots.append(address)
    rows: list[tuple[str, ServerView]] = []
    done: set[str] = set()

    def walk(address: str, before: str, line: str, beneath: str) -> None:
        if address in done:
            return
        done.add(address)
        rows.append((before + line, views[address]))
        children = [child for child in below[address] if child not in done]
        for child in children:
            last = child == children[-1]
            walk(child, before + beneath, "└─ " if last else "├─ ", "   " if last else "│  ")

    for address in (*sorted(roots, key=lambda each: each != snapshot.writer), *views):
        walk(address, "", "", "")  # what is left after the roots replicates in a ring
    return rows


def source_of(view: ServerView) -> str:
    """Address of the server it replicates from, by the latest look that showed it; empty for none."""
    seen = known(view)
    return seen.links[0].source if seen.links else ""


def known(view: ServerView) -> ServerSeen:
    """The latest look with values in it."""
    return view.last if view.last is not None and not view.seen.answered else view.seen


def _cells(snapshot: Snapshot, view: ServerView) -> tuple[Text, ...]:
    seen = known(view)
    old = "" if view.seen.answered else "dim"
    state = Text(view.state.value, _STATE_STYLE.get(view.state, "bold red"))
    if not view.seen.answered:
        state.append(f" ({view.seen.reach.value})", "red")
    if view.maintenance and view.state is not ServerState.MAINTENANCE:
        state.append(" maintenance", "cyan")
    return (
        state,
        Text(
            ("was " if old and seen.read_only is not None else "") + _access(seen),
            old or ("green" if seen.open else ""),
        ),
        Text(str(seen.executed or "") or "-", old),
        Text(_lag(seen), old),
        Text(_semi_sync(seen) if seen.member is None else member_words(seen.member), old),
        Text(_routes(snapshot, view.policy.address)),
    )


def _access(seen: ServerSeen) -> str:
    return "-" if seen.read_only is None else "read-only" if seen.read_only else "writable"


def _lag(seen: ServerSeen) -> str:
    if not seen.links:
        return "-"
    link = seen.links[0]
    if link.receiver is not Receiver.RUNNING or not link.applier_running:
        applier = "running" if link.applier_running else "stopped"
        return f"receiver {link.receiver.value}, applier {applier}"
    return "?" if link.lag is None else f"{link.lag:g} s"


def _semi_sync(seen: ServerSeen) -> str:
    semi = seen.semi_sync
    if semi is None:
        return "-"
    if seen.links:
        return "acknowledges" if semi.replica_enabled else "off"
    if not semi.source_enabled:
        return "off"
    return f"waits, {semi.ackers} acknowledging" if semi.waiting_for_acks else "fallen back"


def member_words(member: Member) -> str:
    """What a member of a replica set is, in one line."""
    if not member.set_name:
        return "in no set"
    words = [member.state.value, f"term {member.term}"]
    if member.seat is not None:
        words.append(f"votes {member.seat.votes}, priority {member.seat.priority:g}")
        words += ["hidden"] if member.seat.hidden else []
        words += [f"delayed {member.seat.delay:g} s"] if member.seat.delay else []
    if member.oplog is not None:
        words.append(f"oplog {member.oplog.window / 3600:.1f} h")
    return ", ".join(words)


def _routes(snapshot: Snapshot, address: str) -> str:
    takes = ["write"] if snapshot.routes.writer == address else []
    return " ".join([*takes, "read"] if address in snapshot.routes.readers else takes) or "-"


def status(snapshot: Snapshot) -> RenderableType:
    """The cluster in a few lines: writer, protection, what is wrong, what runs."""
    head = Text(snapshot.cluster, "bold")
    writer = snapshot.server(snapshot.writer)
    name = writer.policy.name if writer else "none"
    head.append(f"  {snapshot.topology}  writer ")
    head.append(name, "bold green" if snapshot.writer_alive else "bold red")
    head.append(f" {snapshot.writer}" if writer else "")
    head.append("" if snapshot.writer_alive or not writer else " (dead)", "bold red")
    lines: list[RenderableType] = [head, _protection(snapshot)]
    lines += _reasons("A failover would be refused:", snapshot.blocked_by)
    lines += _reasons("Not done now:", snapshot.refusals)
    lines += [_problem(problem) for problem in snapshot.problems]
    lines += [_proxy(each.name, each.answered, each.error, each.write, each.read) for each in snapshot.proxies]
    if snapshot.plan:
        lines.append(plan_line(snapshot.plan))
    lines.append(_watch_line(snapshot))
    return Group(*lines)


def _protection(snapshot: Snapshot) -> Text:
    if snapshot.protected:
        line = Text("protected: a failover is possible now", "green")
    else:
        line = Text("NOT PROTECTED", "bold red")
    if snapshot.degraded:
        line.append("  semi-sync is degraded: acknowledged writes can be lost", "bold red")
    if snapshot.paused:
        line.append("  paused: repman changes nothing", "yellow")
    if not snapshot.active:
        line.append(f"  passive: {snapshot.lease}", "yellow")
    return line


def refusal_list(title: str, refusals: Iterable[Refusal]) -> RenderableType:
    """Reasons why something is not done, one a line."""
    return Group(*_reasons(title, tuple(refusals)))


def _reasons(title: str, refusals: Sequence[Refusal]) -> list[RenderableType]:
    if not refusals:
        return []
    lines: list[RenderableType] = [Text(title, "red")]
    for refusal in refusals:
        lines.append(Text(f"  - {refusal.sentence}").append(f"  [{refusal.code}]", "dim"))
    return lines


def _problem(problem: Problem) -> Text:
    line = Text(f"{problem.severity.value}: ", _SEVERITY_STYLE[problem.severity])
    return line.append(problem.sentence).append(f"  [{problem.code}]", "dim")


def _proxy(name: str, answered: bool, error: str, write: tuple[str, ...], read: tuple[str, ...]) -> Text:
    line = Text(f"proxy {name}: ")
    if not answered:
        return line.append(f"does not answer: {error}", "red")
    return line.append(f"writes to {' '.join(write) or 'nobody'}, reads from {' '.join(read) or 'nobody'}")


def _watch_line(snapshot: Snapshot) -> Text:
    age = max(0.0, time.time() - snapshot.at)
    text = f"seen {age:.1f} s ago, a look takes {snapshot.tick_seconds * 1000:.1f} ms"
    if snapshot.failovers:
        text += f", {snapshot.failovers} automatic failover(s) since the counter was reset"
    if snapshot.unprotected_seconds:
        text += f", {snapshot.unprotected_seconds:.0f} s unprotected so far"
    return Text(text, "yellow" if age > 10.0 else "dim")


def names_of(snapshot: Snapshot) -> dict[str, str]:
    """The servers' names by address."""
    return {view.policy.address: view.policy.name for view in snapshot.servers}


def named(text: str, names: Mapping[str, str]) -> str:
    """The text with names in place of addresses, for people."""
    for address, name in names.items():
        text = re.sub(rf"(?<![\w.:-]){re.escape(address)}(?!\d)", name, text)
    return text


def plan_line(plan: PlanView) -> Text:
    """One plan in one line."""
    moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(plan.started_at))
    line = Text(f"{plan.kind} ").append(plan.state, _PLAN_STYLE.get(plan.state, "bold red"))
    line.append(f" {moment}, {plan.seconds:.3f} s: {plan.reason}")
    return line.append(f" {plan.detail}" if plan.detail else "")


def plan_steps(plan: PlanView, names: Mapping[str, str]) -> RenderableType:
    """A plan with its steps and how long each took."""
    lines: list[RenderableType] = [plan_line(plan)]
    for index, step in enumerate(plan.steps):
        took = f"{plan.step_seconds[index] * 1000:8.1f} ms" if index < len(plan.step_seconds) else " " * 11
        mark, style = ("✓", "green") if index < plan.current else ("·", "dim")
        if index == plan.current:
            mark, style = ("▸", "cyan") if plan.state == "running" else ("✗", "red")
        lines.append(Text(f"  {mark} ", style).append(f"{took}  {named(str(step), names)}"))
    return Group(*lines)


def events(items: Iterable[dict[str, Any]], names: Mapping[str, str]) -> RenderableType:
    """History, one event a line, in the order given."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for item in items:
        at = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(item.get("at", 0.0))))
        level = str(item.get("level", ""))
        table.add_row(
            Text(at, "dim"),
            Text(level, _LEVEL_STYLE.get(level, "")),
            Text(named(str(item.get("server", "")), names), "dim"),
            Text(str(item.get("text", ""))),
        )
    return table
