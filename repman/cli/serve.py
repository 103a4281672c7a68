"""``repman serve`` and the processes it keeps alive, each a command of its own.

    serve ── monitor     the one process that acts
          ├─ probes      answers health checks
          ├─ worker      jobs and live reads
          ├─ link-NAME   a link between two MongoDB clusters, for each that is configured
          ├─ streams     the API of streams, where it is configured, and a process for each stream below it
          └─ web         API and page

A child that dies is started again.  Links come, go and start anew with the configuration, which `serve` follows as
every process does.  When `serve` itself is killed, even by ``kill -9``, the kernel sends
SIGTERM to its children (`supervisor.end_with_supervisor`); database servers are nobody's children and stay.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from pathlib import Path

import typer

from repman.cli import supervisor
from repman.cli.link_run import GRACE, process_name
from repman.cli.loading import ConfigOption, SetOption, load_settings
from repman.cli.logs import start_logging
from repman.cli.pidfile import claim, forget
from repman.cli.process import PidDirOption, be, raise_descriptor_limit, tell
from repman.cli.reloading import in_background
from repman.cli.streams import GRACE as STREAM_GRACE
from repman.cli.supervisor import ChildSpec, Supervisor
from repman.config.live import Live
from repman.config.settings import Settings

app = typer.Typer(help="Run repman's processes.", no_args_is_help=True)

_log = logging.getLogger(__name__)

_GRACE = {"probes": 5.0, "monitor": 20.0, "worker": 15.0, "web": 10.0}
"""Children in the order of their start, with the seconds they have to end.

They stop in the reverse order: no more commands, then links, all at once, then jobs are ended or left to be taken up
again, then the step that runs is ended, and health checks are answered until last.
"""


@app.command()
def serve(config: ConfigOption = None, values: SetOption = None, pid_dir: PidDirOption = None) -> None:
    """Run monitor, probes, worker, links and web until SIGTERM; start again what dies."""
    settings, warnings = load_settings(config, values)
    service = settings.service
    pids = pid_dir or service.rundir
    start_logging("serve", service.log_level, service.log_file)
    tell(warnings)
    raise_descriptor_limit()
    busy = f"repman is already running for the data directory {service.datadir}: stop it first"
    with claim(pids, "serve", locks=service.datadir, sentence=busy):
        live = Live(settings)
        parent = Supervisor(
            wanted=partial(_children, live, _arguments(config, values, pids)),
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

    be("monitor", _GRACE["monitor"], work, config, values, pid_dir)


@app.command()
def probes(config: ConfigOption = None, values: SetOption = None, pid_dir: PidDirOption = None) -> None:
    """Run the process that answers health checks from the published snapshots."""

    def work(settings: Settings) -> None:
        from repman.probes import process

        service = settings.service
        process.run(service.rundir, service.probes_bind, service.probes_port)

    be("probes", _GRACE["probes"], work, config, values, pid_dir)


@app.command()
def worker(config: ConfigOption = None, values: SetOption = None, pid_dir: PidDirOption = None) -> None:
    """Run the process that does jobs and looks into servers on demand."""

    def work(settings: Settings) -> None:
        from repman.worker import process

        process.run(settings)

    be("worker", _GRACE["worker"], work, config, values, pid_dir)


@app.command()
def web(config: ConfigOption = None, values: SetOption = None, pid_dir: PidDirOption = None) -> None:
    """Run the HTTP API and the page."""

    def work(settings: Settings) -> None:
        from repman.web import process

        process.run(settings)

    be("web", _GRACE["web"], work, config, values, pid_dir)


def _children(live: Live, common: list[str]) -> list[ChildSpec]:
    """What has to run now, in the order in which it is started."""
    settings = live.settings
    service = settings.service
    links = [
        ChildSpec(process_name(link.name), _argv(["link", "run", link.name], common), GRACE, "links", link)
        for link in settings.links
        if link.enabled
    ]
    *first, web = (ChildSpec(name, _argv([name], common), grace) for name, grace in _GRACE.items())
    streams = [_streams(settings, common)] if service.streams.server else []
    return [*first, *links, *streams, *([web] if service.http_server or service.api_server else ())]


def _streams(settings: Settings, common: list[str]) -> ChildSpec:
    """The service of streams; it stops its own children, so it has longer for it than each of them."""
    service = settings.service
    words = ["streams", "serve", "--host", service.streams.bind, "--port", str(service.streams.port)]
    words += ["--data-dir", os.fspath(service.datadir), "--log-level", service.log_level]
    if service.log_file is not None:
        words += ["--log-file", os.fspath(service.log_file)]
    if "--config" in common:
        words += ["--config", common[common.index("--config") + 1]]
    return ChildSpec("streams", _argv(words, []), STREAM_GRACE + 5.0, "links")


def _arguments(config: Path | None, values: list[str] | None, pids: Path) -> list[str]:
    words = ["--pid-dir", os.fspath(pids)]
    if config is not None:
        words += ["--config", os.fspath(config.absolute())]
    for value in values or ():
        words += ["--set", value]
    return words


def _argv(command: list[str], common: list[str]) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", "repman", *command, *common)
