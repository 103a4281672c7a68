"""The journal tells after a crash exactly what had been begun and what had ended."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from repman.errors import JournalError
from repman.model.plan import FenceOutcome, Outcome, Plan
from repman.state import boot, database, journal
from repman.state.journal import Journal

from . import values


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/journal.db"


@pytest.fixture
def kept(url: str) -> Iterator[Journal]:
    opened = Journal(url)
    yield opened
    opened.close()


def test_a_plan_is_told_as_it_went(kept: Journal) -> None:
    plan = values.plan()
    fenced = Outcome(True, "read back", FenceOutcome.DEAD, "0-1-13")
    name = kept.open_plan(plan, "epoch 3", 1.7e9)
    kept.assume(name, "it is dead")
    kept.intent(name, 0, plan.steps[0])
    kept.outcome(name, 0, fenced, 0.25)
    kept.intent(name, 1, plan.steps[1])

    found = kept.unfinished("shop")
    assert found is not None
    assert (found.id, found.plan, found.epoch, found.started_at) == (name, plan, "epoch 3", 1.7e9)
    assert (found.state, found.ended_at, found.undoing) == ("running", None, False)
    assert found.assumptions == ("it is dead",)
    assert [(record.index, record.outcome, record.seconds) for record in found.steps] == [
        (0, fenced, 0.25),
        (1, None, 0.0),
    ]
    assert found.interrupted == found.record(1)
    assert found.record(2) is None


def test_undo_is_told_apart_from_the_steps(kept: Journal) -> None:
    plan = values.plan()
    name = kept.open_plan(plan, "", 1.7e9)
    kept.intent(name, 0, plan.steps[0])
    kept.outcome(name, 0, Outcome(False, "no answer"), 2.0)
    kept.intent(name, 0, plan.undo[0], undo=True)
    found = kept.unfinished("shop")
    assert found is not None
    assert found.undoing
    assert found.interrupted == found.record(0, undo=True)
    assert found.record(0) != found.record(0, undo=True)


def test_a_step_begun_again_has_no_outcome(kept: Journal) -> None:
    plan = values.plan()
    name = kept.open_plan(plan, "", 1.7e9)
    kept.intent(name, 0, plan.steps[0])
    kept.outcome(name, 0, Outcome(True), 0.1)
    kept.intent(name, 0, plan.steps[0])
    found = kept.unfinished("shop")
    assert found is not None
    assert len(found.steps) == 1
    assert found.interrupted == found.record(0)


def test_a_closed_plan_is_finished_and_stays_readable(kept: Journal) -> None:
    name = kept.open_plan(values.plan(), "", 1.7e9)
    assert kept.unfinished("other") is None
    kept.close_plan(name, "undone", "the replica did not catch up")
    assert kept.unfinished("shop") is None
    (found,) = kept.plans("shop", 10)
    assert (found.state, found.detail) == ("undone", "the replica did not catch up")
    assert found.ended_at is not None


def test_plans_come_newest_first_and_their_names_sort(kept: Journal) -> None:
    names = [kept.open_plan(values.plan(), "", 1.7e9 + number // 2) for number in range(6)]
    kept.open_plan(values.plan("other"), "", 1.7e9)
    assert names == sorted(set(names))
    assert all(len(name) == 12 for name in names)
    assert [plan.id for plan in kept.plans("shop", 4)] == names[:1:-1]


def test_the_clock_may_jump_back(kept: Journal) -> None:
    first = kept.open_plan(values.plan(), "", 1.7e9)
    second = kept.open_plan(values.plan(), "", 1.6e9)
    assert [plan.id for plan in kept.plans("shop", 4)] == [second, first]


def test_old_ended_plans_are_dropped_when_it_is_opened(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Journal(url)
    names = [first.open_plan(values.plan(), "", 1.7e9) for _ in range(5)]
    for name in names[1:]:
        first.intent(name, 0, values.plan().steps[0])
        first.close_plan(name, "done", "")
    first.close()
    monkeypatch.setattr(journal, "KEPT_PLANS", 2)
    second = Journal(url)
    assert [plan.id for plan in second.plans("shop", 10)] == [names[4], names[3], names[0]]
    assert len(second.plans("shop", 10)[0].steps) == 1
    second.close()


def test_memory_is_kept_over_a_restart(url: str) -> None:
    first = Journal(url)
    assert first.load_memory("shop") is None
    first.save_memory(replace(values.memory(), failovers=1))
    first.save_memory(values.memory())
    first.save_memory(values.memory("other"))
    first.close()
    second = Journal(url)
    assert second.load_memory("shop") == values.memory()
    second.close()


def test_a_reboot_takes_the_monotonic_times_and_nothing_else(url: str, tmp_path: Path) -> None:
    first = Journal(url)
    first.save_memory(values.memory())
    first.close()
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute("UPDATE journal_memory SET boot = 'another'")
    connection.close()
    second = Journal(url)
    loaded = second.load_memory("shop")
    second.close()
    assert loaded == boot.forget_monotonic_times(values.memory())
    server = values.memory().servers[0]
    assert loaded == replace(
        values.memory(),
        servers=(replace(server, progress=None, failing_since=None, failures=0),),
        last_failover_monotonic=None,
        unacked_since=None,
        stalled_since=None,
        refused_plans=(),
    )


def test_a_monitor_killed_between_intent_and_outcome(url: str) -> None:
    program = f"""
        import sys, time
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from state import values
        from repman.model.plan import Outcome
        from repman.state.journal import Journal
        journal, plan = Journal({url!r}), values.plan()
        name = journal.open_plan(plan, "e", 1.7e9)
        journal.intent(name, 0, plan.steps[0])
        journal.outcome(name, 0, Outcome(True), 0.5)
        journal.intent(name, 1, plan.steps[1])
        print(name, flush=True)
        time.sleep(60)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        name = process.stdout.readline().strip()
        process.send_signal(signal.SIGKILL)
    opened = Journal(url)
    found = opened.unfinished("shop")
    opened.close()
    assert found is not None
    assert (found.id, found.plan) == (name, values.plan())
    assert [(record.index, record.outcome) for record in found.steps] == [(0, Outcome(True)), (1, None)]


def test_others_read_while_it_is_written(kept: Journal, url: str) -> None:
    plan = values.plan()
    name = kept.open_plan(plan, "", 1.7e9)
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        other = Journal(url, owner=False)
        while not stop.is_set():
            found = other.unfinished("shop")
            assert found is not None
            seen.append(len(found.steps))
        other.close()

    reader = threading.Thread(target=read)
    reader.start()
    for index in range(100):
        kept.intent(name, index, plan.steps[0])
    while not seen or seen[-1] < 100:
        assert reader.is_alive()
    stop.set()
    reader.join()
    assert seen == sorted(seen)


def test_a_reader_changes_nothing(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "KEPT_PLANS", 1)
    reader = Journal(url, owner=False)
    with pytest.raises(JournalError, match="start the monitor first"):
        reader.unfinished("shop")
    owner = Journal(url)
    for _ in range(3):
        owner.close_plan(owner.open_plan(values.plan(), "", 1.7e9), "done", "")
    owner.close()
    assert len(reader.plans("shop")) == 3
    reader.close()
    again = Journal(url, owner=False)
    assert len(again.plans("shop")) == 3
    again.close()


def test_a_damaged_file_is_refused_with_advice(url: str, tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"this is no database" * 1000)
    with pytest.raises(JournalError, match=r"journal\.db cannot be used: it is damaged; move the file away"):
        Journal(url)


def test_damage_inside_the_file_is_found_when_it_is_opened(url: str, tmp_path: Path) -> None:
    first = Journal(url)
    for _ in range(200):
        first.open_plan(values.plan(), "", 1.7e9)
    first.close()
    path = tmp_path / "journal.db"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 3)
        file.write(os.urandom(size // 3))
    with pytest.raises(JournalError, match="it is damaged"):
        Journal(url)


def test_a_file_damaged_while_it_is_used(kept: Journal, tmp_path: Path) -> None:
    name = kept.open_plan(values.plan(), "", 1.7e9)
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute("DROP TABLE journal_entry")
    connection.close()
    with pytest.raises(JournalError, match="The journal"):
        kept.intent(name, 0, values.plan().steps[0])


def test_a_plan_of_another_release_is_no_surprise(kept: Journal, tmp_path: Path) -> None:
    kept.open_plan(values.plan(), "", 1.7e9)
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute("""UPDATE journal_plan SET plan = '{"kind": "teleport"}'""")
    connection.close()
    with pytest.raises(JournalError, match="another release"):
        kept.unfinished("shop")


def test_a_locked_file_fails_in_bounded_time(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    kept = Journal(url)
    holder = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(JournalError, match="another process keeps it locked"):
        kept.open_plan(values.plan(), "", 1.7e9)
    holder.execute("ROLLBACK")
    holder.close()
    assert kept.open_plan(values.plan(), "", 1.7e9)
    kept.close()


def test_a_full_disk_is_said_to_be_full(tmp_path: Path) -> None:
    program = f"""
        import resource, sys
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        from state import values
        from repman.errors import JournalError
        from repman.state.journal import Journal
        journal = Journal("sqlite:///{tmp_path}/journal.db")
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            for _ in range(1000):
                journal.open_plan(values.plan(), "", 1.7e9)
        except JournalError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, timeout=30
    )
    assert "the disk" in done.stdout


@pytest.mark.parametrize("path", ["file/journal.db", "file/below/journal.db", "directory"])
def test_a_place_where_nothing_can_be_written(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "directory").mkdir()
    with pytest.raises(JournalError, match="cannot be used"):
        Journal(f"sqlite:///{tmp_path}/{path}")


def test_a_directory_without_the_right_to_write(tmp_path: Path) -> None:
    program = f"""
        import os
        from repman.errors import JournalError
        from repman.state.journal import Journal
        if os.geteuid() == 0:
            os.seteuid(65534)
        try:
            Journal("sqlite:////proc/journal.db")
        except JournalError as error:
            print(error)
        try:
            Journal("sqlite:///{tmp_path}/journal.db")
        except JournalError as error:
            print(error)
    """
    tmp_path.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout.count("check that its directory exists and may be written") == 2


@pytest.mark.parametrize("url", ["nonsense", "mysql://root@localhost/x", "oracle://x", "postgresql://u:secret@"])
def test_a_wrong_url_is_a_journal_error_without_its_password(url: str) -> None:
    with pytest.raises(JournalError) as raised:
        Journal(url)
    assert "secret" not in str(raised.value)


def test_the_file_is_not_for_everybody_and_not_inherited(kept: Journal, tmp_path: Path) -> None:
    kept.open_plan(Plan(values.plan().kind, "shop", (), ""), "", 1.7e9)
    assert (tmp_path / "journal.db").stat().st_mode & 0o007 == 0
    for descriptor in Path("/proc/self/fd").iterdir():
        if descriptor.exists() and "journal.db" in os.readlink(descriptor):
            assert not os.get_inheritable(int(descriptor.name))
