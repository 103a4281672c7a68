"""Jobs by the clock."""

from __future__ import annotations

import logging
from collections.abc import Callable

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from repman.config.settings import Settings
from repman.errors import RepmanError
from repman.model.cron import DAYS, parse_cron

LOG = logging.getLogger(__name__)

_LATE = 300
"""Seconds by which a task may come too late (the machine slept, say); later it waits for its next time."""


class Schedule:
    """The tasks of all clusters, each at its times."""

    def __init__(self, run: Callable[[str, str], str]) -> None:
        """`run` does a task of a cluster, both by name, and returns what came of it, in words."""
        self._run = run
        self._scheduler = BackgroundScheduler()

    def start(self, settings: Settings) -> None:
        """Begin with these settings."""
        self._scheduler.start()
        self.reload(settings)

    def reload(self, settings: Settings) -> None:
        """Go on with these settings; a task whose time has not changed keeps it."""
        wanted = {
            f"{cluster.policy.name}:{task}": (cluster.policy.name, task, cron)
            for cluster in settings.clusters
            if cluster.mongodb is None  # all tasks speak MariaDB's language
            for task, cron in cluster.backups.schedule.items()
        }
        for job in self._scheduler.get_jobs():
            if job.id not in wanted or job.name != wanted[job.id][2]:
                job.remove()
        for identifier, (cluster, task, cron) in wanted.items():
            if self._scheduler.get_job(identifier) is None:
                self._scheduler.add_job(
                    self._do,
                    trigger(cron),
                    args=(cluster, task),
                    id=identifier,
                    name=cron,
                    misfire_grace_time=_LATE,
                    coalesce=True,
                )

    def stop(self) -> None:
        """No task begins any more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _do(self, cluster: str, task: str) -> None:
        try:
            LOG.info("scheduled task=%s cluster=%s: %s", task, cluster, self._run(cluster, task))
        except RepmanError as error:
            LOG.warning("scheduled task=%s cluster=%s was not done: %s", task, cluster, error)


def trigger(text: str) -> BaseTrigger:
    """The times of a cron text.  Raises ValueError."""
    cron = parse_cron(text)
    fields = {
        "second": _list(cron.seconds),
        "minute": _list(cron.minutes),
        "hour": _list(cron.hours),
        "month": _list(cron.months),
    }
    # By name, because the library counts the days of a week from Monday.
    weekdays = None if cron.weekdays is None else ",".join(DAYS[day] for day in sorted(cron.weekdays))
    if cron.days is not None and weekdays is not None:
        return OrTrigger(
            [CronTrigger(**fields, day=_list(cron.days)), CronTrigger(**fields, day="*", day_of_week=weekdays)]
        )
    return CronTrigger(**fields, day=_list(cron.days), day_of_week=weekdays or "*")


def _list(values: frozenset[int] | None) -> str:
    return "*" if values is None else ",".join(str(value) for value in sorted(values))
