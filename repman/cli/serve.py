"""``repman serve`` and the processes it keeps alive, each a command of its own.

    serve ── monitor   the one process that acts
          ├─ probes    answers health checks
          ├─ worker    jobs and live reads
          └─ web       API and page

A child that dies is started again.  When `serve` itself is killed, even by ``kill -9``, the kernel sends
SIGTERM to its children (`supervisor.end_with_supervisor`); database servers are nobody's children and stay.
"""

from __future__ import annotations

import logging
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from repman.cli import supervisor
from repman.cli.loading import ConfigOption, SetOption, load_settings
from repman.cli.logs import start_logging
from repman.cli.pidfile import claim, forget
from repman.cli.reloading import in_background
from repman.cli.supervisor import ChildSpec, Supervisor
from repman.config.settings import Settings

app = typer.Typer(help="Run repman's processes.", no_args_is_help=True)

_log = logging.getLogger(__name__)

PidDirOption = Annotated[
    Path | None, typer.Option("--pid-dir", help="Where the pid files go (default: the run directory).")
]

_GRACE = {"probes": 5.0, "monitor": 20.0, "worker": 15.0, "web": 10.0}
"""Children in the order of their start, with the seconds they have to end.

They stop in the reverse order: no more commands, then jobs are ended or left to be taken up again, then the step
that runs is ended, and health checks are answered until last.
"""


@app.command()
def serve(config: ConfigOption = None, values: SetOption = None, pid_dir: PidDirOption = None) -> None:
    """Run monitor, probes, worker and web until SIGTERM; start again what dies."""
    settings, warnings = load_settings(config, values)
    service = settings.service
    pids = pid_dir or service.rundir
    start_logging("serve", service.log_level, service.log_file)
    _tell(warnings)
    raise_descriptor_limit()
    busy = f"repman is already running for the data directory {service.datadir}: stop it first"
    with claim(pids, "serve", locks=service.datadir, sentence=busy):
        common = _arguments(config, values, pids)
        wanted = [name for name in _GRACE if name != "web" or service.http_server or service.api_server]
        children = [ChildSpec(name, _argv(name, common), _GRACE[name]) for name in wanted]
        parent = Supervisor(
            children,
            on_death=lambda name, pid: forget(pids, name, pid),
            on_hangup=lambda: in_background(settings),
        )
        _log.info(
            "serving datadir=%s rundir=%s http=%s:%d probes=%s:%d",
            service.datadir,
            service.rundir,
            service.http_bind,
            service.http_port,
            service.probes_bind,
            service.probes_port,
        )
        supervisor.run(parent)


@app.command()
def monitor(config: ConfigOption = None, values: SetOption = None, pid_dir: PidDirOption = None) -> None:
    """Run the monitor alone: it watches the clusters and acts."""

    def work(settings: Settings) -> None:
        from repman.monitor import service

        service.run(settings)

    _be("monitor", work, config, values, pid_dir)


@app.command()
def probes(config: ConfigOption = None, values: SetOption = None, pid_dir: PidDirOption = None) -> None:
    """Run the process that answers health checks from the published snapshots."""

    def work(settings: Settings) -> None:
        from repman.probes import process

        service = settings.service
        process.run(service.rundir, service.probes_bind, service.probes_port)

    _be("probes", work, config, values, pid_dir)


@app.command()
def worker(config: ConfigOption = None, values: SetOption = None, pid_dir: PidDirOption = None) -> None:
    """Run the process that does jobs and looks into servers on demand."""

    def work(settings: Settings) -> None:
        from repman.worker import process

        process.run(settings)

    _be("worker", work, config, values, pid_dir)


@app.command()
def web(config: ConfigOption = None, values: SetOption = None, pid_dir: PidDirOption = None) -> None:
    """Run the HTTP API and the page."""

    def work(settings: Settings) -> None:
        from repman.web import process

        process.run(settings)

    _be("web", work, config, values, pid_dir)


def _be(
    name: str,
    work: Callable[[Settings], None],
    config: Path | None,
    values: list[str] | None,
    pid_dir: Path | None,
) -> None:
    """Be the process of that name until its work ends."""
    supervised = supervisor.end_with_supervisor()
    settings, warnings = load_settings(config, values)
    service = settings.service
    start_logging(name, service.log_level, service.log_file)
    if not supervised:
        _tell(warnings)
    raise_descriptor_limit()
    patience = _GRACE[name] if supervised else 0.0
    with claim(pid_dir or service.rundir, name, locks=service.rundir, patience=patience):
        work(settings)


def _tell(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        _log.warning("configuration: %s", warning)


def raise_descriptor_limit() -> None:
    """Allow this process, and what it starts, as many open files as the system lets it have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _arguments(config: Path | None, values: list[str] | None, pids: Path) -> list[str]:
    words = ["--pid-dir", os.fspath(pids)]
    if config is not None:
        words += ["--config", os.fspath(config.absolute())]
    for value in values or ():
        words += ["--set", value]
    return words


def _argv(name: str, common: list[str]) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", "repman", name, *common)
