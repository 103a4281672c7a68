"""How far back servers can be read is made longer while a snapshot is taken."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from repman.checkpoints.parts import Cluster

_NOTE = "window"
_PARAMETER = "minSnapshotHistoryWindowInSeconds"
SECONDS = 3600
"""What a snapshot may take."""


@contextlib.contextmanager
def widened(cluster: Cluster) -> Iterator[None]:
    """Make it `SECONDS` on every primary, and what it was at the end.  Raises PyMongoError.

    What it was is noted on the part first, so that `repair` finds it when this process dies.
    """
    try:
        for part in cluster.parts:
            admin = cluster.client(part).admin
            was = int(admin.command({"getParameter": 1, _PARAMETER: 1})[_PARAMETER])
            if was < SECONDS:
                cluster.books(part).update_one({"_id": _NOTE}, {"$setOnInsert": {"was": was}}, upsert=True)
                admin.command({"setParameter": 1, _PARAMETER: SECONDS})
        yield
    finally:
        repair(cluster)


def repair(cluster: Cluster) -> tuple[str, ...]:
    """Set it back where that was not done; a sentence for each part.  Raises PyMongoError."""
    done = []
    for part in cluster.parts:
        books = cluster.books(part)
        found = books.find_one({"_id": _NOTE})
        if found is not None:
            cluster.client(part).admin.command({"setParameter": 1, _PARAMETER: found["was"]})
            books.delete_one({"_id": _NOTE})
            done.append(f"{part.name} can be read {found['was']} seconds back again.")
    return tuple(done)
