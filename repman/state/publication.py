"""Where published documents lie, how they are replaced whole, and how old one is."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote

SUFFIX = ".json"


class Published(Protocol):
    """Anything that bears the monotonic moment it speaks of."""

    @property
    def monotonic(self) -> float:
        """Seconds on this boot's monotonic clock."""


def age(published: Published, now: float | None = None) -> float:
    """Seconds since the look that a snapshot or a probe table tells of; infinite for one of another boot."""
    seconds = (time.monotonic() if now is None else now) - published.monotonic
    return seconds if seconds >= -1.0 else float("inf")


def file_name(cluster: str) -> str:
    """The cluster's file: any name is safe in it, and none is hidden."""
    name = quote(cluster, safe=" ")
    return ("%2E" + name[1:] if name.startswith(".") else name) + SUFFIX


def clusters_in(directory: Path) -> tuple[str, ...]:
    """The clusters with a document there, sorted; none when the directory does not exist."""
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return ()
    return tuple(
        sorted(
            unquote(name.removesuffix(SUFFIX)) for name in names if name.endswith(SUFFIX) and not name.startswith(".")
        )
    )


def replace_file(path: str, temporary: str, document: bytes) -> None:
    """Put the document in the place of the old one at once: a reader finds either, never a part.

    The modification time is set to the nanosecond, so that readers can tell any two versions apart.  Not
    synced: what is published may be lost with the boot.  Raises OSError.
    """
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o640)
    try:
        written = os.write(descriptor, document)
        while written < len(document):
            written += os.write(descriptor, document[written:])
        stamp = time.time_ns()
        os.utime(descriptor, ns=(stamp, stamp))
    finally:
        os.close(descriptor)
    os.rename(temporary, path)
