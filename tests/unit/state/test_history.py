"""The history never holds anybody up, and says what it lost."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest

from repman.errors import StateError
from repman.model.snapshot import Event
from repman.state import database
from repman.state.history import Crash, History


def event(number: int) -> Event:
    return Event(1.7e9 + number, "INFO", f"number {number}", "127.0.0.1:3301", "ERR00016")


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/history.db"


def crash(cluster: str = "shop", switchover: bool = False) -> Crash:
    return Crash(cluster, "a:1", "b:2", 1.7e9, switchover, True, "0-1-9", "0-1-12", "0-1-13", "1k7")


def test_closing_writes_all_that_waits(url: str) -> None:
    first = History(url)
    for number in range(3000):
        first.append(event(number), "shop")
    first.append(event(1), "other")
    first.append_crash(crash())
    first.append_crash(crash(switchover=True))
    first.append_crash(crash("other"))
    first.close()
    assert (first.dropped, first.problem) == (0, "")
    second = History(url)
    assert second.events("shop", 5) == tuple(event(number) for number in range(2999, 2994, -1))
    assert len(second.events("shop", 5000)) == 3000
    assert second.events("other") == (event(1),)
    assert second.crashes("shop") == (crash(switchover=True), crash())
    second.close()


def test_reading_needs_no_writer_before(url: str) -> None:
    history = History(url)
    assert history.events("shop") == ()
    assert history.crashes("shop") == ()
    history.close()


def test_closing_an_unused_one_makes_no_file(url: str, tmp_path: Path) -> None:
    History(url).close()
    assert not (tmp_path / "history.db").exists()


def test_a_held_database_holds_nobody_up_and_losses_are_told(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 30.0)
    history = History(url, waiting=10)
    assert history.events("shop") == ()
    holder = sqlite3.connect(tmp_path / "history.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    begin = time.monotonic()
    for number in range(500):
        history.append(event(number), "shop")
    assert time.monotonic() - begin < 1.0
    holder.execute("ROLLBACK")
    holder.close()
    dropped = history.dropped
    assert dropped > 400
    history.close(20.0)
    found = history.events("shop", 1000)
    told = [line for line in found if line.code == "history-lost"]
    assert sum(int(line.text.split()[0]) for line in told) == dropped == history.dropped
    assert len(found) - len(told) == 500 - dropped
    history.close()


def test_a_database_that_fails_is_said_and_tried_again(url: str, tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"this is no database" * 1000)
    history = History(url)
    history.append(event(1), "shop")
    _until(lambda: history.problem != "")
    assert "it is damaged" in history.problem
    with pytest.raises(StateError, match="it is damaged"):
        history.events("shop")
    path.unlink()
    history.append(event(2), "shop")
    _until(lambda: history.problem == "")
    history.close()
    lost, kept = sorted(history.events("shop"), key=lambda line: line.code == "ERR00016")
    history.close()
    assert kept == event(2)
    assert lost.text.startswith("1 lines")


def test_lines_after_the_end_are_counted(url: str) -> None:
    history = History(url)
    history.close()
    history.append(event(1), "shop")
    assert history.dropped == 1


def test_only_the_latest_events_are_kept(url: str) -> None:
    history = History(url, keep=100)
    history.append(event(-1), "quiet")
    for number in range(1000):
        history.append(event(number), "shop")
        if number % 100 == 0:
            _until(lambda: history.waiting == 0)
    history.close()
    assert 100 <= len(history.events("shop", 5000)) <= 220
    assert history.events("quiet") == (event(-1),)
    history.close()


def test_many_threads_append(url: str) -> None:
    history = History(url)

    def work(cluster: str) -> None:
        for number in range(200):
            history.append(event(number), cluster)

    threads = [threading.Thread(target=work, args=(f"c{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history.close()
    for number in range(8):
        assert history.events(f"c{number}", 500) == tuple(event(n) for n in reversed(range(200)))
    history.close()


def _until(true: object) -> None:
    assert callable(true)
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end
        time.sleep(0.001)
