"""Which mover does what a stream is for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import cast

from repman.errors import StreamFailed
from repman.streams.job import Mode, Mover, StreamSettings

_MOVERS = {Mode.CONVERT: ("repman.streams.convert.convert", "Convert"), Mode.CDC: ("repman.streams.cdc.cdc", "Cdc")}
"""By mode: the module, loaded when it is needed as it brings the drivers of databases, and the class in it."""


def mover(settings: StreamSettings) -> Mover:
    """The mover of a stream; nothing is opened yet.  Raises StreamFailed when what it needs is not installed."""
    module, name = _MOVERS[settings.mode]
    try:
        made = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise StreamFailed(f"streams of mode {settings.mode} cannot run: {error}; install it with pip") from error
    return cast(Callable[[StreamSettings], Mover], made)(settings)
