"""What every process of repman does before and around its work."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from repman.cli import supervisor
from repman.cli.loading import load_settings
from repman.cli.logs import start_logging
from repman.cli.pidfile import claim
from repman.config.settings import Settings

_log = logging.getLogger(__name__)

PidDirOption = Annotated[
    Path | None, typer.Option("--pid-dir", help="Where the pid files go (default: the run directory).")
]


def be(
    name: str,
    grace: float,
    work: Callable[[Settings], None],
    config: Path | None,
    values: list[str] | None,
    pid_dir: Path | None,
) -> None:
    """Be the process of that name until its work ends; under a supervisor one that ends has `grace` seconds for it.

    Raises ConfigError when the configuration has mistakes, and AlreadyRunning when there is such a process already.
    """
    supervised = supervisor.end_with_supervisor()
    settings, warnings = load_settings(config, values)
    service = settings.service
    start_logging(name, service.log_level, service.log_file)
    if not supervised:
        tell(warnings)
    raise_descriptor_limit()
    patience = grace if supervised else 0.0
    with claim(pid_dir or service.rundir, name, locks=service.rundir, patience=patience):
        work(settings)


def tell(warnings: tuple[str, ...]) -> None:
    """Log what the configuration is warned of."""
    for warning in warnings:
        _log.warning("configuration: %s", warning)


def raise_descriptor_limit() -> None:
    """Allow this process, and what it starts, as many open files as the system lets it have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
