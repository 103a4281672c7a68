"""``repman ctl backups``, ``reseed``, ``optimize``, ``analyze``, ``checksum`` and ``jobs``: work of the worker."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from repman.cli import job_screens
from repman.cli.acting import ServerName, order, word
from repman.cli.exits import ExitCode
from repman.cli.following import Wait, begin, follow
from repman.cli.session import Session, with_session
from repman.model.job import JobState

backups = typer.Typer(help="Backups: list them, make one.", no_args_is_help=True)
jobs = typer.Typer(help="Jobs: list, show, follow, cancel.", no_args_is_help=True)
whole = typer.Typer()
"""Jobs that have a command of their own, beside the others of ``repman ctl``."""


class Method(StrEnum):
    """How a replica is rebuilt."""

    LOGICALBACKUP = "logicalbackup"
    PHYSICALBACKUP = "physicalbackup"
    LOGICALMASTER = "logicalmaster"
    PHYSICALMASTER = "physicalmaster"


OfServer = Annotated[str, typer.Option("--server", help="Of which server; a healthy replica, unless given.")]
JobName = Annotated[str, typer.Argument(metavar="JOB", help="The job's id.")]


@backups.command("list")
@with_session
def list_backups(session: Session) -> None:
    """The backups that can be restored, oldest first."""
    found = session.api.get(session.path("backups"))
    session.show_json(found) if session.as_json else session.show(job_screens.backups(found))


@backups.command()
@with_session
def logical(session: Session, server: OfServer = "", wait: Wait = True) -> int:
    """Make a logical backup and read it back."""
    return _on(session, server, "backup-logical", wait)


@backups.command()
@with_session
def physical(session: Session, server: OfServer = "", wait: Wait = True) -> int:
    """Make a physical backup and read it back."""
    return _on(session, server, "backup-physical", wait)


@whole.command()
@with_session
def reseed(
    session: Session,
    method: Annotated[
        Method, typer.Argument(metavar="METHOD", help="*backup restores one, *master streams from the writer.")
    ],
    server: ServerName,
    backup: Annotated[str, typer.Option("--backup", help="The id of the backup; the latest, unless given.")] = "",
    wait: Wait = True,
) -> int:
    """Rebuild a replica; all its data are replaced.

    Methods: logicalbackup, physicalbackup, logicalmaster, physicalmaster.
    """
    return begin(session, ("servers", server, "actions", "reseed", method.value), wait, backup=backup)


@whole.command("reseed-cancel")
@with_session
def reseed_cancel(
    session: Session,
    server: ServerName,
    release: Annotated[
        bool, typer.Option("--release", help="Give back as it is a server that an earlier reseed has left held.")
    ] = False,
) -> int:
    """Cancel the reseed of a server; it stays held when its data are incomplete."""
    return order(session, session.path("servers", server, "actions", "reseed-cancel"), release=word(release))


@whole.command()
@with_session
def optimize(session: Session, server: OfServer = "", wait: Wait = True) -> int:
    """Optimize the tables of one server, or of every replica one after the other, past their binary logs."""
    return _on(session, server, "optimize", wait)


@whole.command()
@with_session
def analyze(session: Session, server: ServerName, wait: Wait = True) -> int:
    """Count the statistics of a server's tables anew, past its binary log."""
    return _on(session, server, "analyze", wait)


@whole.command()
@with_session
def checksum(session: Session, wait: Wait = True) -> int:
    """Compare every table of every replica with the writer's, while writes go on."""
    return _on(session, "", "checksum-all-tables", wait)


@jobs.command("list")
@with_session
def list_jobs(
    session: Session,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many, the newest first.")] = 20,
    state: Annotated[JobState | None, typer.Option("--state", help="Only those in this state.")] = None,
) -> None:
    """The latest jobs, newest first."""
    found = session.api.get(session.path("jobs", "list"), limit=str(limit), state=state.value if state else "")
    session.show_json(found) if session.as_json else session.show(job_screens.jobs(found))


@jobs.command()
@with_session
def show(session: Session, job: JobName) -> None:
    """One job: its state, how far it is, what came of it."""
    found = session.api.get(session.path("jobs", job))
    session.show_json(found) if session.as_json else session.show(job_screens.job(found))


@jobs.command()
@with_session
def cancel(session: Session, names: Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids.")]) -> int:
    """End jobs; what they have begun is cleared away."""
    for name in names:
        order(session, session.path("jobs", name, "cancel"))
    return ExitCode.DONE


@jobs.command("follow")
@with_session
def follow_jobs(session: Session, names: Annotated[list[str], typer.Argument(metavar="JOB...", help="Ids.")]) -> int:
    """Watch jobs to their end; exit code 1 when one does not end well."""
    return follow(session, names)


def _on(session: Session, server: str, action: str, wait: bool) -> int:
    """A job on one server, or on those of the cluster that it is good for."""
    path = ("servers", server, "actions", action) if server else ("actions", action)
    return begin(session, path, wait)
