"""Settings of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BackupSettings:
    """How a cluster is backed up, and when jobs run by themselves."""

    logical_tool: str = "mysqldump"
    """``mysqldump`` or ``mydumper``."""
    dump_threads: int = 2
    load_threads: int = 2
    compress: bool = True
    lock_ddl: bool = True
    """Keep tables of a replica from being altered while it is dumped."""
    hosts: tuple[str, ...] = ()
    """Addresses of the servers that are read first."""
    keep_hourly: int = 1
    keep_daily: int = 1
    keep_weekly: int = 4
    keep_monthly: int = 12
    keep_yearly: int = 2
    schedule: Mapping[str, str] = field(default_factory=dict)
    """Times of tasks, by the name of the option that switches them on; only those that are on."""
