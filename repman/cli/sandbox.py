"""``repman sandbox``: database servers (and a HAProxy) as local processes, to try things with."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from repman.cli.sandbox_config import sections
from repman.orchestrators.description import FILE
from repman.orchestrators.mongodb_files import Layout
from repman.orchestrators.sandbox import Sandbox

app = typer.Typer(
    no_args_is_help=True,
    help="Create, start, stop and destroy database servers as local processes. They live on when repman ends.",
)

Directory = Annotated[Path, typer.Argument(help="The sandbox's directory.", show_default=False)]
Names = Annotated[list[str] | None, typer.Argument(help="Processes, such as db1 or haproxy; all when omitted.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Kind(StrEnum):
    """What database servers there are to be."""

    MARIADB = "mariadb"
    MONGODB = "mongodb"


@app.command()
def create(
    directory: Directory,
    servers: Annotated[int, typer.Option("--servers", help="Number of database servers.", min=1, max=20)] = 3,
    haproxy: Annotated[bool, typer.Option("--haproxy/--no-haproxy", help="Make a HAProxy as well.")] = True,
    cluster: Annotated[str, typer.Option("--cluster", help="The cluster's name in repman.")] = "demo",
    kind: Annotated[Kind, typer.Option("--kind", help="What the servers are.")] = Kind.MARIADB,
    shards: Annotated[
        int,
        typer.Option(
            "--shards",
            help="With --kind mongodb: a config server and so many shards of --servers members.",
            max=8,
            min=0,
        ),
    ] = 0,
    probes_port: Annotated[
        int | None,
        typer.Option(
            "--probes-port", min=1, max=65535, help="Where repman will answer HAProxy (default: a free port)."
        ),
    ] = None,
    start: Annotated[bool, typer.Option("--start/--no-start", help="Start the processes.")] = True,
    as_json: Json = False,
) -> None:
    """Make a sandbox and start it.  Passwords are generated; they are in its sandbox.json."""
    if shards and kind is not Kind.MONGODB:
        raise typer.BadParameter("shards are of MongoDB: add --kind mongodb", param_hint="--shards")
    layout = Layout(servers, shards) if kind is Kind.MONGODB else None
    sandbox = Sandbox.create(
        directory, servers, haproxy=haproxy, cluster=cluster, probes_port=probes_port, layout=layout
    )
    if start:
        sandbox.start_all()
    _show(sandbox, as_json)


@app.command()
def start(directory: Directory, names: Names = None, as_json: Json = False) -> None:
    """Start processes and wait until the database servers answer; they start read-only."""
    sandbox = Sandbox.load(directory)
    wanted = names or sandbox.names
    for name in wanted:
        sandbox.start(name)
    for server in sandbox.servers:
        if server.name in wanted:
            sandbox.wait_ready(server.name)
    _show(sandbox, as_json)


@app.command()
def stop(directory: Directory, names: Names = None, as_json: Json = False) -> None:
    """Shut processes down cleanly."""
    _end(directory, names, as_json, Sandbox.stop)


@app.command()
def kill(directory: Directory, names: Names = None, as_json: Json = False) -> None:
    """Kill processes with SIGKILL, as a crash would."""
    _end(directory, names, as_json, Sandbox.kill)


@app.command()
def destroy(directory: Directory) -> None:
    """Kill all processes of a sandbox and remove its files."""
    Sandbox.destroy_at(directory)


@app.command()
def status(directory: Directory, as_json: Json = False) -> None:
    """Show which processes run, and where."""
    _show(Sandbox.load(directory), as_json)


@app.command()
def config(directory: Directory) -> None:
    """Print the clusters of a sandbox as sections for repman's configuration file; passwords are in them."""
    print(sections(Sandbox.load(directory)), end="")


def _end(directory: Path, names: list[str] | None, as_json: bool, how: Callable[[Sandbox, str], None]) -> None:
    sandbox = Sandbox.load(directory)
    for name in names or reversed(sandbox.names):
        how(sandbox, name)
    _show(sandbox, as_json)


def _show(sandbox: Sandbox, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_document(sandbox), indent=2))
        return
    console = Console(highlight=False)
    console.print(process_table(sandbox))
    console.print(Text(f"accounts and paths: {sandbox.directory / FILE}", "dim"), soft_wrap=True)


def process_table(sandbox: Sandbox) -> Table:
    """The processes of a sandbox, one a row."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("NAME", "ADDRESS", "STATE", "PID"):
        table.add_column(heading)
    for row in sandbox.status():
        state = Text("stopped", "red") if row.pid is None else Text("running", "green")
        table.add_row(Text(row.name, "bold"), row.address, state, str(row.pid or "-"))
    return table


def _document(sandbox: Sandbox) -> dict[str, object]:
    entries = {entry.name: entry for entry in sandbox.entries}
    return {
        "directory": str(sandbox.directory),
        "cluster": sandbox.description.cluster,
        "version": sandbox.description.version,
        "description": str(sandbox.directory / FILE),
        "probes_port": sandbox.description.probes_port,
        "processes": [
            {
                "name": row.name,
                "kind": row.kind,
                "address": row.address,
                "running": row.pid is not None,
                "pid": row.pid,
                "pid_file": entries[row.name].pid_file,
                "start": list(entries[row.name].start),
            }
            for row in sandbox.status()
        ],
    }
