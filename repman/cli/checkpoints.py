"""``repman checkpoints``: checkpoints, snapshots and restores of MongoDB clusters, without or with the HTTP resource."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from repman.cli.checkpoints_work import checked, chosen, claimed, opened
from repman.cli.exits import ExitCode
from repman.cli.keyfile import DataDirOption, KeyPathOption
from repman.cli.records import Column, size, table
from repman.errors import ConfigError

if TYPE_CHECKING:
    from waitress.server import BaseWSGIServer, MultiSocketServer

    from repman.checkpoints.model import RestoreJob
    from repman.model.checkpoint import ManagedCluster

    Server = BaseWSGIServer | MultiSocketServer

app = typer.Typer(help="Consistent points of MongoDB clusters: make, list, restore, serve.", no_args_is_help=True)

_log = logging.getLogger(__name__)

ConfigFile = Annotated[Path, typer.Option("--config", metavar="FILE", help="Groups and clusters (TOML).")]
DataDir = Annotated[Path, typer.Option("--data-dir", metavar="DIR", help="Where the service keeps its data.")]
ClusterOption = Annotated[
    str, typer.Option("--cluster", metavar="NAME", help="The cluster's name or id; needed when there are several.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, as the resource answers.")]


@app.callback()
def checkpoints() -> None:
    """Consistent points of MongoDB clusters: make, list, restore, serve."""


@app.command()
def check(config: ConfigFile, data_dir: DataDirOption = None, keypath: KeyPathOption = None) -> None:
    """Check the configuration: every mistake at once, with file and line."""
    names = ", ".join(cluster.name for cluster in checked(config, data_dir, keypath).site.clusters)
    typer.echo(f"{config} can be used; clusters: {names}")


@app.command()
def serve(
    config: ConfigFile,
    data_dir: DataDir,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port.")] = 8081,
    host: Annotated[
        str, typer.Option(help="Address to listen on; put TLS in front of any but this machine's.")
    ] = "127.0.0.1",
    keypath: KeyPathOption = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Follow the schedules and answer the resource until SIGTERM."""
    from repman.checkpoints.resource.app import application
    from repman.checkpoints.resource.serving import server
    from repman.cli.endings import ended_by_signals
    from repman.cli.logs import start_logging

    start_logging("checkpoints", log_level, None)
    with opened(config, data_dir, keypath) as work, claimed(data_dir):
        try:
            with ended_by_signals():
                work.desk.open()
                with closing(_listening(lambda: server(application(work.service()), host, port), host, port)) as http:
                    _log.info("answers at http://%s:%d", host, port)
                    http.run()
        except SystemExit:
            pass  # told to stop before there was a server, which would have caught it
        finally:
            _log.info("stopping")
            work.desk.close()


@app.command("list")
def list_them(
    config: ConfigFile,
    data_dir: DataDir,
    cluster: ClusterOption = "",
    snapshots: Annotated[bool, typer.Option("--snapshots", help="Snapshots.")] = False,
    restores: Annotated[bool, typer.Option("--restores", help="Restores.")] = False,
    keypath: KeyPathOption = None,
    as_json: JsonOption = False,
) -> None:
    """The checkpoints of a cluster, or its snapshots, or restores of its data; newest first."""
    from repman.checkpoints.resource import render

    with opened(config, data_dir, keypath) as work:
        mine = chosen(work, cluster)
        catalogue = work.desk.catalogue
        if snapshots:
            columns = _SNAPSHOT_COLUMNS
            found = [render.snapshot(each) for each in catalogue.snapshots.list(mine.group, mine.id)]
        elif restores:
            columns = _RESTORE_COLUMNS
            found = [_shown(mine, each) for each in catalogue.restores.list(mine.group, mine.id)]
        else:
            columns = _COLUMNS
            found = [render.checkpoint(each) for each in catalogue.checkpoints.list(mine.group, mine.id)]
    if as_json:
        typer.echo(json.dumps(found, indent=2, sort_keys=True))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _UNFOLDED
    console.print(table(found, columns))


@app.command()
def create(
    config: ConfigFile,
    data_dir: DataDir,
    cluster: ClusterOption = "",
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="A snapshot: all data, on which checkpoints rest.")
    ] = False,
    keypath: KeyPathOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a checkpoint now, or take a snapshot; ends with 1 when it cannot be restored."""
    from repman.checkpoints.resource import render

    with opened(config, data_dir, keypath) as work:
        mine = chosen(work, cluster)
        if snapshot:
            taken = work.desk.snapshot(mine)
            good, shown, reasons, name = taken.complete, render.snapshot(taken), taken.reasons, f"snapshot {taken.id}"
        else:
            made = work.desk.checkpoint(mine)
            good, shown, reasons, name = made.restorable, render.checkpoint(made), made.reasons, f"checkpoint {made.id}"
    if as_json:
        typer.echo(json.dumps(shown, indent=2, sort_keys=True))
    else:
        typer.echo(f"{name}: {'can be restored' if good else 'cannot be restored'}")
        for reason in reasons:
            typer.echo(f"  {reason}", err=True)
    raise typer.Exit(ExitCode.DONE if good else ExitCode.FAILED)


@app.command()
def restore(
    config: ConfigFile,
    data_dir: DataDir,
    cluster: ClusterOption = "",
    checkpoint: Annotated[str, typer.Option("--checkpoint", metavar="ID", help="This checkpoint.")] = "",
    snapshot: Annotated[str, typer.Option("--snapshot", metavar="ID", help="This snapshot.")] = "",
    moment: Annotated[
        str, typer.Option("--at", metavar="TIME", help="All from before this time, such as 2026-07-31T23:19:51Z.")
    ] = "",
    into: Annotated[str, typer.Option("--into", metavar="NAME", help="A cluster of the configuration.")] = "",
    to: Annotated[
        list[str] | None,
        typer.Option("--to", metavar="PART=URI", help="Where a shard or set goes; repeatable. Without: into files."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what the target holds.")] = False,
    resume: Annotated[str, typer.Option("--resume", metavar="ID", help="Go on with this restore.")] = "",
    keypath: KeyPathOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore to a cluster, or to files, and wait for the end; ends with 1 when it did not come to that."""
    from repman.cli.checkpoints_asking import Wanted, job_of

    wanted = Wanted(checkpoint, snapshot, moment, into, tuple(to or ()), overwrite, resume)
    with opened(config, data_dir, keypath) as work:
        mine = chosen(work, cluster)
        job = job_of(work.desk, mine, wanted, datetime.now(UTC))
        typer.echo(f"restore {job.id}", err=True)
        work.desk.catalogue.restores.save(job)
        ended = work.desk.restore(mine, job)
        _told(mine, ended, data_dir, as_json)
    raise typer.Exit(ExitCode.DONE if ended.status == "FINISHED" else ExitCode.FAILED)


@app.command()
def repair(config: ConfigFile, data_dir: DataDir, cluster: ClusterOption = "", keypath: KeyPathOption = None) -> None:
    """Undo what a process that died left behind: balancers run again. Needs no service."""
    with opened(config, data_dir, keypath) as work:
        for each in [chosen(work, cluster)] if cluster else work.desk.site.clusters:
            done = work.desk.repair(each)
            for sentence in done or ("nothing was left behind",):
                typer.echo(f"{each.name}: {sentence}")


def _told(cluster: ManagedCluster, job: RestoreJob, data_dir: Path, as_json: bool) -> None:
    from repman.checkpoints.catalogue import place_of_download

    if as_json:
        typer.echo(json.dumps(_shown(cluster, job), indent=2, sort_keys=True))
        return
    typer.echo(f"{job.status}{f': {job.reason}' if job.reason else ''}")
    if not job.request.targets:
        for name, digest in job.hashes:
            typer.echo(f"{place_of_download(data_dir, job.id) / name}  sha256 {digest}")


def _shown(cluster: ManagedCluster, job: RestoreJob) -> dict[str, object]:
    from repman.checkpoints.resource import render

    return render.restore(job, render.Delivery(cluster.name), datetime.now(UTC))


def _listening(make: Callable[[], Server], host: str, port: int) -> Server:
    try:
        return make()
    except OSError as error:
        raise ConfigError([f"cannot listen on {host}:{port}: {error.strerror}; give another --port"]) from error


_UNFOLDED = 1000
"""Columns where nobody looks, so that a program finds each on one line."""
_COLUMNS: tuple[Column, ...] = (
    ("CHECKPOINT", "id"),
    ("STARTED", "started"),
    ("RESTORES", lambda row: row.get("timestamp", "")),
    ("RESTORABLE", "restorable"),
    ("WHY NOT", lambda row: "; ".join(row.get("reasons", []))),
)
_SNAPSHOT_COLUMNS: tuple[Column, ...] = (
    ("SNAPSHOT", "id"),
    ("OF", lambda row: row["created"]["date"]),
    ("COMPLETE", "complete"),
    ("EXPIRES", lambda row: "never" if row["doNotDelete"] else row["expires"]),
    ("SIZE", lambda row: size(sum(part["fileSizeBytes"] for part in row["parts"]))),
    ("WHY NOT", lambda row: "; ".join(row.get("reasons", []))),
)
_RESTORE_COLUMNS: tuple[Column, ...] = (
    ("RESTORE", "id"),
    ("CREATED", "created"),
    ("STATUS", "statusName"),
    ("DONE", lambda row: size(row["progress"]["doneBytes"])),
    ("OF", lambda row: size(row["progress"]["totalBytes"])),
    ("REASON", lambda row: row.get("reason", "")),
)
