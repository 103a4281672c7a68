"""Screens that follow a running cluster: the watch, and the progress of an action."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.rule import Rule
from rich.spinner import Spinner
from rich.text import Text

from repman.cli import screens
from repman.cli.api import Api
from repman.cli.exits import ApiUnreachable
from repman.cli.session import Session
from repman.errors import MonitorDown, RepmanError
from repman.model.snapshot import Snapshot

PROGRESS_SECONDS = 0.1


def watch(session: Session, every: float) -> None:
    """Show the cluster until Ctrl-C; without a terminal print a line (or with --json a document) per change."""
    cluster = session.cluster
    if not session.live:
        _follow(session, every)
        return
    last: RenderableType = Text("waiting for the first answer ...", "dim")
    with Live(last, console=session.console, screen=True, auto_refresh=False) as live:
        while True:
            try:
                snapshot, _ = session.api.snapshot(cluster)
                last = _screen(snapshot)
                live.update(last, refresh=True)
            except (ApiUnreachable, MonitorDown) as error:
                live.update(Group(Text(f"{error}", "bold red"), last), refresh=True)
            time.sleep(every)


def _screen(snapshot: Snapshot) -> RenderableType:
    parts: list[RenderableType] = [screens.status(snapshot), Rule(style="dim"), screens.topology(snapshot)]
    if snapshot.plan:
        parts += [Rule(style="dim"), screens.plan_steps(snapshot.plan, screens.names_of(snapshot))]
    if snapshot.events:
        recent = sorted(snapshot.events, key=lambda event: -event.at)[:8]
        parts += [Rule(style="dim"), screens.events([_fields(event) for event in recent], screens.names_of(snapshot))]
    return Group(*parts)


def _fields(event: Any) -> dict[str, Any]:
    return {"at": event.at, "level": event.level, "server": event.server, "text": event.text}


def _follow(session: Session, every: float) -> None:
    before = ""
    while True:
        try:
            snapshot, document = session.api.snapshot(session.cluster)
            now = _in_a_line(snapshot)
        except (ApiUnreachable, MonitorDown) as error:
            now, document = str(error), {"error": str(error)}
        if now != before:
            before = now
            if session.as_json:
                session.show_json(document)
            else:
                print(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {now}", flush=True)
        time.sleep(every)


def _in_a_line(snapshot: Snapshot) -> str:
    servers = " ".join(f"{view.policy.name}={view.state.value}" for view in snapshot.servers)
    words = [f"writer={snapshot.writer or '-'}", f"protected={'yes' if snapshot.protected else 'no'}", servers]
    if snapshot.plan:
        words.append(f"{snapshot.plan.kind}={snapshot.plan.state}")
    return " ".join(words)


def next_look(api: Api, cluster: str, seconds: float = 3.0) -> Snapshot:
    """A snapshot of a look that began after this call, or the latest when none comes in that time."""
    snapshot, _ = api.snapshot(cluster)
    ticks, end = snapshot.ticks, time.monotonic() + seconds
    while snapshot.ticks <= ticks + 1 and time.monotonic() < end:
        time.sleep(0.05)
        snapshot, _ = api.snapshot(cluster)
    return snapshot


def progress(session: Session, action: Callable[[], Any], title: str = "") -> Any:
    """Run an action that takes a while; on a terminal show its title, and the plan's steps as they are done."""
    if not session.live:
        return action()
    before = _plan_id(session.api, session.cluster)
    watcher = Api(session.api.target)  # a connection of its own: the other one waits for the action
    head = Spinner("dots", Text(title)) if title else None
    with ThreadPoolExecutor(1) as pool, Live(head, console=session.console, transient=True) as live:
        running: Future[Any] = pool.submit(action)
        while not running.done():
            _show_steps(live, watcher, session.cluster, before, head)
            _wait(running, PROGRESS_SECONDS)
        return running.result()


def _show_steps(live: Live, api: Api, cluster: str, before: str, head: RenderableType | None) -> None:
    try:
        snapshot, _ = api.snapshot(cluster)
    except RepmanError as error:
        live.update(Text(str(error), "yellow"))
        return
    if snapshot.plan and snapshot.plan.id != before:
        steps = screens.plan_steps(snapshot.plan, screens.names_of(snapshot))
        live.update(Group(head, steps) if head else steps)


def _wait(running: Future[Any], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not running.done() and time.monotonic() < end:
        time.sleep(0.01)


def _plan_id(api: Api, cluster: str) -> str:
    snapshot, _ = api.snapshot(cluster)
    return snapshot.plan.id if snapshot.plan else ""
