"""The probe process: one listener, one loop, no database, no lock.

It imports no web framework, no driver and no store, so that it is small and nothing of theirs can hold it up.
The loop is uvloop's: a probe over a new connection costs 35 us of CPU with it and 60 us without.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import time
from pathlib import Path

import uvloop

from repman.errors import ConfigError
from repman.model.probe import ProbeTable
from repman.probes.listener import Listener, Tables
from repman.state.snapshots import ProbeReader

_BACKLOG = 1024
_SWEEP = 5.0
"""Seconds between looks for connections that have been silent for too long."""


def run(rundir: Path, bind: str, port: int, *, share_port: bool = False) -> None:
    """Answer probes on `bind`:`port` from the tables published under `rundir`, until SIGTERM or SIGINT.

    `share_port` lets several probe processes of one installation listen on the same port; without it a second
    process is an error, which is safer: two installations on one port would contradict each other.
    Raises ConfigError when the address cannot be listened on.
    """
    _allow_many_connections()
    uvloop.run(serve(_LatestTables(rundir), bind, port, share_port))


def _allow_many_connections() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class _LatestTables(ProbeReader):
    """Published tables without any delay.

    A table 20 ms behind would be enough for an agent to lift a server that was routed away 10 ms ago.
    """

    def get(self, cluster: str, now: float | None = None) -> ProbeTable | None:
        """The table as published at this moment."""
        return super(ProbeReader, self).get(cluster)


async def serve(tables: Tables, bind: str, port: int, share_port: bool = False) -> None:
    """What `run` does, inside a running loop and for any source of tables."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    listener = Listener(tables)
    try:
        server = await loop.create_server(listener, bind, port, backlog=_BACKLOG, reuse_port=share_port or None)
    except OSError as trouble:
        raise ConfigError(
            [f"probes cannot listen on {bind}:{port}: {trouble.strerror}; change probes-bind-address or probes-port"]
        ) from None
    while not ended.is_set():
        try:
            await asyncio.wait_for(ended.wait(), _SWEEP)
        except TimeoutError:
            listener.sweep(time.monotonic())
    server.close()
    listener.close()
    await asyncio.sleep(0)
