"""``repman streams``: the service that moves tables and changes between MySQL/MariaDB and PostgreSQL.

    serve ── stream-ID    the process of one stream, for each that runs

`serve` answers the API and keeps the processes of streams alive.  When it is killed they end at a point from which they
go on, and its successor starts them again.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from repman.cli import supervisor
from repman.cli.keyfile import DataDirOption, KeyPathOption, places, sealing_key
from repman.cli.loading import ConfigOption
from repman.cli.logs import start_logging
from repman.cli.pidfile import claim
from repman.cli.process import raise_descriptor_limit
from repman.cli.supervisor import ChildSpec, Supervisor
from repman.config.secrets import seal, unseal

if TYPE_CHECKING:
    from repman.streams.registry import Registry

app = typer.Typer(help="Move tables and changes between MySQL/MariaDB and PostgreSQL.", no_args_is_help=True)

PORT = 8020
GRACE = 30.0
"""Seconds for a stream to commit or roll back what it has begun."""
_FIRST_KEY = "REPMAN_STREAMS_API_KEY"
_log = logging.getLogger(__name__)

LogLevelOption = Annotated[str, typer.Option("--log-level", help="DEBUG, INFO, WARNING or ERROR.")]


@app.callback()
def streams() -> None:
    """Move tables and changes between MySQL/MariaDB and PostgreSQL."""


@app.command()
def serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0: any that is free.")] = PORT,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    data_dir: DataDirOption = None,
    keypath: KeyPathOption = None,
    config: ConfigOption = None,
    log_level: LogLevelOption = "INFO",
    log_file: Annotated[Path | None, typer.Option(help="Where the log goes. Else stderr.")] = None,
    wrong_key_status: Annotated[
        int, typer.Option(min=401, max=403, help="Status for a missing or wrong key: 403, or 401.")
    ] = 403,
) -> None:
    """Answer the API and run the streams until SIGTERM.  REPMAN_STREAMS_API_KEY may hold a first key."""
    supervised = supervisor.end_with_supervisor()
    here = places(config)
    data = (data_dir or here.datadir).absolute()
    start_logging("streams", log_level, log_file)
    raise_descriptor_limit()
    busy = f"the streams of {data} are served already: stop that process first"
    with claim(data, "streams", sentence=busy, patience=GRACE if supervised else 0.0):
        key = sealing_key(data, keypath, here.key)
        options = ["--data-dir", os.fspath(data), "--log-level", log_level]
        options += ["--keypath", os.fspath((keypath or _key_file(data, here.key)).absolute())]
        options += [] if log_file is None else ["--log-file", os.fspath(log_file.absolute())]
        with closing(_registry(data, key)) as registry:
            _serve(data, registry, (host, port), options, wrong_key_status)


StreamArgument = Annotated[str, typer.Argument(metavar="ID", help="The stream.")]
ServiceDirOption = Annotated[Path, typer.Option("--data-dir", help="Where the service keeps its data.")]
LogFileOption = Annotated[Path | None, typer.Option("--log-file", help="Where the log goes. Else stderr.")]


@app.command(hidden=True)
def run(
    stream: StreamArgument,
    data_dir: ServiceDirOption,
    keypath: KeyPathOption = None,
    log_level: LogLevelOption = "INFO",
    log_file: LogFileOption = None,
) -> None:
    """Be the process of one stream; `serve` starts it."""
    from repman.streams import process

    with _child(stream, "process", data_dir, keypath, log_level, log_file) as (registry, stop):
        process.run(data_dir, registry, stream, stop)


@app.command(hidden=True)
def compare(
    stream: StreamArgument,
    data_dir: ServiceDirOption,
    keypath: KeyPathOption = None,
    log_level: LogLevelOption = "INFO",
    log_file: LogFileOption = None,
) -> None:
    """Compare source and target of one stream; `serve` starts it."""
    from repman.streams import process

    with _child(stream, "compare", data_dir, keypath, log_level, log_file) as (registry, stop):
        process.compare(data_dir, registry, stream, stop)


@contextmanager
def _child(
    stream: str, what: str, data: Path, keypath: Path | None, log_level: str, log_file: Path | None
) -> Iterator[tuple[Registry, threading.Event]]:
    """Be a process of `serve` for a stream while the block runs; SIGTERM and SIGINT set the event."""
    supervised = supervisor.end_with_supervisor()
    start_logging(stream, log_level, log_file)
    raise_descriptor_limit()
    from repman.streams.api.view import directory_of

    stop = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    # The process of a service that was killed may still be committing what it had begun.
    with (
        claim(directory_of(data, stream), what, patience=GRACE if supervised else 0.0),
        closing(_registry(data, sealing_key(data, keypath, data))) as registry,
    ):
        yield registry, stop


def _registry(data: Path, key: bytes) -> Registry:
    from repman.streams.registry import Registry, Sealing

    return Registry(data, Sealing(lambda clear: seal(clear, key), lambda text: unseal(text, key)))


def _key_file(data: Path, installation: Path) -> Path:
    from repman.cli.keyfile import OWN

    own = data / OWN
    return own if own.exists() else installation


def _serve(data: Path, registry: Registry, address: tuple[str, int], options: list[str], status: int) -> None:
    from repman.state.keys import ApiKeys
    from repman.streams.api.admission import Keys
    from repman.streams.api.app import application
    from repman.streams.api.service import Service
    from repman.streams.api.serving import serving
    from repman.streams.life import Life
    from repman.streams.supervising import Watch

    watch = Watch(data, registry)

    def wanted() -> list[ChildSpec]:
        return [
            ChildSpec(
                each.name,
                _argv("compare" if each.compares else "run", each.stream, options),
                GRACE,
                "streams",
                each.over,
            )
            for each in watch.wanted()
        ]

    # The key is for the service alone: a stream's process has no use for it.
    first = os.environ.pop(_FIRST_KEY, "")
    parent = Supervisor(wanted, on_death=watch.died)
    with closing(ApiKeys.below(data)) as store:
        keys = Keys(store, first)
        if not keys.any:
            _log.warning("there is no API key yet: make one with `repman ctl api-keys create --for streams`")
        life = Life(data, registry, _Processes(parent), watch)
        service = Service(data, registry, life, keys, status)
        with _ended_in_order(), serving(application(service), *address) as port:
            _log.info("serving datadir=%s http=%s:%d", data, address[0], port)
            try:
                supervisor.run(parent)
            finally:
                service.closing.set()


class _Processes:
    """The processes of streams, for the threads that answer requests."""

    def __init__(self, parent: Supervisor) -> None:
        self._parent = parent

    def wake(self) -> None:
        """Let the supervisor take its turn now: it takes one whenever a child may have ended."""
        os.kill(os.getpid(), signal.SIGCHLD)

    def pid(self, stream: str) -> int | None:
        """The id of the stream's process."""
        return self._parent.pids().get(stream)

    def kill(self, stream: str) -> None:
        """End the stream's process at once."""
        if (pid := self.pid(stream)) is not None:
            os.kill(pid, signal.SIGKILL)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Until the supervisor looks after signals itself: what comes before it ends the process with all it has opened."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _argv(what: str, stream: str, options: list[str]) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", "repman", "streams", what, stream, *options)
