"""Programs that compress what flows through them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from repman.errors import JobFailed


@dataclass(frozen=True, slots=True)
class Compression:
    """One way to compress a stream."""

    name: str
    suffix: str
    compress: tuple[str, ...]
    """Reads standard input, writes standard output."""
    expand: tuple[str, ...]


_KNOWN = (
    # The frame's own checksum is on by default: a damaged file does not expand.
    Compression("zstd", ".zst", ("zstd", "-q", "-3", "-T2", "-c"), ("zstd", "-q", "-d", "-c")),
    Compression("gzip", ".gz", ("gzip", "-3", "-c"), ("gzip", "-d", "-c")),
    Compression("none", "", ("cat",), ("cat",)),
)


def wished(compressed: bool) -> Compression:
    """The best that is installed here."""
    if not compressed:
        return _KNOWN[-1]
    return next(each for each in _KNOWN if shutil.which(each.compress[0]))


def named(name: str) -> Compression:
    """That one.  Raises JobFailed when it cannot be used here."""
    found = next((each for each in _KNOWN if each.name == name), None)
    if found is None:
        raise JobFailed(f"This backup is compressed with {name!r}, which this release of repman does not know.")
    if shutil.which(found.expand[0]) is None:
        raise JobFailed(f"This backup is compressed with {name}, and {found.expand[0]} is not installed: install it.")
    return found
