"""The audit trail's store: what is kept, for how long, and what happens when it cannot be written."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from repman.errors import StateError
from repman.state.audit import AuditTrail, Entry


def entry(user: str = "ann", proven: bool = True, **changes: object) -> Entry:
    values = {"at": 1_700_000_000.25, "source": "192.0.2.1", "method": "POST", "path": "/api/x", "cluster": "shop"}
    return Entry(user=user, proven=proven, **{**values, **changes})  # type: ignore[arg-type]


def url(directory: Path) -> str:
    return f"sqlite:///{directory}/audit.db"


def test_rows_come_back_whole_newest_first_and_by_cluster(tmp_path: Path) -> None:
    trail = AuditTrail(url(tmp_path))
    rows = [
        entry(server="db1", status=200, seconds=0.5, sentence="Done.", plan="p1", job="j1", arguments="to=db2"),
        entry("", False, cluster="other", status=401),
        entry("bob", status=403),
    ]
    for row in rows:
        trail.append(row)
    assert [found for _, found in trail.entries()] == rows[::-1]
    assert [found.user for _, found in trail.entries("shop")] == ["bob", "ann"]
    number = trail.entries()[0][0]
    assert [found.user for _, found in trail.entries(before=number)] == ["", "ann"]
    assert [found.user for _, found in trail.entries(limit=1)] == ["bob"]
    trail.close()


def test_strangers_push_out_nobody_and_both_are_bounded(tmp_path: Path) -> None:
    trail = AuditTrail(url(tmp_path), keep=50, keep_unproven=20)
    trail.append(entry("first"))
    for number in range(300):
        trail.append(entry(f"stranger{number}", proven=False))
    found = [row for _, row in trail.entries(limit=1000)]
    assert found[-1].user == "first"
    assert 20 <= len(found) - 1 <= 23
    assert found[0].user == "stranger299"
    for number in range(200):
        trail.append(entry(f"user{number}"))
    proven = [row for _, row in trail.entries(limit=1000) if row.proven]
    assert 50 <= len(proven) <= 53
    trail.close()


def test_rows_of_several_processes_at_once_are_all_there(tmp_path: Path) -> None:
    trails = [AuditTrail(url(tmp_path)) for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: trails[number % 4].append(entry(str(number))), range(80)))
    assert {row.user for _, row in trails[0].entries(limit=1000)} == {str(number) for number in range(80)}
    for trail in trails:
        trail.close()


def test_a_row_that_cannot_be_written_is_in_the_log_and_nobody_waits_long(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trail = AuditTrail(url(tmp_path))
    trail.append(entry("before"))
    other = sqlite3.connect(tmp_path / "audit.db")
    other.execute("BEGIN EXCLUSIVE")
    began = time.monotonic()
    for _ in range(20):
        trail.append(entry("during", sentence="Done\nand said."))
    assert time.monotonic() - began < 2.0
    assert len([line for line in caplog.messages if '"user": "during"' in line]) == 20
    assert all(record.levelname == "ERROR" for record in caplog.records)
    assert "another process keeps it locked" in caplog.text
    assert not any("\n" in line for line in caplog.messages)
    other.rollback()
    other.close()
    assert [row.user for _, row in trail.entries()] == ["before"]
    trail.close()


def test_it_writes_again_when_it_can(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repman.state.audit._RETRY", 0.0)
    (tmp_path / "blocked").touch()
    trail = AuditTrail(url(tmp_path / "blocked"))
    trail.append(entry("lost"))
    with pytest.raises(StateError, match="audit trail"):
        trail.entries()
    (tmp_path / "blocked").unlink()
    trail.append(entry("kept"))
    assert [row.user for _, row in trail.entries()] == ["kept"]
    trail.close()
