"""The room of the worker in which jobs run."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from repman.config.settings import ClusterSettings, Settings
from repman.errors import JobFailed, RepmanError
from repman.maintenance import backup, checksums, logs, upkeep
from repman.maintenance import reseed as reseeding
from repman.maintenance.catalogue import Catalogue
from repman.maintenance.places import Places
from repman.maintenance.reseed import HOLD_REASON, ReseedMethod
from repman.maintenance.runner import JobRunner, Work
from repman.maintenance.schedule import Schedule
from repman.maintenance.surroundings import Surroundings
from repman.model.command import CommandKind
from repman.model.job import Job, JobKind, JobState
from repman.model.work import Reply, Request
from repman.state import bus
from repman.state.jobs import JobStore
from repman.state.publication import age
from repman.state.snapshots import SnapshotReader

LOG = logging.getLogger(__name__)

SCHEDULER = "scheduler"
_AT_ONCE = 4
_FRESH = 60.0
"""Seconds after which a published snapshot no longer says that the monitor is at work."""
_LONGEST_WAIT = 300.0

Handler = Callable[[Request], Reply]


class MaintenanceRoom:
    """Starts, cancels and schedules jobs."""

    def __init__(self, settings: Settings) -> None:
        """Nothing is opened before `start`."""
        service = settings.service
        self._settings = settings
        self._store = JobStore(service.jobs_url)
        self._catalogue = Catalogue(service.datadir)
        self._reader = SnapshotReader(service.rundir)
        self._runner = JobRunner(self._store, service.rundir / "jobs", _AT_ONCE)
        self._schedule = Schedule(self._run_task)
        self._turns = upkeep.Turns()
        self._started: dict[str, Callable[[Request], Reply]] = {
            kind.value: partial(self._start_one, kind) for kind in JobKind if kind is not JobKind.RESEED
        }

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """By kind of job, and what may be done with jobs."""
        return {
            **self._started,
            "reseed": self._start_reseed,
            "reseed-cancel": self._cancel_reseed,
            "job-cancel": self._cancel,
            "job-wait": self._wait,
        }

    def claim(self, cluster: str, server: str, what: str) -> AbstractContextManager[str]:
        """Keep jobs off a server, or off a cluster; see `JobRunner.claim`."""
        return self._runner.claim(cluster, server, what)

    def start(self) -> None:
        """Put what a dead worker left in order, then take jobs.  Raises StateError."""
        for job in self._store.open():
            self._put_in_order(job)
        if left := self._catalogue.drop_partials():
            LOG.warning("%d backups that were never finished are removed", left)
        self._runner.start()
        self._schedule.start(self._settings)

    def reload(self, settings: Settings) -> None:
        """Jobs that run keep their settings; those that come have these."""
        self._settings = settings
        self._schedule.reload(settings)

    def stop(self) -> None:
        """Cancel what runs; it is told as interrupted."""
        self._schedule.stop()
        self._runner.stop()
        self._store.close()

    def _put_in_order(self, job: Job) -> None:
        sentence = "repman's worker died in the middle of this job. "
        cluster = self._settings.cluster(job.cluster)
        if job.kind is not JobKind.RESEED or job.state is JobState.WAITING:
            sentence += "What it had written is removed; ask for it again"
        else:
            sentence += (
                f"{job.server} may be incomplete; when the monitor shows it as held it is: no traffic, no repair. Reseed it again; that ends "
                "the hold, too"
            )
            if cluster is not None and (place := Places(cluster).find(job.server)) is not None:
                place.clear()
        self._store.save(replace(job, state=JobState.INTERRUPTED, error=sentence, ended_at=time.time()))
        LOG.warning("job=%s %s %s: %s", job.id, job.kind, job.server, sentence)

    def _start_one(self, kind: JobKind, request: Request) -> Reply:
        """A job on one server, or on those of the cluster that it is good for."""
        around = self._around(request.cluster)
        jobs: list[Job] = []
        why = "There is no server for this: no replica answers."
        try:
            servers = self._servers(kind, around, request)
        except JobFailed as reason:
            return Reply("refused", str(reason), "refused")
        for server in servers:
            try:
                jobs.append(self._submit(kind, around, server, request))
            except JobFailed as reason:
                why = str(reason)
        if not jobs:
            return Reply("refused", why, "refused")
        names = ", ".join(around.label(job.server) for job in jobs if job.server) or around.name
        return Reply(
            "started", f"{kind} of {names} started", document={"jobs": [job.id for job in jobs]}, job=jobs[0].id
        )

    def _servers(self, kind: JobKind, around: Surroundings, request: Request) -> list[str]:
        if kind in (JobKind.BACKUP_LOGICAL, JobKind.BACKUP_PHYSICAL):
            return [backup.source_of(around, kind, request.server)]
        if kind is JobKind.CHECKSUM:
            return [""]
        if request.server:
            return [request.server]
        snapshot = around.snapshot()
        answering = [view for view in snapshot.servers if view.seen.answered and not view.held]
        replicas_only = kind is JobKind.OPTIMIZE
        return [
            view.policy.address for view in answering if not (replicas_only and view.policy.address == snapshot.writer)
        ]

    def _submit(self, kind: JobKind, around: Surroundings, server: str, request: Request) -> Job:
        works: dict[JobKind, Work] = {
            JobKind.BACKUP_LOGICAL: partial(backup.back_up, around=around),
            JobKind.BACKUP_PHYSICAL: partial(backup.back_up, around=around),
            JobKind.RESEED: partial(reseeding.reseed, around=around),
            JobKind.OPTIMIZE: partial(upkeep.keep_up, around=around, turns=self._turns),
            JobKind.ANALYZE: partial(upkeep.keep_up, around=around, turns=self._turns),
            JobKind.ERROR_LOG: partial(logs.fetch, around=around),
            JobKind.SLOW_QUERY_LOG: partial(logs.fetch, around=around),
            JobKind.CHECKSUM: partial(checksums.compare, around=around),
        }
        job = Job(
            id=uuid.uuid4().hex[:12],
            kind=kind,
            cluster=around.name,
            server=server,
            created_at=time.time(),
            arguments=request.arguments,
            user=request.user,
        )
        return self._runner.submit(job, works[kind])

    def _start_reseed(self, request: Request) -> Reply:
        word = request.arguments.get("method", "")
        if word not in list(ReseedMethod):
            known = ", ".join(ReseedMethod)
            return Reply("refused", f"There is no method {word!r} to reseed by; use one of: {known}.", "unknown-method")
        around = self._around(request.cluster)
        try:
            given = request.arguments
            forced = given.get("force") == "true"
            reseeding.check(around, request.server, ReseedMethod(word), given.get("backup", ""), forced)
            job = self._submit(JobKind.RESEED, around, request.server, request)
        except JobFailed as reason:
            return Reply("refused", str(reason), "refused")
        return Reply("started", f"reseed of {around.label(request.server)} started", job=job.id)

    def _cancel_reseed(self, request: Request) -> Reply:
        """Cancel the reseed that runs; with ``release`` end the hold that an earlier one has left."""
        running = [job for job in self._runner.running(request.cluster, request.server) if job.kind is JobKind.RESEED]
        for job in running:
            self._runner.cancel(job.id, _by(request.user))
        if running:
            return Reply("done", "the reseed is being cancelled", job=running[0].id)
        around = self._around(request.cluster)
        view = around.snapshot().server(request.server)
        if view is None or view.held != HOLD_REASON:
            return Reply(
                "refused", f"No reseed of {around.label(request.server)} runs, and none has left it held.", "none"
            )
        if request.arguments.get("release") != "true":
            return Reply(
                "refused",
                f"No reseed of {around.label(request.server)} runs; an earlier one has left it held, because its data may "
                "be incomplete. Reseed it again, or give it back as it is with release=true.",
                "held",
            )
        try:
            return Reply("done", around.wish(CommandKind.HOLD, request.server, request.user, on=False))
        except JobFailed as reason:
            return Reply("failed", str(reason), "failed")

    def _cancel(self, request: Request) -> Reply:
        """Cancel a job by its identifier, or those of a kind on a server."""
        wanted = request.arguments.get("job", "")
        kind = request.arguments.get("kind", "")
        running = [
            job
            for job in self._runner.running(request.cluster, request.server)
            if (job.id == wanted if wanted else job.kind.value == kind)
        ]
        if not running:
            return Reply("refused", f"No such job runs: {wanted or kind}.", "none")
        for job in running:
            self._runner.cancel(job.id, _by(request.user))
        return Reply("done", f"{running[0].kind} is being cancelled", job=running[0].id)

    def _wait(self, request: Request) -> Reply:
        """Wait until a job has ended."""
        seconds = min(_LONGEST_WAIT, float(request.arguments.get("seconds", "0")))
        ended = self._runner.wait(request.arguments["job"], seconds)
        return Reply("done" if ended else "timeout", "" if ended else f"it has not ended within {seconds:g} s")

    def _run_task(self, cluster: str, task: str) -> str:
        """Do a scheduled task.  Raises RepmanError."""
        around = self._around(cluster)
        snapshot = around.snapshot()
        if not snapshot.active or age(snapshot) > _FRESH:
            raise JobFailed("this repman's monitor does not hold the cluster's lease, or is silent")
        if wish := _WISHES.get(task):
            return around.wish(wish, "", SCHEDULER)
        said = []
        for kind in _JOBS[task]:
            reply = self._start_one(kind, Request(kind.value, cluster, user=SCHEDULER))
            if reply.status != "started":
                raise JobFailed(reply.sentence)
            said.append(reply.sentence)
        return "; ".join(said)

    def _around(self, cluster: str) -> Surroundings:
        settings = self._cluster(cluster)
        service = self._settings.service
        return Surroundings(
            settings,
            service.datadir,
            self._catalogue,
            partial(self._reader.get, cluster),
            partial(bus.ask, service.monitor_socket),
        )

    def _cluster(self, name: str) -> ClusterSettings:
        found = self._settings.cluster(name)
        if found is None:
            raise RepmanError(f"No cluster is called {name!r}.")
        return found


_JOBS = {
    "scheduler-db-servers-logical-backup": (JobKind.BACKUP_LOGICAL,),
    "scheduler-db-servers-physical-backup": (JobKind.BACKUP_PHYSICAL,),
    "scheduler-db-servers-logs": (JobKind.ERROR_LOG, JobKind.SLOW_QUERY_LOG),
    "scheduler-db-servers-optimize": (JobKind.OPTIMIZE,),
    "scheduler-db-servers-analyze": (JobKind.ANALYZE,),
}
_WISHES = {
    "scheduler-rolling-restart": CommandKind.ROLLING_RESTART,
    "scheduler-sla-rotate": CommandKind.RESET_AVAILABILITY,
}


def _by(user: str) -> str:
    return f"Cancelled by {user or 'an operator'}"
