"""The moment at which the target takes over: everything of the source is applied, and nothing more comes."""

from __future__ import annotations

import threading
from collections.abc import Callable

from pymongo.errors import PyMongoError

from repman.errors import LinkFailed
from repman.link.connection import Cluster
from repman.link.frontier import Place
from repman.link.run import Run
from repman.mongo.patience import patiently
from repman.mongo.stopping import Stopped

PATIENCE = 30.0
"""Seconds for which a call waits for a cluster that does not answer."""
_LOOK = 0.02


def drain(run: Run, block: bool, works: Callable[[], bool], closing: threading.Event) -> None:
    """Have the run end once everything that the source has now is applied; with `block` no client writes any more.

    `works` tells whether the run goes on.  Raises LinkFailed when it does not come to that; clients may write then.
    """
    source = run.source
    try:
        if block:
            patiently(lambda: source.block_writes(True), closing, PATIENCE)
        until = patiently(lambda: source.note("repman:commit"), closing, PATIENCE)
        while run.place is None or run.place.time < until:
            if not works():
                raise LinkFailed(f"pause change replication: {run.record.error or 'it has stopped'}")
            if closing.wait(_LOOK):
                raise Stopped
    except (PyMongoError, Stopped, LinkFailed) as error:
        if block:
            unblock(source, closing)
        if isinstance(error, LinkFailed):
            raise
        raise LinkFailed(f"pause change replication: the source does not answer: {error}") from error
    run.stop.set()


def unblock(source: Cluster, closing: threading.Event) -> None:
    """Let clients write to the source again.  Raises LinkFailed where they cannot."""
    try:
        patiently(lambda: source.block_writes(False), closing, PATIENCE)
    except (PyMongoError, Stopped) as error:
        raise LinkFailed(
            "writes on the source are still blocked: run {setUserWriteBlockMode: 1, global: false} there"
        ) from error


def advance(run: Run, stop: threading.Event) -> Place:
    """Replicate up to now, and stop again; returns up to where.  Raises Stopped and what the run raises."""
    until = patiently(lambda: run.source.note("repman:verify"), stop)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            run.work()
        except BaseException as error:  # noqa: BLE001  told by whoever waits
            errors.append(error)

    thread = threading.Thread(target=work, name="advance", daemon=True)
    thread.start()
    while thread.is_alive() and (run.place is None or run.place.time < until):
        if stop.wait(_LOOK):
            run.abort.set()
    run.stop.set()
    thread.join()
    if errors:
        raise errors[0]
    if stop.is_set():
        raise Stopped
    assert run.record.place is not None
    return run.record.place
