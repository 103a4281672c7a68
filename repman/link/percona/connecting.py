"""Options of the command line that become options of a connection."""

from __future__ import annotations

import importlib.util
import logging
from urllib.parse import urlencode

_log = logging.getLogger(__name__)
COMPRESSORS = ("zstd", "zlib", "snappy")
_LIBRARIES = {"zstd": "zstandard", "zlib": "zlib", "snappy": "snappy"}


def with_options(uri: str, compressors: tuple[str, ...] = (), timeout_seconds: float | None = None) -> str:
    """The connection string with what was asked for; options that it has already win."""
    wanted = {}
    if usable := [name for name in compressors if _usable(name)]:
        wanted["compressors"] = ",".join(usable)
    if timeout_seconds is not None:
        wanted["timeoutMS"] = str(int(timeout_seconds * 1000))
    base, _, query = uri.partition("?")
    given = {pair.partition("=")[0].lower() for pair in query.split("&")}
    added = urlencode({name: value for name, value in wanted.items() if name.lower() not in given}, safe=",")
    if not added:
        return uri
    scheme, _, rest = base.partition("://")
    if "/" not in rest:
        base = f"{scheme}://{rest}/"
    return f"{base}?{'&'.join(part for part in (query, added) if part)}"


def _usable(name: str) -> bool:
    if importlib.util.find_spec(_LIBRARIES[name]) is not None:
        return True
    _log.warning("compressor %s is left out: install the Python package %s", name, _LIBRARIES[name])
    return False
