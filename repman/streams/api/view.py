"""What the process of a stream publishes: a file, replaced whole, from which the service answers.

The process alone writes it, twice a second and at its end.  Secrets have no place in it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from repman.errors import StateError
from repman.state.publication import replace_file
from repman.streams.job import Count, Progress
from repman.streams.states import Event

STREAMS = "streams"
"""Below the data directory: one directory for each stream, which it owns."""
_VIEW = "view.json"
LOG = "log.jsonl"


@dataclass(frozen=True, slots=True)
class StreamView:
    """One stream, as its process knows it."""

    stream: str
    pid: int = 0
    """0: the process has ended in order."""
    at: float = 0.0
    """Unix seconds."""
    event: Event | None = None
    """The last thing that moves the stream's state."""
    error: str = ""
    code: str = ""
    released: bool = False
    """Whether what it held in source and target is given back."""
    spent: float = 0.0
    """Seconds that all its processes have run."""
    progress: Progress = field(default_factory=Progress)
    reported_source: Count = field(default_factory=Count)
    """What the source's counts were at its report before the last."""
    reported_target: Count = field(default_factory=Count)
    trying: str = ""
    """Why it is tried again, while a database cannot be reached."""


def directory_of(data: Path, stream: str) -> Path:
    """The stream's own directory."""
    return data / STREAMS / stream


def publish(data: Path, view: StreamView) -> None:
    """Replace what was published before; raises StateError."""
    directory = directory_of(data, view.stream)
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        replace_file(str(directory / _VIEW), str(directory / f".{_VIEW}.{os.getpid()}"), msgspec.json.encode(view))
    except OSError as error:
        raise StateError(
            f"Nothing can be published in {directory}: check that it may be written and has space left ({error})"
        ) from error


def published(data: Path, stream: str) -> StreamView:
    """What was published last; one that says nothing when there is none, or it cannot be read."""
    try:
        return msgspec.json.decode((directory_of(data, stream) / _VIEW).read_bytes(), type=StreamView)
    except (OSError, msgspec.MsgspecError):
        # Not synced: a machine that lost its power may keep half of it.  The mover knows its counts by itself.
        return StreamView(stream)
