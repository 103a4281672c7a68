"""What tests of streams do again and again: settings, a run, tables made of columns with their values."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repman.streams.convert.convert import Convert
from repman.streams.job import Endpoint, Limits, Mode, Options, Phase, Progress, StreamSettings, TableChoice


def settings(source: Endpoint, target: Endpoint, *tables: TableChoice | str, **changes: Any) -> StreamSettings:
    """A copy of these tables that verifies itself at the end."""
    chosen = tuple(TableChoice(table) if isinstance(table, str) else table for table in tables)
    limits = changes.pop("limits", Limits())
    stream = changes.pop("stream", "stream_1")
    options = Options(**{"verify": True, **changes})
    return StreamSettings(stream, "config_1", Mode.CONVERT, source, target, chosen, Path("/nowhere"), limits, options)


def convert(wanted: StreamSettings) -> Progress:
    """Run a copy to its end; it must say that both sides are equal."""
    mover = Convert(wanted)
    assert mover.check() == ()
    mover.run(threading.Event())
    found = mover.progress()
    assert found.phase is Phase.DONE
    assert [text for text in found.warnings if " differs: " in text] == []
    return found


@dataclass(frozen=True)
class Case:
    """A column: its type, the values in the source's SQL, and what they must be in the target, as text."""

    type: str
    values: Sequence[str]
    becomes: str
    texts: Sequence[str | None]
    more: str = ""


def columns(cases: Sequence[Case]) -> str:
    """The definitions of columns c0, c1, ..."""
    return ", ".join(f"c{number} {case.type} {case.more}" for number, case in enumerate(cases))


def rows(cases: Sequence[Case]) -> list[str]:
    """Lists of values; a column with fewer values than others gets its first one once more."""
    count = max(len(case.values) for case in cases)
    return [
        ", ".join(case.values[number] if number < len(case.values) else case.values[0] for case in cases)
        for number in range(count)
    ]


def expected(cases: Sequence[Case]) -> list[tuple[str | None, ...]]:
    """What the rows must be in the target."""
    count = max(len(case.values) for case in cases)
    return [
        tuple(case.texts[number] if number < len(case.texts) else case.texts[0] for case in cases)
        for number in range(count)
    ]
