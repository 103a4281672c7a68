"""Texts packed into one compressed archive; the same texts make the same bytes."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Mapping

_MODE = 0o640


def pack(texts: Mapping[str, str]) -> bytes:
    """A ``tar.gz`` of these texts by file name."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, text in sorted(texts.items()):
            content = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), _MODE
            archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)
