"""Runs jobs: a few at a time, one for each server, each written down as it goes on."""

from __future__ import annotations

import contextlib
import logging
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from repman.errors import JobCancelled, JobFailed, RepmanError, StateError
from repman.maintenance.course import Course
from repman.model.job import Job, JobState
from repman.state.jobs import JobStore

LOG = logging.getLogger(__name__)

Work = Callable[[Job, Course], dict[str, object]]
"""Does a job and returns its result; raises RepmanError.  Whatever it left half-done it has removed by then."""

_BEAT = 0.5
"""Seconds between two looks at what runs."""
_STOP_SECONDS = 8.0


@dataclass(slots=True)
class _Running:
    job: Job
    course: Course
    saved: Job | None = None
    future: Future[None] | None = None


@dataclass(frozen=True, slots=True)
class _Claim:
    cluster: str
    server: str
    """Empty: every server of the cluster."""
    what: str
    thread: int


class JobRunner:
    """The jobs of one worker; usable from several threads."""

    def __init__(self, store: JobStore, scratch: Path, at_once: int = 2) -> None:
        """`scratch`: a private directory for small files, emptied at the start."""
        self._store = store
        self._scratch = scratch
        self._at_once = at_once
        self._lock = threading.Lock()
        self._open: dict[str, _Running] = {}
        self._claims: list[_Claim] = []
        self._ended = threading.Condition(self._lock)
        self._stopping = threading.Event()
        self._stop_word = ""

    def start(self) -> None:
        """Begin to take jobs.  Raises StateError when the scratch directory cannot be made."""
        try:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateError(f"{self._scratch} cannot be made: {error}") from error
        self._stopping.clear()
        self._pool = ThreadPoolExecutor(self._at_once, thread_name_prefix="job")
        self._clock = threading.Thread(target=self._watch, name="jobs", daemon=True)
        self._clock.start()

    def stop(self) -> None:
        """End what runs; those jobs are `interrupted`."""
        self._stop_word = "repman's worker was stopped"
        for each in list(self._open.values()):
            each.course.cancel(self._stop_word)
        with self._lock:
            never_begun = [each for each in self._open.values() if each.future is not None and each.future.cancel()]
            for each in never_begun:
                self._save(replace(each.job, state=JobState.INTERRUPTED, error=self._stop_word, ended_at=time.time()))
                del self._open[each.job.id]
            self._ended.notify_all()
        self._pool.shutdown(wait=False)
        deadline = time.monotonic() + _STOP_SECONDS
        with self._lock:
            while self._open and time.monotonic() < deadline:
                self._ended.wait(0.2)
        self._stopping.set()
        self._clock.join(2 * _BEAT)

    def submit(self, job: Job, work: Work) -> Job:
        """Take a job; returns it with its identifier.  Raises JobFailed when its server is busy with another."""
        job = replace(job, id=job.id or uuid.uuid4().hex[:12])
        course = Course(self._scratch / job.id)
        with self._lock:
            if self._stop_word:
                raise JobFailed("The worker is being stopped; ask again when it is back.")
            for other in self._open.values():
                if other.job.cluster == job.cluster and other.job.server == job.server:
                    raise JobFailed(
                        f"{job.server or job.cluster} is busy with the job {other.job.id} ({other.job.kind}, "
                        f"{other.course.step_text or 'waiting'}); wait for it or cancel it."
                    )
            for claim in self._claims:
                # Who has claimed a server may fill it: then the job follows upon the claim.
                mine = claim.thread == threading.get_ident()
                if claim.cluster == job.cluster and claim.server in ("", job.server) and not mine:
                    raise JobFailed(f"{job.server or job.cluster} is busy with: {claim.what}; wait until that ends.")
            self._store.add(job)
            self._open[job.id] = running = _Running(job, course)
            running.future = self._pool.submit(self._run, job.id, work)
        return job

    @contextlib.contextmanager
    def claim(self, cluster: str, server: str, what: str) -> Iterator[str]:
        """While the block runs, no job begins on that server (empty: on any of the cluster), but from this thread.

        Gives what stands against it, and then nothing is claimed; empty when nothing does.
        """
        claim = _Claim(cluster, server, what, threading.get_ident())
        with self._lock:
            jobs = [each.job for each in self._open.values() if each.job.cluster == cluster]
            other = next(
                (f"the job {job.id} ({job.kind} {job.server})" for job in jobs if server in ("", job.server)), ""
            )
            if not other:
                self._claims.append(claim)
        try:
            yield other
        finally:
            if not other:
                with self._lock:
                    self._claims.remove(claim)

    def cancel(self, identifier: str, sentence: str) -> bool:
        """Tell a job to end; False when it does not run here."""
        with self._lock:
            running = self._open.get(identifier)
        if running is None:
            return False
        running.course.cancel(sentence)
        return True

    def running(self, cluster: str = "", server: str = "") -> tuple[Job, ...]:
        """The jobs that have not ended, of one cluster or server when named."""
        with self._lock:
            jobs = [_as_of_now(each) for each in self._open.values()]
        return tuple(job for job in jobs if cluster in ("", job.cluster) and server in ("", job.server))

    def wait(self, identifier: str, seconds: float) -> bool:
        """Wait until that job has ended; False when it has not within that time."""
        with self._lock:
            return self._ended.wait_for(lambda: identifier not in self._open, seconds)

    def _run(self, identifier: str, work: Work) -> None:
        with self._lock:
            running = self._open[identifier]
        running.job = replace(running.job, state=JobState.RUNNING, started_at=time.time())
        course, job = running.course, running.job
        result: dict[str, object] = {}
        state, error = JobState.DONE, ""
        try:
            course.scratch.mkdir(mode=0o700)
            course.check()
            self._store.save(job)
            LOG.info("job=%s %s %s %s begun for %s", job.id, job.kind, job.cluster, job.server, job.user or "nobody")
            result = work(job, course)
        except JobCancelled as reason:
            stopped = bool(self._stop_word)
            state, error = JobState.INTERRUPTED if stopped else JobState.CANCELLED, _told(reason, course)
        except (RepmanError, OSError) as reason:
            state, error = JobState.FAILED, _told(reason, course)
        except Exception as reason:
            LOG.exception("job=%s failed by a mistake of repman", job.id)
            state, error = JobState.FAILED, _told(reason, course)
        finally:
            shutil.rmtree(course.scratch, ignore_errors=True)
        ended = replace(_as_of_now(running), state=state, error=error, result=result, ended_at=time.time())
        LOG.log(
            logging.INFO if state is JobState.DONE else logging.WARNING,
            "job=%s %s %s %s %s %s", job.id, job.kind, job.cluster, job.server, state, error,
        )  # fmt: skip
        with self._lock:
            self._save(ended)
            del self._open[identifier]
            self._ended.notify_all()

    def _watch(self) -> None:
        """The clock: progress is written down, and what stands still is ended."""
        while not self._stopping.wait(_BEAT):
            with self._lock:
                running = list(self._open.values())
            for each in running:
                if each.job.state is JobState.RUNNING:
                    each.course.look()
                now = _as_of_now(each)
                if now != each.saved and each.job.id in self._open:
                    each.saved = now
                    self._save_progress(now)

    def _save_progress(self, job: Job) -> None:
        with self._lock:
            if job.id not in self._open:
                return  # its end is written already, and must stay the last word
            try:
                self._store.save(job)
            except StateError as error:
                LOG.warning("the progress of job=%s is not written down: %s", job.id, error)

    def _save(self, job: Job) -> None:
        try:
            self._store.save(job)
        except StateError as error:
            LOG.error("how job=%s ended (%s) is not written down: %s", job.id, job.state, error)


def _as_of_now(running: _Running) -> Job:
    course = running.course
    return replace(running.job, step=course.step_text, bytes_done=course.bytes_done, bytes_total=course.bytes_total)


def _told(reason: Exception, course: Course) -> str:
    """Why it ended, and what is broken because of that."""
    sentence = str(reason) or type(reason).__name__
    return f"{sentence}. {course.harm}" if course.harm else sentence
