"""Forgetting a link: what its target keeps of it is taken away."""

from __future__ import annotations

from pymongo.errors import PyMongoError

from repman.errors import LinkFailed
from repman.link.checkpoint import own_name
from repman.link.connection import Cluster
from repman.link.place import COLLECTIONS, Place

RECOVERY = "recovery"
HEARTBEAT = "heartbeat"
ALL = "all"
_WHAT = {ALL: COLLECTIONS, RECOVERY: tuple(set(COLLECTIONS) - {"heartbeats"}), HEARTBEAT: ("heartbeats",)}


def reset(target_uri: str, place: Place, what: str = ALL) -> None:
    """Forget where the link is (``recovery``), who works on it (``heartbeat``), or both (``all``).

    The copied data stay.  A process that works on the link must be stopped before.  Raises LinkFailed.
    """
    target = Cluster(target_uri, "target")
    try:
        target.connect()
        database = target.database(place.database)
        for name in _WHAT[what]:
            if name in ("checkpoints", "heartbeats"):
                database[name].delete_one({"_id": place.id})
            else:
                database.drop_collection(own_name(name, place.id))
    except PyMongoError as error:
        raise LinkFailed(f"reset: {error}") from error
    finally:
        target.close()
