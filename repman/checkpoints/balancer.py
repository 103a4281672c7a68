"""The balancer is stopped for a checkpoint, and runs again afterwards, whoever has to see to that.

The wish that it runs again is written on the config servers before it is stopped.  It is taken away when it runs; who
finds it there, and finds that its owner is gone, fulfils it.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from repman.checkpoints.parts import Cluster, Document, Part
from repman.errors import CheckpointRefused

WISH = "balancer"
"""The `_id` of the wish among repman's notes."""
_ROUND_MS = 60_000
_LOOK_AGAIN = 0.1


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be done with the balancer when the checkpoint has ended."""

    checkpoint: ObjectId
    running: bool
    """Whether it ran before."""
    autosplit: bool | None
    """What its setting of that name was; None: there was none."""
    host: str
    process: int
    born: str
    """When that process was started, by the kernel's count."""


class Balancer:
    """The balancer of a cluster; nothing where there are no config servers.  Raises PyMongoError."""

    def __init__(self, cluster: Cluster, tell: Callable[[str], None]) -> None:
        """`tell` hears of each step before it is done."""
        self._cluster, self._tell = cluster, tell
        self._config: Part | None = cluster.config

    def stop(self, checkpoint: ObjectId) -> bool:
        """Write the wish, then stop it; returns whether it ran.

        Raises CheckpointRefused when somebody else's checkpoint is under way, and fulfils the wish of a dead one first.
        """
        if self._config is None:
            return False
        self.repair()
        running, autosplit = self._settings()
        wish = {
            "_id": WISH,
            "checkpoint": checkpoint,
            "running": running,
            "autosplit": autosplit,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "born": born(os.getpid()),
        }
        self._tell("balancer: wish")
        try:
            self._books().insert_one(wish)
        except DuplicateKeyError as error:
            raise CheckpointRefused(
                "Another checkpoint of this cluster is under way: wait until it has ended."
            ) from error
        self._tell("balancer: stop")
        if self._cluster.mongos is not None:
            self._cluster.mongos.admin.command("balancerStop", 1, maxTimeMS=_ROUND_MS)
        else:
            self._admin().command("_configsvrBalancerStop", 1, maxTimeMS=_ROUND_MS)
        self._tell("balancer: stopped")
        return running

    def restart(self, checkpoint: ObjectId) -> bool:
        """Let it run again if it did; False when somebody else has done that meanwhile."""
        if self._config is None:
            return True
        wish = self.wish()
        if wish is None or wish.checkpoint != checkpoint:
            return False
        self._fulfil(wish)
        return True

    def repair(self) -> str:
        """Fulfil the wish of an owner who is gone; a sentence when there was one.

        Raises CheckpointRefused when the owner lives.
        """
        wish = self.wish() if self._config is not None else None
        if wish is None:
            return ""
        if _lives(wish):
            raise CheckpointRefused(
                f"Checkpoint {wish.checkpoint} is under way in process {wish.process}: wait until it has ended.",
                "busy",
            )
        self._fulfil(wish)
        runs = "runs again" if wish.running else "stays stopped, as it was before"
        return f"Checkpoint {wish.checkpoint} had stopped the balancer; it {runs}."

    def wish(self) -> Wish | None:
        """The wish that is written down."""
        found = self._books().find_one({"_id": WISH})
        if found is None:
            return None
        return Wish(
            found["checkpoint"], found["running"], found["autosplit"], found["host"], found["process"], found["born"]
        )

    def migrations(self, seconds: float) -> tuple[str, ...]:
        """Wait until no chunk is on its way; sentences about what still is then."""
        if self._config is None:
            return ()
        deadline = time.monotonic() + seconds
        while busy := self._busy():
            if time.monotonic() > deadline:
                return busy
            time.sleep(_LOOK_AGAIN)
        return ()

    def _busy(self) -> tuple[str, ...]:
        found = []
        status = self._admin().command("_configsvrBalancerStatus", 1)
        if status.get("inBalancerRound") and status["mode"] != "off":
            found.append("The balancer is still at work.")
        for part in self._cluster.parts:
            client = self._cluster.client(part)
            moves = client.admin.aggregate(
                [
                    {"$currentOp": {"allUsers": True}},
                    {"$match": {"$or": [{f"command.{name}": {"$exists": True}} for name in _MOVES]}},
                    {"$limit": 1},
                ]
            )
            if next(moves, None) or client.config.migrationCoordinators.find_one({}):
                found.append(f"A chunk is moving from or to {part.name}.")
        return tuple(found)

    def _fulfil(self, wish: Wish) -> None:
        self._tell("balancer: restart")
        if wish.running:
            if self._cluster.mongos is not None:
                self._cluster.mongos.admin.command("balancerStart", 1, maxTimeMS=_ROUND_MS)
            else:
                self._admin().command("_configsvrBalancerStart", 1, maxTimeMS=_ROUND_MS)
        if wish.autosplit is not None and self._settings()[1] != wish.autosplit:
            # Stopping and starting set this, too.
            self._client().config.settings.update_one({"_id": "autosplit"}, {"$set": {"enabled": wish.autosplit}})
        self._tell("balancer: restarted")
        self._books().delete_one({"_id": WISH, "checkpoint": wish.checkpoint})
        self._tell("balancer: wish fulfilled")

    def _settings(self) -> tuple[bool, bool | None]:
        found = {each["_id"]: each for each in self._client().config.settings.find()}
        balancer: Document = found.get("balancer", {})
        running = not balancer.get("stopped", False) and balancer.get("mode", "full") != "off"
        autosplit = found.get("autosplit", {}).get("enabled")
        return running, autosplit

    def _client(self) -> Any:
        assert self._config is not None
        return self._cluster.client(self._config)

    def _admin(self) -> Any:
        return self._client().admin

    def _books(self) -> Any:
        assert self._config is not None
        return self._cluster.books(self._config)


_MOVES = ("_shardsvrMoveRange", "moveRange", "moveChunk", "_configsvrMoveRange")


def _lives(wish: Wish) -> bool:
    """Whether the owner is another process of this host that runs.

    This process makes one checkpoint at a time: a wish of its own that it finds is one that it could not fulfil.  A
    process of another host is not asked: its checkpoint will see at its end that the wish is gone, and not count.
    """
    other = wish.host == socket.gethostname() and wish.process != os.getpid()
    return other and born(wish.process) == wish.born != ""


def born(process: int) -> str:
    """When a process of this host was started, by the kernel's count; empty when there is none."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The name, in parentheses, may hold anything; 20 fields further is the time of its start (proc(5)).
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
