"""A link watched: a bar on a terminal, a line for each step elsewhere.

Ctrl-C stops the watching, never the link.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from time import monotonic, sleep, strftime
from types import TracebackType

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from repman.cli import link_screens
from repman.cli.api import api_path
from repman.cli.exits import ApiUnreachable, ExitCode
from repman.cli.link_screens import Document, Rates
from repman.cli.session import Session

EVERY = 0.5
PATIENCE = 30.0
"""Seconds for which the API may be away while a link is watched: repman may be starting anew."""

_LIVES = ("running", "finalizing", "reversing", "connecting", "down")
"""States that pass by themselves, or may."""
Ended = Callable[[Document], bool]


def consistent(link: Document) -> bool:
    """Whether the target is a consistent, slightly older source, or will not become one by itself."""
    return bool(link["initial_sync_completed"]) or link["state"] not in _LIVES


def finalized(link: Document) -> bool:
    """Whether the end is complete, or will not come by itself."""
    return bool(link["finalize_completed"]) or link["state"] not in (*_LIVES, "finalized")


def over(link: Document) -> bool:
    """Whether nothing more will happen to see."""
    return link["state"] == "failed" or (link["state"] == "finalized" and bool(link["finalize_completed"]))


class Bar(AbstractContextManager["Bar"]):
    """One bar: bytes, rate and time left while the link copies, then its lag."""

    def __init__(self, session: Session, name: str) -> None:
        self._rates = Rates()
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[pace]}", markup=False),
            TextColumn("{task.fields[error]}", markup=False, style="red"),
            console=session.console,
        )
        self._task = self._progress.add_task(name, total=None, pace="", error="")

    def __enter__(self) -> Bar:
        """Begin to draw."""
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        self._progress.stop()

    def show(self, link: Document) -> None:
        """Show how far it is."""
        self._rates.look(link, monotonic())
        share = link_screens.share(link)
        self._progress.update(
            self._task,
            description=f"{link['name']}: {link_screens.course(link)}",
            total=None if share is None else 1.0,
            completed=share or 0.0,
            pace=link_screens.pace(link, self._rates),
            error=link["error"],
        )


class Steps(AbstractContextManager["Steps"]):
    """A line on stderr, or with `documents` a document on stdout, for each step: another state, a tenth more."""

    def __init__(self, session: Session, documents: bool) -> None:
        self._session = session
        self._documents = documents
        self._rates = Rates()
        self._before: tuple[object, ...] = ()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is left behind."""

    def show(self, link: Document) -> None:
        """Tell how far it is, when that is news."""
        self._rates.look(link, monotonic())
        share = link_screens.share(link)
        now = (link["state"], link["phase"], link["error"], None if share is None else int(share * 10))
        if now == self._before:
            return
        self._before = now
        if self._documents:
            self._session.show_json(link)
            return
        words = [f"{link['name']}: {link_screens.course(link)}", link_screens.pace(link, self._rates), link["error"]]
        self._session.tell(f"{strftime('%H:%M:%S')} " + "; ".join(word for word in words if word))


def watch(session: Session, name: str, ended: Ended, documents: bool = False, every: float = EVERY) -> Document:
    """Watch the link until `ended` says so; returns it as it is then.

    With `documents` each step is a JSON document on stdout.  Raises KeyboardInterrupt on Ctrl-C.
    """
    path, since = api_path("links", name), monotonic()
    with Bar(session, name) if session.live else Steps(session, documents) as shown:
        while True:
            try:
                link: Document = session.api.get(path)
            except ApiUnreachable as error:
                if monotonic() - since > PATIENCE:
                    raise ApiUnreachable(f"{error}\nThe link goes on: repman ctl link watch {name}") from error
            else:
                since = monotonic()
                shown.show(link)
                if ended(link):
                    return link
            sleep(every)


def wait(session: Session, name: str, ended: Ended, good: Callable[[Document], bool]) -> int:
    """Watch the link until `ended`, show it, and tell by the exit code whether it ended well."""
    try:
        link = watch(session, name, ended)
    except KeyboardInterrupt:
        session.tell(f"Not watched any more; it goes on. Watch it again: repman ctl link watch {name}")
        return ExitCode.INTERRUPTED
    session.show_json(link) if session.as_json else session.show(link_screens.link(link))
    return ExitCode.DONE if good(link) else ExitCode.FAILED
