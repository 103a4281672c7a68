"""Options of jobs: backups, what is kept of them, and the times at which jobs run by themselves."""

from __future__ import annotations

from functools import partial

from repman.config.option import Kind, Option

_backups = partial(Option, group="Backups", live=True)
_schedule = partial(Option, group="Scheduled jobs", live=True)
_WHEN = " Six fields: second, minute, hour, day of the month, month, day of the week (0 is Sunday); local time."


def _task(name: str, on: bool, cron: str, what: str) -> tuple[Option, Option]:
    return (
        _schedule(name=name, kind=Kind.BOOL, default=on, help=f"With `monitoring-scheduler`: {what}"),
        _schedule(name=f"{name}-cron", kind=Kind.TEXT, default=cron, help=f"When `{name}` runs.{_WHEN}"),
    )


def _kept(period: str, default: int) -> Option:
    return _backups(
        name=f"backup-keep-{period}",
        kind=Kind.INT,
        default=default,
        at_least=0,
        at_most=10000,
        help=f"Of each kind of backup, keep the latest of each of the last so many periods ({period}) that have one. "
        "A backup goes when no rule keeps it, after a newer one has become whole; the latest of each kind always stays.",
    )


BACKUP_OPTIONS: tuple[Option, ...] = (
    _backups(
        name="backup-logical-type",
        kind=Kind.CHOICE,
        default="mysqldump",
        choices=("mysqldump", "mydumper"),
        help="Program for logical backups: `mysqldump` stands for mariadb-dump where that is installed. It runs on "
        "repman's host.",
    ),
    _backups(
        name="backup-logical-load-threads",
        kind=Kind.INT,
        default=2,
        at_least=1,
        at_most=64,
        help="Threads of myloader.",
    ),
    _backups(
        name="backup-logical-dump-threads",
        kind=Kind.INT,
        default=2,
        at_least=1,
        at_most=64,
        help="Threads of mydumper.",
    ),
    _backups(
        name="backup-physical-type",
        kind=Kind.CHOICE,
        default="mariabackup",
        choices=("mariabackup", "xtrabackup"),
        help="Program for physical backups.",
        upstream="xtrabackup",
        because="it says what is used",
        inert="physical backups are made by mariadb-backup, whichever word stands here",
    ),
    _backups(
        name="compress-backups",
        kind=Kind.BOOL,
        default=True,
        help="Compress backups, with zstd where it is installed, else with gzip.",
        upstream="false",
        because="a dump is a fraction of its size, and both programs verify what they expand",
    ),
    _backups(
        name="backup-lockddl",
        kind=Kind.BOOL,
        default=True,
        key="backupLockDDL",
        help="While a replica is dumped, no table of it is altered, made or dropped (`BACKUP STAGE BLOCK_DDL`); such "
        "statements of the writer wait on that replica until the dump has ended. Never on the writer itself.",
    ),
    _backups(
        name="db-servers-backup-hosts",
        kind=Kind.LIST,
        default=(),
        help="Servers whose turn it is first when a backup needs a healthy replica, as in `db-servers-hosts`.",
    ),
    _kept("hourly", 1),
    _kept("daily", 1),
    _kept("weekly", 4),
    _kept("monthly", 12),
    _kept("yearly", 2),
    _schedule(
        name="monitoring-scheduler",
        kind=Kind.BOOL,
        default=False,
        help="Run jobs by the clock: those whose `scheduler-` option is on. Only the repman that holds the cluster's "
        "lease does so.",
    ),
    *_task("scheduler-db-servers-logical-backup", True, "0 0 1 * * 6", "a logical backup of a healthy replica."),
    *_task("scheduler-db-servers-physical-backup", False, "0 0 0 * * 0-4", "a physical backup of a healthy replica."),
    *_task("scheduler-db-servers-logs", False, "0 0/10 * * * *", "collect error and slow-query logs of all servers."),
    *_task(
        "scheduler-db-servers-optimize", False, "0 0 3 1 * 5", "OPTIMIZE TABLE on each replica, one after the other."
    ),
    *_task("scheduler-db-servers-analyze", True, "0 0 4 2 * *", "ANALYZE TABLE on each server, one after the other."),
    *_task("scheduler-rolling-restart", False, "0 30 11 * * *", "restart one server after the other."),
    _schedule(
        name="scheduler-sla-rotate-cron",
        kind=Kind.TEXT,
        default="0 0 0 1 * *",
        help=f"With `monitoring-scheduler`: when the shares of time are counted anew.{_WHEN}",
    ),
)
