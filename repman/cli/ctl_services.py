"""``repman ctl services`` and ``repman ctl proxies``: processes made, unmade, started, stopped and shown."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.text import Text

from repman.cli.acting import Force, tell, word
from repman.cli.exits import ExitCode
from repman.cli.following import Wait, begin
from repman.cli.records import Column, plain, size, table
from repman.cli.session import Session, with_session

app = typer.Typer(help="The processes of a cluster: show, make and unmake all of them.", no_args_is_help=True)
proxies = typer.Typer(help="Act on one balancer: make, unmake, start, stop.", no_args_is_help=True)

PROVISION_SECONDS = 1830.0
"""A little longer than the API takes for a whole cluster."""

Method = Annotated[
    str,
    typer.Option(
        "--method",
        help="How a new server is filled: logicalmaster, physicalmaster, logicalbackup, physicalbackup or none.",
    ),
]
ProxyName = Annotated[str, typer.Argument(metavar="PROXY", help="The balancer, by name, id or host:port.")]


@app.command("list")
@with_session
def list_services(session: Session) -> int:
    """The machines and the processes on them, as they are now."""
    found = session.api.get(session.path("services"))
    if session.as_json:
        session.show_json(found)
    elif isinstance(found, dict):
        session.show(Text(str(found.get("reason", "")), "yellow"))
    else:
        for host in found:
            session.show(_host(host))
            session.show(table(host["services"], _COLUMNS))
    return ExitCode.DONE


@app.command()
@with_session
def provision(
    session: Session,
    method: Method = "",
    replication: Annotated[bool, typer.Option(help="Build replication, too.")] = True,
    wait: Wait = True,
) -> int:
    """Make and start every server and balancer that is missing, then build replication."""
    verb = "provision" if replication else "bootstrap"
    return begin(session, ("services", "actions", verb), wait, PROVISION_SECONDS, method=method)


@app.command()
@with_session
def unprovision(session: Session, force: Force = False) -> int:
    """Stop every server and balancer and remove all data."""
    return begin(session, ("services", "actions", "unprovision"), True, PROVISION_SECONDS, force=word(force))


def _on_proxy(verb: str, line: str) -> None:
    def command(session: Session, proxy: ProxyName) -> int:
        tell(session, session.api.act(session.path("proxies", proxy, "actions", verb), within=PROVISION_SECONDS))
        return ExitCode.DONE

    command.__doc__ = line
    proxies.command(verb)(with_session(command))


_on_proxy("start", "Start it.")
_on_proxy("stop", "Stop it; its sessions end.")
_on_proxy("provision", "Write its configuration and start it.")
_on_proxy("unprovision", "Stop it and remove its configuration.")


_COLUMNS: tuple[Column, ...] = (
    ("SERVICE", "name"),
    ("TYPE", "type"),
    ("ADDRESS", "address"),
    ("STATE", "state"),
    ("PID", "pid"),
    ("MEMORY", lambda one: size(one["memBytes"])),
    ("CPU %", "cpuPercent"),
    ("DISK", lambda one: size(one["diskBytes"])),
    ("UP FOR", lambda one: f"{plain(one['uptimeSeconds'])} s" if one["uptimeSeconds"] is not None else ""),
)


def _host(host: dict[str, Any]) -> Text:
    line = Text(str(host["hostName"]), "bold").append(
        f"  {host['status']}", "green" if host["status"] == "up" else "red"
    )
    line.append(f"  {host['cpuCores']} cores, {size(host['memFreeBytes'])} of {size(host['memBytes'])} free", "dim")
    return line.append(f"  {host['error']}", "red") if host["error"] else line
