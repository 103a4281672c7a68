"""From merged values to the settings of jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from repman.config.servers import address_of, find_server, parse_address, server_names
from repman.config.settings_backup import BackupSettings

TASKS = {
    "scheduler-db-servers-logical-backup": "scheduler-db-servers-logical-backup-cron",
    "scheduler-db-servers-physical-backup": "scheduler-db-servers-physical-backup-cron",
    "scheduler-db-servers-logs": "scheduler-db-servers-logs-cron",
    "scheduler-db-servers-optimize": "scheduler-db-servers-optimize-cron",
    "scheduler-db-servers-analyze": "scheduler-db-servers-analyze-cron",
    "scheduler-rolling-restart": "scheduler-rolling-restart-cron",
}
"""The option that switches a task on, and the one that says when."""
ALWAYS = {"scheduler-sla-rotate": "scheduler-sla-rotate-cron"}
"""Tasks without a switch of their own."""


class _Values(Protocol):
    def flag(self, name: str) -> bool: ...
    def text(self, name: str) -> str: ...
    def whole(self, name: str) -> int: ...
    def items(self, name: str) -> tuple[str, ...]: ...


def backups(values: _Values) -> BackupSettings:
    """How this cluster is backed up, and when jobs run by themselves."""
    hosts = [parse_address(text) for text in values.items("db-servers-hosts")]
    names = server_names(hosts, values.items("db-servers-names"))
    addresses = [address_of(*host) for host in hosts]
    return BackupSettings(
        logical_tool=values.text("backup-logical-type"),
        dump_threads=values.whole("backup-logical-dump-threads"),
        load_threads=values.whole("backup-logical-load-threads"),
        compress=values.flag("compress-backups"),
        lock_ddl=values.flag("backup-lockddl"),
        hosts=tuple(addresses[find_server(text, hosts, names)] for text in values.items("db-servers-backup-hosts")),
        keep_hourly=values.whole("backup-keep-hourly"),
        keep_daily=values.whole("backup-keep-daily"),
        keep_weekly=values.whole("backup-keep-weekly"),
        keep_monthly=values.whole("backup-keep-monthly"),
        keep_yearly=values.whole("backup-keep-yearly"),
        schedule=_schedule(values),
    )


def _schedule(values: _Values) -> Mapping[str, str]:
    if not values.flag("monitoring-scheduler"):
        return {}
    wanted = {task: cron for task, cron in TASKS.items() if values.flag(task)} | ALWAYS
    return {task: values.text(cron) for task, cron in wanted.items()}
