"""Streams on a terminal: words, tables and bars, made of the API's documents."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from repman.cli import streams_screens
from repman.cli.streams_api import StreamsSession
from repman.cli.streams_screens import Rates
from repman.cli.streams_watching import Bars, Steps


def stats(rows: int, **also: Any) -> dict[str, Any]:
    stat = {"counter": rows, "sumDataSize": rows * 100, "failedCounter": 0}
    table = {"name": "t", "state": "copying", "events": rows, "size": rows * 100, "failed": 0}
    return {
        "configID": "config_x",
        "streamID": "stream_x",
        "nodes": [{"type": "source", "stat": stat}, {"type": "target", "stat": stat}],
        "status": "RUNNING",
        "mode": "convert",
        "phase": "data",
        "error": "",
        "reason": "",
        "elapsedSeconds": 61.0,
        "lagSeconds": None,
        "position": "",
        "tables": [{**table, "estimatedRows": 1000, "estimatedSizeBytes": 100_000}],
        "warnings": [],
        "errors": [],
        **also,
    }


def shown(thing: Any) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    try:
        console.print(thing)
        return console.export_text()
    finally:
        console.file.close()


def test_rates_and_time_left() -> None:
    rates = Rates()
    rates.look(stats(100), 0.0)
    assert streams_screens.pace(stats(100), rates) == "100 rows, 10.0 kB"
    rates.look(stats(300), 2.0)
    assert streams_screens.pace(stats(300), rates) == "300 rows, 30.0 kB, 100 rows/s, 10.0 kB/s, 0:07 left"
    # Counted anew: what was before says nothing of the rate.
    rates.look(stats(10), 3.0)
    assert rates.rows == 0.0


def test_lag_and_failed_rows() -> None:
    followed = stats(5, mode="cdc", lagSeconds=0.25)
    followed["nodes"][1]["stat"]["failedCounter"] = 2
    assert streams_screens.pace(followed, Rates()) == "5 rows, 500 bytes, lag 0.2 s, 2 failed"


@pytest.mark.parametrize(
    ("also", "share"),
    [
        ({}, 0.25),
        ({"mode": "cdc"}, None),
        ({"tables": []}, None),
        ({"status": "FINISHED"}, 1.0),
    ],
)
def test_how_much_is_copied(also: dict[str, Any], share: float | None) -> None:
    assert streams_screens.share(stats(250, **also)) == share


def test_estimates_may_be_too_low() -> None:
    assert streams_screens.share(stats(2000)) == 1.0


def test_one_stream_with_all_that_is_known() -> None:
    text = shown(streams_screens.stream(stats(250, warnings=["float loses digits"], error="tried again: refused")))
    for part in ("stream_x", "RUNNING, data", "250 rows", "1:01", "copying", "1,000", "float loses", "tried again"):
        assert part in text


def test_bars_of_a_stream_that_runs() -> None:
    console = Console(width=160, force_terminal=True, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with Bars(StreamsSession("http://x", "", console=console)) as bars:
        for rows in (100, 500):
            bars.show(stats(rows))
        bars.show(stats(500, tables=[{**stats(500)["tables"][0], "state": "done"}], status="FINISHED"))
    text = console.export_text()
    console.file.close()
    assert "FINISHED" in text
    assert "500 rows, done" in text
    assert "100%" in text


def test_without_a_terminal_a_line_is_told_for_each_step(capsys: pytest.CaptureFixture[str]) -> None:
    with Steps(StreamsSession("http://x", "")) as steps:
        for rows in (100, 110, 250, 250):
            steps.show(stats(rows))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "250 rows" in lines[1]
