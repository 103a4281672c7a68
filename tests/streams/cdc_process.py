"""The process of a stream under test: it follows until SIGTERM, or until it is killed."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import Any

from mariadb_source import PASSWORD as MARIADB_PASSWORD
from mariadb_source import USER
from postgres_stand import PASSWORD as POSTGRES_PASSWORD

from repman.streams.cdc.cdc import Cdc
from repman.streams.job import Endpoint, Family, Mode, Options, Phase, Snapshot, StreamSettings, TableChoice, TableState


def endpoint(family: str, port: str) -> Endpoint:
    """One of the two servers."""
    password = MARIADB_PASSWORD if family == "mysql" else POSTGRES_PASSWORD
    return Endpoint(Family(family), "127.0.0.1", int(port), USER, password, "d")


def main() -> None:
    """Follow."""
    source, target, source_port, target_port, snapshot, *tables = sys.argv[1:]
    stop, following = threading.Event(), threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    wanted = StreamSettings(
        "stream_1",
        "config_Test1",
        Mode.CDC,
        endpoint(source, source_port),
        endpoint(target, target_port),
        tuple(TableChoice(table) for table in tables),
        Path("/nowhere"),
        options=Options(snapshot=Snapshot(snapshot)),
    )
    mover = Cdc(wanted)

    def tell(*_: Any) -> None:
        while not following.wait(0.01) and not stop.is_set():
            progress = mover.progress()
            if progress.phase is Phase.DATA and progress.tables[0].state is TableState.FOLLOWING:
                print("following", flush=True)
                return

    threading.Thread(target=tell, daemon=True).start()
    mover.run(stop)


if __name__ == "__main__":
    main()
