"""Checkpoints and snapshots by the clock."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta, timezone

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.cron import CronTrigger

from repman.checkpoints.model import SnapshotSchedule
from repman.model.checkpoint import ManagedCluster

_LATE = 300
"""Seconds by which a task may come too late (the machine slept, say); later it waits for its next time."""

CHECKPOINT, SNAPSHOT, EXPIRE = "checkpoint", "snapshot", "expiry"
CAPTURE, REVIEW, AUDIT = "capture", "review", "thorough review"
TASKS = (CHECKPOINT, SNAPSHOT, EXPIRE, CAPTURE, REVIEW, AUDIT)
CAPTURE_MINUTES = 5
"""Between two looks for what the oplogs have that is not copied yet."""


def triggers(schedule: SnapshotSchedule) -> dict[str, BaseTrigger]:
    """When each task is to be done; a task that is missing is done on request only.

    Checkpoints are made at the whole hour and every so many minutes; snapshots from the reference hour on, in its own
    time zone, so that days are divided evenly.
    """
    zone = timezone(timedelta(minutes=schedule.offset_minutes))
    hours = ",".join(str((schedule.hour + add) % 24) for add in range(0, 24, schedule.snapshot_hours))
    found: dict[str, BaseTrigger] = {
        SNAPSHOT: CronTrigger(hour=hours, minute=schedule.minute, second=0, timezone=zone),
        EXPIRE: CronTrigger(minute=(schedule.minute + 30) % 60, second=0, timezone=UTC),
        CAPTURE: CronTrigger(minute=f"*/{CAPTURE_MINUTES}", second=30, timezone=UTC),
        REVIEW: CronTrigger(minute=(schedule.minute + 45) % 60, second=0, timezone=UTC),
        AUDIT: CronTrigger(day_of_week="sun", hour=(schedule.hour + 3) % 24, minute=schedule.minute, timezone=zone),
    }
    if schedule.checkpoint_minutes is not None:
        minutes = ",".join(str(minute) for minute in range(0, 60, schedule.checkpoint_minutes))
        found[CHECKPOINT] = CronTrigger(minute=minutes, second=0, timezone=UTC)
    return found


class Clockwork:
    """The tasks of all clusters, each at its times."""

    def __init__(self, run: Callable[[ManagedCluster, str], None]) -> None:
        """`run` begins a task of a cluster and returns."""
        self._run = run
        self._scheduler = BackgroundScheduler(timezone=UTC)

    def start(self) -> None:
        """Begin; clusters are added by `follow`."""
        self._scheduler.start()

    def follow(self, cluster: ManagedCluster, schedule: SnapshotSchedule) -> None:
        """Go on with this schedule of that cluster."""
        wanted = triggers(schedule)
        for task in TASKS:
            name = f"{cluster.id}:{task}"
            if task in wanted:
                self._scheduler.add_job(
                    self._run,
                    wanted[task],
                    args=(cluster, task),
                    id=name,
                    replace_existing=True,
                    misfire_grace_time=_LATE,
                    coalesce=True,
                )
            elif self._scheduler.get_job(name) is not None:
                self._scheduler.remove_job(name)

    def next_times(self) -> dict[str, str]:
        """When what is done next, by ``<id of the cluster>:<task>``, in ISO 8601."""
        return {job.id: job.next_run_time.isoformat() for job in self._scheduler.get_jobs()}

    def stop(self) -> None:
        """No task begins any more."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
