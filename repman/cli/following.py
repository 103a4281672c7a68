"""Work that takes long, watched to its end: a bar on a terminal, a line for each step elsewhere.

Ctrl-C stops the watching, never the work, and says how to go on with the one and how to end the other.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Annotated, Any, Protocol

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from repman.cli import acting, job_screens, live
from repman.cli.api import ACTION_SECONDS
from repman.cli.exits import ApiUnreachable, ExitCode
from repman.cli.session import Session
from repman.model.job import JobState
from repman.model.snapshot import Snapshot

EVERY = 0.25
PATIENCE = 30.0
"""Seconds for which the API may be away while something is watched: repman may be starting anew."""

Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Watch it to its end, or only print the id of what was begun.")
]


class View(Protocol):
    """Where jobs are shown while they run."""

    def show(self, job: job_screens.Document) -> None:
        """Show how far it is."""


class Bars(AbstractContextManager["Bars"]):
    """A bar for each job."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()

    def show(self, job: job_screens.Document) -> None:
        """See `View`."""
        if job["id"] not in self._tasks:
            self._tasks[job["id"]] = self._progress.add_task(job_screens.title(job), total=None, amount="", step="")
        share = job["progress"]
        self._progress.update(
            self._tasks[job["id"]],
            total=None if share is None else 1.0,
            completed=share or 0.0,
            amount=job_screens.amount(job),
            step=job["state"] if job_screens.ended(job) else job["step"],
        )


class Lines(AbstractContextManager["Lines"]):
    """A line on stderr for each new step; the result alone is for stdout."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._told: dict[str, str] = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left behind."""

    def show(self, job: job_screens.Document) -> None:
        """See `View`."""
        step = job["state"] if job_screens.ended(job) else job["step"]
        if step and self._told.get(job["id"]) != step:
            self._told[job["id"]] = step
            self._session.tell(f"{time.strftime('%H:%M:%S')} {job_screens.title(job)}: {step}")


def begin(session: Session, path: Sequence[str], wait: bool, within: float = ACTION_SECONDS, **parameters: str) -> int:
    """Order what begins jobs, and watch them or print their ids; returns the exit code.  Raises Refused."""
    where = session.path(*path)
    told = live.progress(session, lambda: session.api.act(where, parameters, within=within))
    jobs = [str(each) for each in told.get("jobs") or [told.get("job")] if each]
    if not jobs:
        acting.tell(session, told)
    elif wait:
        if not session.as_json:
            acting.tell(session, told)
        return follow(session, jobs)
    elif session.as_json:
        session.show_json(told)
    else:
        print("\n".join(jobs))
    return ExitCode.DONE


def follow(session: Session, jobs: Sequence[str]) -> int:
    """Watch jobs until all have ended; 0 when all ended well."""
    try:
        found = _watch(session, jobs)
    except KeyboardInterrupt:
        told = " ".join(jobs)
        session.tell(
            f"Not watched any more; it goes on. Watch it again: repman ctl jobs follow {told}\n"
            f"End it: repman ctl jobs cancel {told}"
        )
        return ExitCode.INTERRUPTED
    if session.as_json:
        session.show_json(found[0] if len(found) == 1 else found)
    else:
        for job in found:
            session.show(job_screens.job(job))
    return ExitCode.DONE if all(job["state"] == JobState.DONE for job in found) else ExitCode.FAILED


def _watch(session: Session, jobs: Sequence[str]) -> list[Any]:
    found: dict[str, Any] = {}
    since = time.monotonic()
    with Bars(_progress(session)) if session.live else Lines(session) as shown:
        while True:
            try:
                for name in jobs:
                    if name not in found or not job_screens.ended(found[name]):
                        found[name] = session.api.get(session.path("jobs", name))
                        shown.show(found[name])
                since = time.monotonic()
            except ApiUnreachable as error:
                if time.monotonic() - since > PATIENCE:
                    told = f"{error}\nThe worker goes on; watch it again: repman ctl jobs follow {' '.join(jobs)}"
                    raise ApiUnreachable(told) from error
            if len(found) == len(set(jobs)) and all(job_screens.ended(job) for job in found.values()):
                return [found[name] for name in jobs]
            time.sleep(EVERY)


def _progress(session: Session) -> Progress:
    columns = (
        SpinnerColumn(finished_text="✓"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        TextColumn("{task.fields[amount]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[step]}", markup=False, style="dim"),
    )
    return Progress(*columns, console=session.console, disable=not session.live)


Runs = Sequence[tuple[str, str]]
"""(address, run of its process) of servers, as they were before they are restarted."""


def runs(seen: Snapshot) -> Runs:
    """The processes of all servers, to be compared later."""
    return [(view.policy.address, view.seen.boot) for view in seen.servers]


def follow_restart(session: Session, before: Runs) -> int:
    """Watch a rolling restart until it has ended; 0 when each of those processes was replaced."""
    try:
        seen = _watch_restart(session, before)
    except KeyboardInterrupt:
        session.tell("Not watched any more; it goes on. Leave off with it: repman ctl rolling-restart --cancel")
        return ExitCode.INTERRUPTED
    left = [address for address, boot in before if not _restarted(seen, address, boot)]
    if session.as_json:
        outcome = {"status": "failed" if left else "done", "restarted": len(before) - len(left), "left": left}
        session.show_json(outcome)
    elif left:
        session.tell(f"It was left off; not restarted: {', '.join(left)}. `repman ctl events` says why.")
    else:
        session.show(f"All {len(before)} servers were restarted; the writer is {seen.writer}.")
    return ExitCode.FAILED if left else ExitCode.DONE


def _watch_restart(session: Session, before: Runs) -> Snapshot:
    last = ""
    seen = live.next_look(session.api, session.cluster)
    with _progress(session) as bars:
        task = bars.add_task("rolling restart", total=len(before), amount="", step="")
        while True:
            done = sum(_restarted(seen, address, boot) for address, boot in before)
            told = f"{done} of {len(before)} restarted" + (f", now {now}" if (now := _turn(seen)) else "")
            bars.update(task, completed=done, step=told)
            if told != last and not session.live:
                session.tell(f"{time.strftime('%H:%M:%S')} {told}")
            last = told
            if seen.rolling is None:
                return seen
            time.sleep(EVERY)
            seen, _ = session.api.snapshot(session.cluster)


def _turn(seen: Snapshot) -> str:
    return seen.rolling.current if seen.rolling else ""


def _restarted(seen: Snapshot, address: str, boot: str) -> bool:
    view = seen.server(address)
    return view is not None and view.seen.answered and not view.seen.ran_as(boot)
