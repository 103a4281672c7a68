"""Who has work done: checkpoints while the client waits, snapshots and restores in threads, all of it also by the clock.

What a process that died left is taken up by the next one: the balancers run again first, then restores go on.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_when_event_set,
    wait_exponential,
)

from repman.checkpoints import schedule
from repman.checkpoints.catalogue import Catalogue, place_of_download
from repman.checkpoints.exclusion import Exclusion
from repman.checkpoints.model import Acts, Checkpoint, RestoreJob, RestoreStatus, Snapshot, SnapshotSchedule
from repman.checkpoints.resource.targets import targets_of
from repman.errors import CheckpointRefused, RepmanError
from repman.model.checkpoint import CheckpointSite, ManagedCluster

LOG = logging.getLogger(__name__)

_LONGEST_WAIT = 10.0
"""Seconds between two attempts to take up what was left, and for which new work waits for that."""
_GRACE = 20.0
"""Seconds for what is under way when the service is told to stop; what is not done then is taken up by the next one."""


class Desk:
    """The work on all clusters of one service; usable from several threads."""

    def __init__(
        self, site: CheckpointSite, catalogue: Catalogue, datadir: Path, engine_of: Callable[[ManagedCluster], Acts]
    ) -> None:
        """`engine_of` makes the engine of a cluster, when it is needed first; nothing is done before `open`."""
        self.site = site
        self.catalogue = catalogue
        self.datadir = datadir
        self._engine_of = engine_of
        self._engines: dict[str, Acts] = {}
        self._lock = threading.Lock()
        self._snapshots: set[str] = set()
        self._closing = threading.Event()
        self._repaired: dict[str, threading.Event] = {}
        self._threads: list[threading.Thread] = []
        self._clock = schedule.Clockwork(self._scheduled)

    def open(self) -> None:
        """Take up what was left, and follow the clock.  Raises StateError."""
        self._clock.start()
        self._repaired = {cluster.id: threading.Event() for cluster in self.site.clusters}
        for cluster in self.site.clusters:
            self._in_background(cluster, "taking up what was left", partial(self._take_up, cluster))
            self._clock.follow(cluster, self.catalogue.schedule(cluster.group, cluster.id))

    def close(self) -> None:
        """Begin nothing any more and give what is under way some time to end."""
        self._closing.set()
        self._clock.stop()
        until = time.monotonic() + _GRACE
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def checkpoint(self, cluster: ManagedCluster) -> Checkpoint:
        """Make a checkpoint now.  Raises CheckpointRefused while one is made, and what the engine raises."""
        self._after_repair(cluster)
        return self._engine(cluster).checkpoint()

    def checkpoint_within(self, cluster: ManagedCluster, seconds: float) -> Checkpoint | None:
        """Make a checkpoint and wait for it that long; None: it is still being made.  Raises as `checkpoint` does.

        The first one takes a snapshot as well, which may last for hours.
        """
        made: Future[Checkpoint] = Future()

        def work() -> None:
            try:
                made.set_result(self.checkpoint(cluster))
            except Exception as error:
                made.set_exception(error)
                raise

        self._in_background(cluster, "checkpoint", work)
        try:
            return made.result(seconds)
        except FutureTimeoutError:
            return None

    def snapshot(self, cluster: ManagedCluster) -> Snapshot:
        """Take a snapshot now, and delete what need not be kept any more.  Raises as `checkpoint` does."""
        self._after_repair(cluster)
        taken = self._engine(cluster).snapshot()
        self.expire(cluster)
        return taken

    def begin_snapshot(self, cluster: ManagedCluster) -> None:
        """Take a snapshot in a thread.  Raises CheckpointRefused while one is taken that was begun so."""
        with self._lock:
            if cluster.id in self._snapshots:
                raise CheckpointRefused("a snapshot of this cluster is being taken; wait until it has ended", "busy")
            self._snapshots.add(cluster.id)

        def work() -> None:
            try:
                self.snapshot(cluster)
            finally:
                with self._lock:
                    self._snapshots.discard(cluster.id)

        self._in_background(cluster, "snapshot", work)

    def begin_restore(self, cluster: ManagedCluster, job: RestoreJob) -> None:
        """Keep a new restore and carry it out in a thread.  Raises StateError."""
        self.catalogue.restores.save(job)
        self._in_background(cluster, f"restore {job.id}", partial(self.restore, cluster, job))

    def restore(self, cluster: ManagedCluster, job: RestoreJob) -> RestoreJob:
        """Carry out a restore; one that fails is kept with the reason.

        Raises StateError, and CheckpointRefused when another process is at it.
        """
        with Exclusion(self.datadir, cluster.id, f"restore {job.id}").held():
            try:
                ended = self._engine(cluster).restore(job)
            except RepmanError as error:
                LOG.error("cluster %s: restore %s is broken: %s", cluster.name, job.id, error)
                return self._broken(job, str(error))
            except Exception as error:
                self._broken(job, f"an unexpected error: {type(error).__name__}")
                raise
            self.catalogue.restores.save(ended)
            return ended

    def remove_snapshot(self, cluster: ManagedCluster, snapshot: Snapshot) -> None:
        """Delete a snapshot and its data, whatever the schedule says.  Raises CheckpointRefused and StateError."""
        if snapshot.keep:
            raise CheckpointRefused("the snapshot is kept for ever: set doNotDelete to false first")
        now = datetime.now(UTC)
        self.catalogue.snapshots.change(
            cluster.group, cluster.id, snapshot.id, lambda value: replace(value, keep=False, expires=now)
        )
        # It may have to wait for a snapshot that is being taken.
        again = self._until_done(cluster, "the deletion of a snapshot")
        self._in_background(cluster, "the deletion of a snapshot", partial(again, self.expire, cluster))

    def follow(self, cluster: ManagedCluster, wanted: SnapshotSchedule) -> None:
        """Keep another schedule of a cluster, and go by it.  Raises StateError."""
        self.catalogue.save_schedule(cluster.group, cluster.id, wanted)
        self._clock.follow(cluster, wanted)

    def repair(self, cluster: ManagedCluster) -> tuple[str, ...]:
        """Undo what a process that died left behind.  Raises what the engine raises."""
        return self._engine(cluster).repair()

    def expire(self, cluster: ManagedCluster) -> tuple[str, ...]:
        """Delete what need not be kept any more: snapshots, oplogs, and downloads whose time is over."""
        now = datetime.now(UTC)
        done = _noted(cluster, self._engine(cluster).expire(now))
        for job in self.catalogue.expired_downloads(now):
            shutil.rmtree(place_of_download(self.datadir, job), ignore_errors=True)
            self.catalogue.forget_download(job)
        return done

    def capture(self, cluster: ManagedCluster) -> tuple[str, ...]:
        """Copy what the oplogs have that is not copied yet.  Raises as `checkpoint` does."""
        return _noted(cluster, self._engine(cluster).capture())

    def review(self, cluster: ManagedCluster, thorough: bool = False) -> tuple[str, ...]:
        """Judge anew which checkpoints are restorable.  Raises as `checkpoint` does."""
        return _noted(cluster, self._engine(cluster).review(thorough))

    def _engine(self, cluster: ManagedCluster) -> Acts:
        with self._lock:
            if cluster.id not in self._engines:
                self._engines[cluster.id] = self._engine_of(cluster)
            return self._engines[cluster.id]

    def _broken(self, job: RestoreJob, reason: str) -> RestoreJob:
        broken = replace(job, status=RestoreStatus.BROKEN, reason=reason)
        # What the engine has written of its progress is more than what it was given.
        request = job.request
        kept = self.catalogue.restores.change(
            request.group, request.cluster, job.id, lambda now: replace(now, status=broken.status, reason=reason)
        )
        return kept or broken

    def _take_up(self, cluster: ManagedCluster) -> None:
        # Whatever stands in the way, servers that do not answer first of all, must not leave a balancer stopped.
        _noted(cluster, self._until_done(cluster, "taking up what was left")(self.repair, cluster))
        self._repaired[cluster.id].set()
        self._in_background(cluster, "capture", partial(self.capture, cluster))
        for job in self.catalogue.restores.list(cluster.group, cluster.id):
            if job.status is not RestoreStatus.IN_PROGRESS:
                continue
            if job.request.targets and not job.request.target_cluster:
                LOG.warning("restore %s waits for who began it: `repman checkpoints restore --resume`", job.id)
                continue
            with suppress(CheckpointRefused):  # another process is at it
                self.restore(cluster, self._with_targets(job))

    def _after_repair(self, cluster: ManagedCluster) -> None:
        """Nothing new is made while what was left is repaired, which would refuse it; but not for ever."""
        if (repaired := self._repaired.get(cluster.id)) is not None:
            repaired.wait(_LONGEST_WAIT)

    def _until_done(self, cluster: ManagedCluster, what: str) -> Retrying:
        told: list[str] = []

        def tell(attempt: RetryCallState) -> None:
            reason = str(attempt.outcome.exception()) if attempt.outcome is not None else ""
            if told[-1:] != [reason]:
                told.append(reason)
                LOG.warning("cluster %s: %s has to wait: %s", cluster.name, what, reason)

        return Retrying(
            retry=retry_if_exception_type(RepmanError),
            wait=wait_exponential(multiplier=0.5, max=_LONGEST_WAIT),
            stop=stop_when_event_set(self._closing),
            sleep=sleep_using_event(self._closing),
            after=tell,
            reraise=True,
        )

    def _with_targets(self, job: RestoreJob) -> RestoreJob:
        """With accounts and passwords, which the catalogue does not keep."""
        request = job.request
        target = self.site.cluster(request.target_group, request.target_cluster) if request.targets else None
        if target is None:
            return job
        parts = tuple(part for part, _ in request.targets)
        return replace(job, request=replace(request, targets=targets_of(target, parts)))

    def _scheduled(self, cluster: ManagedCluster, task: str) -> None:
        work: dict[str, Callable[[ManagedCluster], object]] = {
            schedule.CHECKPOINT: self.checkpoint,
            schedule.SNAPSHOT: self.snapshot,
            schedule.EXPIRE: self.expire,
            schedule.CAPTURE: self.capture,
            schedule.REVIEW: self.review,
            schedule.AUDIT: partial(self.review, thorough=True),
        }
        self._in_background(cluster, f"the scheduled {task}", partial(work[task], cluster))

    def _in_background(self, cluster: ManagedCluster, what: str, work: Callable[[], object]) -> None:
        def run() -> None:
            try:
                work()
                LOG.info("cluster %s: %s: done", cluster.name, what)
            except CheckpointRefused as refusal:
                LOG.info("cluster %s: %s was left out: %s", cluster.name, what, refusal)
            except RepmanError as error:
                LOG.warning("cluster %s: %s was not done: %s", cluster.name, what, error)
            except Exception:
                LOG.exception("cluster %s: %s was not done", cluster.name, what)

        # A daemon, because a restore of hours must not keep the process alive: it goes on with the next one.
        thread = threading.Thread(target=run, name=f"{cluster.name} {what}", daemon=True)
        self._threads = [each for each in self._threads if each.is_alive()] + [thread]
        thread.start()


def _noted(cluster: ManagedCluster, done: tuple[str, ...]) -> tuple[str, ...]:
    for sentence in done:
        LOG.info("cluster %s: %s", cluster.name, sentence)
    return done
