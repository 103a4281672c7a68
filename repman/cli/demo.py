"""What ``scripts/demo`` runs: a three-server cluster behind HAProxy, watched by repman."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group
from rich.text import Text

from repman.cli import demo_steps
from repman.cli.demo_health import complaints
from repman.cli.demo_place import PROCESSES, Place, api_account, api_url, haproxy_of, read_config
from repman.cli.exits import exit_code
from repman.cli.sandbox import process_table
from repman.config.settings import Settings
from repman.errors import RepmanError
from repman.orchestrators import process
from repman.orchestrators.sandbox import Sandbox

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, help="Try repman on this machine.")

Directory = Annotated[Path, typer.Option("--directory", help="The demo's directory.")]
_HERE = Path("var/demo")

console = Console(highlight=False, soft_wrap=True)


@app.command()
def start(directory: Directory = _HERE) -> None:
    """Start the demo, or repair what is dead in it; succeeds only when the cluster is healthy and protected."""
    place = Place(directory.resolve())
    began = time.monotonic()
    with demo_steps.alone(place):
        with _step("MariaDB servers and HAProxy: files"):
            sandbox = demo_steps.make_sandbox(place)
        with _step(f"{len(sandbox.servers)} MariaDB servers and HAProxy: running"):
            demo_steps.start_servers(sandbox)
        with _step("repman: running"):
            settings = demo_steps.configure(place, sandbox)
            api = demo_steps.start_repman(place, settings)
        with _step("cluster: healthy and protected") as say:
            wrong = demo_steps.become_healthy(api, sandbox, say)
            if wrong:
                raise RepmanError(
                    "the cluster is not healthy:\n  " + "\n  ".join(wrong) + f"\nrepman's log: {place.log}"
                    "\ntry again with: scripts/demo, or begin anew with: scripts/demo reset && scripts/demo"
                )
    snapshot, _ = api.snapshot(sandbox.description.cluster)
    console.print(f"\nThe cluster is healthy and protected after {time.monotonic() - began:.1f} s.\n", style="green")
    _show(place, sandbox, settings)
    console.print(_next(place, sandbox, snapshot.writer))


@app.command()
def status(directory: Directory = _HERE) -> None:
    """Show what runs where; succeeds only when the cluster is healthy and protected."""
    place = Place(directory.resolve())
    if not demo_steps.exists(place):
        raise RepmanError("there is no demo here; start it with: scripts/demo")
    sandbox = Sandbox.load(place.root)
    settings = read_config(place)
    _show(place, sandbox, settings)
    wrong = complaints(demo_steps.api_of(settings), sandbox)
    for sentence in wrong:
        console.print(f"- {sentence}", style="red", markup=False)
    if wrong:
        raise typer.Exit(1)
    console.print("The cluster is healthy and protected.", style="green")


@app.command()
def stop(directory: Directory = _HERE) -> None:
    """Stop repman, HAProxy and the servers; the data stays."""
    place = Place(directory.resolve())
    with demo_steps.alone(place):
        with _step("repman: stopped"):
            demo_steps.stop_repman(place)
        if not demo_steps.exists(place):
            return
        sandbox = Sandbox.load(place.root)
        with _step("HAProxy and MariaDB servers: stopped"):
            for name in reversed(sandbox.names):
                sandbox.stop(name)


@app.command()
def reset(directory: Directory = _HERE) -> None:
    """End everything and remove the demo with its data."""
    place = Place(directory.resolve())
    with demo_steps.alone(place), _step(f"{place.root}: removed"):
        demo_steps.wipe(place)


def main() -> int:
    """The edge: an error becomes a few lines and an exit code."""
    try:
        app()
    except RepmanError as error:
        print(f"scripts/demo: {error}", file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        return 130
    return 0


@contextmanager
def _step(title: str) -> Iterator[demo_steps.Tell]:
    """Show that something is being done, then that it is done and how long it took."""
    began = time.monotonic()
    with console.status(title) as shown:
        yield lambda words: shown.update(Text(f"{title} ({words})"))
    console.print(f"[green]ok[/green]  {title} [dim]({time.monotonic() - began:.1f} s)[/dim]")


def _show(place: Place, sandbox: Sandbox, settings: Settings) -> None:
    table = process_table(sandbox)
    where = {
        "serve": "supervises the next four",
        "monitor": "watches and acts",
        "probes": f"127.0.0.1:{settings.service.probes_port}",
        "worker": "jobs and live reads",
        "web": f"127.0.0.1:{settings.service.http_port}",
    }
    for name in PROCESSES:
        pid = process.find(place.mark(name), place.pid_file(name))
        state = Text("stopped", "red") if pid is None else Text("running", "green")
        table.add_row(Text(f"repman {name}", "bold"), where[name], state, str(pid or "-"))
    console.print(table)
    console.print()
    console.print(_accounts(place, sandbox, settings))


def _accounts(place: Place, sandbox: Sandbox, settings: Settings) -> Text:
    account, haproxy, application = api_account(settings), haproxy_of(sandbox), sandbox.description.application
    lines = (
        ("dashboard", f"{api_url(settings)}/"),
        ("", f"user {account.user}, password {account.password}"),
        ("database", f"writes at {haproxy.host}:{haproxy.write_port}, reads at {haproxy.host}:{haproxy.read_port}"),
        ("", f"user {application.user}, password {application.password}"),
        ("all of it", _short(place.description)),
    )
    return Text("\n".join(f"{title:<11}{words}" for title, words in lines))


def _next(place: Place, sandbox: Sandbox, writer: str) -> Group:
    ctl = f"{_typed(Path(sys.executable).with_name('repman'))} ctl"
    demo = "" if place.root == Path.cwd() / _HERE else f" --demo {_typed(place.root)}"
    server = next((each for each in sandbox.servers if each.address == writer), sandbox.servers[0])
    haproxy, application = haproxy_of(sandbox), sandbox.description.application
    client = f"mariadb -h {haproxy.host} -P {haproxy.write_port} -u {application.user} -p{application.password}"
    kill = f"kill -9 $(cat {_typed(Path(server.pid_file))})"
    lines = (
        ("look at the cluster", f"{ctl} topology{demo}"),
        (
            f"kill the writer, {server.name}, and ask through HAProxy who writes now",
            f"{kill}; sleep 0.5; {client} -e 'SELECT @@port, @@read_only'",
        ),
        ("move the writer by hand", f"{ctl} switchover{demo}"),
    )
    rows = [Text("\nTry next:", "bold")]
    for title, command in lines:
        rows += [Text(f"  # {title}", "dim"), Text(f"  {command}")]
    return Group(*rows)


def _typed(path: Path) -> str:
    return shlex.quote(_short(path))


def _short(path: Path) -> str:
    """The path as seen from here."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


if __name__ == "__main__":
    sys.exit(main())
