"""The API's documents as tables."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from repman.cli.ctl_reads import lines, matching
from repman.cli.job_screens import amount, title
from repman.cli.records import anything, moment, plain, size, table


def drawn(thing: Any) -> str:
    console = Console(width=120, highlight=False)
    with console.capture() as found:
        console.print(thing)
    return "\n".join(line.rstrip() for line in found.get().splitlines())


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, ""),
        (True, "yes"),
        (False, "no"),
        (0, "0"),
        (2.0, "2"),
        (1.23456, "1.235"),
        ("text", "text"),
        (["a", 1], "a, 1"),
        ({"a": 1, "b": True}, "a=1, b=yes"),
        ({"String": "shop", "Valid": True}, "shop"),
        ({"String": "", "Valid": False}, ""),
        ({"Float64": 1.5, "Valid": True}, "1.500"),
    ],
)
def test_values(value: Any, shown: str) -> None:
    assert plain(value) == shown


def test_moments_and_sizes() -> None:
    assert moment(None) == ""
    assert len(moment(1_700_000_000.0)) == len("2026-01-31 12:00:00")
    assert size(None) == ""
    assert size(2_000_000) == "2.0 MB"


def test_rows_have_the_columns_asked_for() -> None:
    rows: list[dict[str, Any]] = [{"name": "a", "count": 3}, {"name": "b"}]
    shown = drawn(table(rows, (("NAME", "name"), ("TWICE", lambda row: row.get("count", 0) * 2))))
    assert shown.splitlines() == ["NAME  TWICE", "a     6", "b     0"]
    assert drawn(table([], (("NAME", "name"),), "nobody")) == "nobody"


def test_anything_is_shown() -> None:
    assert drawn(anything(None)) == "none"
    assert drawn(anything([])) == "none"
    assert drawn(anything(["shop", "shelf"])).splitlines() == ["shop", "shelf"]
    assert drawn(anything({"file": "bin.1", "position": 4})).splitlines() == ["file      bin.1", "position  4"]
    rows = [{"id": 1, "db": {"String": "shop", "Valid": True}, "nested": [1]}, {"id": 2, "db": None, "nested": []}]
    assert drawn(anything(rows)).splitlines() == ["ID  DB", "1   shop", "2"]
    assert drawn(anything(rows, ("db", "absent"))).splitlines()[0] == "DB"
    assert drawn(anything({"a.b": {"rows": 1}, "a.c": {"rows": 2}})).splitlines() == ["ROWS", "1", "2"]
    assert drawn(anything({"[x]": "[bold]"})) == "[x]  [bold]", "what servers say is never markup"


def test_names_are_matched_as_files_or_as_sql_does() -> None:
    rows = [{"variableName": name} for name in ("SERVER_ID", "SERVER_UUID", "PORT")]
    assert [row["variableName"] for row in matching(rows, "server%")] == ["SERVER_ID", "SERVER_UUID"]
    assert [row["variableName"] for row in matching(rows, "*id")] == ["SERVER_ID", "SERVER_UUID"]
    assert matching(rows, "") == rows
    assert matching(None, "x") == []


def test_a_log_is_shown_without_its_padding() -> None:
    entry = {"group": "shop", "level": "ERROR", "timestamp": "2026/01/31 12:00:00", "text": "[x] full"}
    assert drawn(lines({"buffer": [entry, {"text": ""}]})) == "2026/01/31 12:00:00 ERROR [x] full"
    assert drawn(lines({"buffer": None})) == "nothing"


def job(**changes: Any) -> dict[str, Any]:
    made = {"kind": "reseed", "cluster": "shop", "server": "db2:3306", "arguments": {"method": "logicalmaster"}}
    return {**made, "bytes_done": 0, "bytes_total": 0, **changes}


def test_jobs_count_bytes_or_tables() -> None:
    assert title(job()) == "reseed by logicalmaster of db2:3306"
    assert title(job(kind="checksum", arguments={}, server="")) == "checksum of shop"
    assert amount(job()) == ""
    assert amount(job(bytes_done=1_000)) == "1.0 kB"
    assert amount(job(bytes_done=1_000, bytes_total=2_000)) == "1.0 kB of 2.0 kB"
    assert amount(job(kind="checksum", bytes_done=3, bytes_total=9)) == "3 of 9"
