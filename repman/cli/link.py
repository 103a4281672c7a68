"""``repman link``: serve a link between two MongoDB clusters, under the API of one's choice."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from repman.cli import link_run
from repman.errors import ConfigError
from repman.link.serving import Listener

app = typer.Typer(help="Replicate from one MongoDB cluster to another.", no_args_is_help=True)
app.command("run")(link_run.run)


class Dialect(Enum):
    """Whose API is spoken."""

    MONGOSYNC = "mongosync"
    PERCONA = "percona"


@app.callback()
def link() -> None:
    """Replicate from one MongoDB cluster to another."""


@app.command()
def serve(
    cluster0: Annotated[
        str, typer.Option(metavar="URI", envvar="REPMAN_LINK_CLUSTER0", help="One cluster; for percona, the source.")
    ],
    cluster1: Annotated[
        str, typer.Option(metavar="URI", envvar="REPMAN_LINK_CLUSTER1", help="The other; for percona, the target.")
    ],
    dialect: Annotated[Dialect, typer.Option(help="Whose API to speak.")] = Dialect.MONGOSYNC,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Port (mongosync: 27182, percona: 2242).")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; others than localhost need a token.")] = "127.0.0.1",
    name: Annotated[list[str] | None, typer.Option(help="A name of this machine in requests; repeatable.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="File with the token that requests must bring.")] = None,
) -> None:
    """Connect the clusters and answer the API until SIGTERM."""
    token = "" if token_file is None else _token(token_file)
    names = tuple(name or ())
    if dialect is Dialect.MONGOSYNC:
        _serve_mongosync(cluster0, cluster1, lambda usual: Listener(host, port or usual, token, names))
    else:
        _serve_percona(cluster0, cluster1, lambda usual: Listener(host, port or usual, token, names))


def _serve_mongosync(cluster0: str, cluster1: str, listener: Callable[[int], Listener]) -> None:
    from repman.cli import mongosync
    from repman.cli.mongosync_log import start_logging
    from repman.link.mongosync.names import DEFAULT_ID, PORT

    start_logging(DEFAULT_ID, "INFO", None)
    mongosync.serve(cluster0, cluster1, listener(PORT), mongosync.Instance())


def _serve_percona(source: str, target: str, listener: Callable[[int], Listener]) -> None:
    from repman.link.percona import process
    from repman.link.percona.flavour import PORT
    from repman.link.percona.logs import start_logging

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    start_logging("info", True, False, sys.stdout)
    process.run(process.Server(source, target, listener(PORT)))


def _token(path: Path) -> str:
    """Raises ConfigError when the file has no token."""
    try:
        token = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError([f"the token file {path} cannot be read: {error.strerror}"]) from error
    if not token:
        raise ConfigError([f"the token file {path} is empty: put the token into it"])
    return token
