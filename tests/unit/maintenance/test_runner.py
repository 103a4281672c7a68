"""Jobs run, end, are cancelled and written down; with a real store and real programs."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from repman.errors import JobFailed
from repman.maintenance.course import Course
from repman.maintenance.runner import JobRunner
from repman.model.job import Job, JobKind, JobState
from repman.state.jobs import JobStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    made = JobStore(f"sqlite:///{tmp_path}/jobs.db", keep=5)
    yield made
    made.close()


@pytest.fixture
def runner(store: JobStore, tmp_path: Path) -> Iterator[JobRunner]:
    made = JobRunner(store, tmp_path / "scratch", at_once=2)
    made.start()
    yield made
    made.stop()


def job(server: str = "db1:3306", kind: JobKind = JobKind.OPTIMIZE) -> Job:
    return Job("", kind, "shop", server, time.time(), {"a": "b"}, "ann")


def ended(runner: JobRunner, store: JobStore, started: Job) -> Job:
    assert runner.wait(started.id, 10)
    found = store.get(started.id)
    assert found is not None
    return found


def until_cancelled(job: Job, course: Course) -> dict[str, object]:
    course.step("waiting")
    while True:
        course.wait(5)


def test_what_a_job_did_is_written_down(runner: JobRunner, store: JobStore):
    def work(job: Job, course: Course) -> dict[str, object]:
        course.step("moving", 10)
        course.moved(10)
        return {"answer": 42}

    started = runner.submit(job(), work)
    found = ended(runner, store, started)
    assert (found.state, found.result, found.progress, found.step) == (JobState.DONE, {"answer": 42}, 1.0, "moving")
    assert (found.user, found.arguments) == ("ann", {"a": "b"})
    assert found.started_at is not None
    assert found.ended_at is not None


def test_an_error_is_told_with_what_it_left(runner: JobRunner, store: JobStore):
    def work(job: Job, course: Course) -> dict[str, object]:
        course.harm = "db1 is broken"
        raise JobFailed("no way")

    found = ended(runner, store, runner.submit(job(), work))
    assert (found.state, found.error) == (JobState.FAILED, "no way. db1 is broken")


def test_a_server_has_one_job_at_a_time(runner: JobRunner, store: JobStore):
    first = runner.submit(job(), until_cancelled)
    with pytest.raises(JobFailed, match=f"busy with the job {first.id}"):
        runner.submit(job(kind=JobKind.ANALYZE), until_cancelled)
    other = runner.submit(job("db2:3306"), until_cancelled)
    assert {each.id for each in runner.running("shop")} == {first.id, other.id}
    assert runner.cancel(first.id, "Cancelled by ann")
    found = ended(runner, store, first)
    assert (found.state, found.error) == (JobState.CANCELLED, "Cancelled by ann")
    assert not runner.cancel(first.id, "again")
    assert runner.submit(job(), lambda job, course: {}).id != first.id


def test_cancelling_ends_programs_and_files(runner: JobRunner, store: JobStore, tmp_path: Path):
    seen: list[subprocess.Popen[bytes]] = []
    begun = threading.Event()

    def work(job: Job, course: Course) -> dict[str, object]:
        (course.scratch / "secret").write_text("x")
        with course.programs():
            child = course.start(["sh", "-c", "trap '' TERM; echo up; sleep 600"], stdout=subprocess.PIPE)
            assert child.process.stdout is not None
            child.process.stdout.readline()
            seen.append(child.process)
            begun.set()
            course.finish(child)
        return {}

    started = runner.submit(job(), work)
    assert begun.wait(10)
    runner.cancel(started.id, "Cancelled by ann")
    assert ended(runner, store, started).state is JobState.CANCELLED
    assert seen[0].poll() is not None
    assert list((tmp_path / "scratch").iterdir()) == []


def test_the_words_of_the_program_that_broke_are_told(runner: JobRunner, store: JobStore):
    def work(job: Job, course: Course) -> dict[str, object]:
        with course.programs():
            first = course.start(["sh", "-c", "yes"], stdout=subprocess.PIPE)
            assert first.process.stdout is not None
            second = course.start(
                ["sh", "-c", "head -c 1000 >/dev/null; echo disk full >&2; exit 3"], stdin=first.process.stdout
            )
            first.process.stdout.close()
            course.finish(first, second)
        return {}

    assert ended(runner, store, runner.submit(job(), work)).error == "sh ended with 3: disk full"


def test_what_stands_still_is_ended(runner: JobRunner, store: JobStore):
    def work(job: Job, course: Course) -> dict[str, object]:
        with course.programs():
            course.step("copying", stall=0.2)
            course.finish(course.start(["sleep", "600"]))
        return {}

    found = ended(runner, store, runner.submit(job(), work))
    assert found.state is JobState.FAILED
    assert "nothing has moved" in found.error
    assert "copying" in found.error


def test_stopping_interrupts_what_runs(runner: JobRunner, store: JobStore):
    running = [runner.submit(job(f"db{number}:3306"), until_cancelled) for number in range(3)]
    runner.stop()
    with pytest.raises(JobFailed, match="being stopped"):
        runner.submit(job("db9:3306"), until_cancelled)
    states = [store.get(each.id) for each in running]
    # The third was never begun.
    assert [each.state for each in states if each] == [JobState.INTERRUPTED] * 3
    assert store.open() == ()


def test_the_history_is_bounded_and_open_jobs_stay(store: JobStore):
    kept = replace(job(), id="open")
    store.add(kept)
    for number in range(12):
        made = replace(job(), id=f"j{number}")
        store.add(made)
        store.save(replace(made, state=JobState.DONE))
    found = [each.id for _, each in store.latest("shop")]
    assert "open" in found
    assert found[0] == "j11"
    assert len(found) <= 7
    assert store.latest("other") == ()
    assert store.get("j0") is None


def test_no_job_begins_on_what_is_claimed_but_from_who_claimed_it(runner: JobRunner, store: JobStore):
    def nothing(job: Job, course: Course) -> dict[str, object]:
        return {}

    def elsewhere(server: str) -> str:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(runner.submit, job(server), nothing)
        if refusal := asked.exception(10):
            return str(refusal)
        assert runner.wait(asked.result().id, 10)
        return ""

    with runner.claim("shop", "db1:3306", "unprovision db1:3306") as other:
        assert other == ""
        assert "busy with: unprovision" in elsewhere("db1:3306")
        assert elsewhere("db2:3306") == ""
        started = runner.submit(job("db1:3306"), nothing)
        assert ended(runner, store, started).state is JobState.DONE
    with runner.claim("shop", "", "provision-services"):
        assert "busy with: provision-services" in elsewhere("db2:3306")
    assert elsewhere("db2:3306") == ""


def test_what_a_job_works_on_is_not_claimed(runner: JobRunner):
    started = runner.submit(job("db1:3306"), until_cancelled)
    for server in ("db1:3306", ""):
        with runner.claim("shop", server, "unprovision") as other:
            assert started.id in other
    with runner.claim("shop", "db2:3306", "unprovision") as other:
        assert other == ""
    runner.cancel(started.id, "enough")
    assert runner.wait(started.id, 10)
