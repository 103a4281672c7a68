"""Which backups may go.  Pure."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from repman.model.backup import Backup, BackupMethod


@dataclass(frozen=True, slots=True)
class Retention:
    """How many backups are kept: of each of the last so many hours (days ...) that have any, the latest one."""

    hourly: int = 1
    daily: int = 1
    weekly: int = 4
    monthly: int = 12
    yearly: int = 2


def outdated(backups: Sequence[Backup], rules: Retention, newest: str = "") -> tuple[Backup, ...]:
    """Those that no rule keeps, oldest first.  The latest of each method is always kept.

    `newest`: the name of the one that was just made; it is kept, too, though the clock was set back since another.
    """
    kept: set[str] = {newest}
    for method in BackupMethod:
        mine = sorted((each for each in backups if each.method is method), key=_time, reverse=True)
        kept.update(each.id for each in mine[:1])
        for count, period in _periods(rules):
            kept.update(_latest_of_each(mine, count, period))
    return tuple(sorted((each for each in backups if each.id not in kept), key=_time))


def _time(backup: Backup) -> float:
    return backup.started_at


def _periods(rules: Retention) -> tuple[tuple[int, Callable[[time.struct_time], object]], ...]:
    return (
        (rules.hourly, lambda at: (at.tm_year, at.tm_yday, at.tm_hour)),
        (rules.daily, lambda at: (at.tm_year, at.tm_yday)),
        (rules.weekly, lambda at: time.strftime("%G-%V", at)),
        (rules.monthly, lambda at: (at.tm_year, at.tm_mon)),
        (rules.yearly, lambda at: at.tm_year),
    )


def _latest_of_each(newest_first: list[Backup], count: int, period: Callable[[time.struct_time], object]) -> set[str]:
    found: dict[object, str] = {}
    for backup in newest_first:
        name = period(time.gmtime(backup.started_at))
        if name not in found and len(found) < count:
            found[name] = backup.id
    return set(found.values())
