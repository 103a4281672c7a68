"""A checkpoint is made: balancer stopped, a common time noted on all parts, balancer started, oplogs copied to it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from repman.checkpoints import moments, sums
from repman.checkpoints.balancer import Balancer
from repman.checkpoints.judging import Judge
from repman.checkpoints.manifest import CheckpointManifest, PartSums, place_of_checkpoint, seal
from repman.checkpoints.model import Checkpoint, CheckpointPart
from repman.checkpoints.moments import Moment
from repman.checkpoints.parts import Cluster
from repman.checkpoints.repository import Repository
from repman.checkpoints.slices import Slices
from repman.mongo.patience import patiently

_RESTART_SECONDS = 60.0
_LOOK_AGAIN = 0.2


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a checkpoint waits for others."""

    migrations: float = 60.0
    """Seconds for chunks that are on their way."""
    transactions: float = 30.0
    """Seconds for transactions that are prepared and not decided."""


class Making:
    """Makes one checkpoint.  Methods raise PyMongoError, RepositoryError and CheckpointFailed."""

    def __init__(
        self, cluster: Cluster, repository: Repository, slices: Slices, judge: Judge, patience: Patience,
        tell: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._cluster, self._repository, self._slices, self._judge = cluster, repository, slices, judge
        self._patience, self._tell = patience, tell

    def moment(self, checkpoint: Checkpoint) -> tuple[Checkpoint, Moment]:
        """Stop the balancer, note tokens, start it again."""
        balancer = Balancer(self._cluster, self._tell)
        flaws: list[str] = []
        balancer.stop(checkpoint.id)
        try:
            flaws += balancer.migrations(self._patience.migrations)
            moment = moments.find(self._cluster, checkpoint.id, self._tell)
        finally:
            again = patiently(lambda: balancer.restart(checkpoint.id), threading.Event(), _RESTART_SECONDS)
        if not again:
            flaws.append("Somebody else let the balancer run again before the checkpoint had ended.")
        parts = []
        for part in self._cluster.parts:
            name = part.name
            found = moment.tokens.discovered[name]
            if not found:
                flaws.append(f"The token of {name} was not found in its oplog.")
            host = self._cluster.host(part)
            parts.append(CheckpointPart(part.type, part.set_name, part.shard, host, found, moment.tokens.times[name]))
        made = replace(
            checkpoint, completed=datetime.now(UTC), at=moment.at, parts=tuple(parts), flaws=tuple(flaws),
            reasons=("Its oplogs are not copied yet.",),
        )  # fmt: skip
        return made, moment

    def oplogs(self, moment: Moment) -> tuple[str, ...]:
        """Copy them up to the moment, and on until every transaction that was prepared then is decided."""
        names = [part.name for part in self._cluster.parts]
        deadline = time.monotonic() + self._patience.transactions
        missed: list[str] = []
        while True:
            self._tell("checkpoint: oplogs")
            for part in self._cluster.parts:
                if told := self._slices.capture(self._cluster, part):
                    missed.append(told)
            if time.monotonic() > deadline or not self._judge.undecided(moment.at, names):
                return tuple(missed)
            time.sleep(_LOOK_AGAIN)

    def sums(self, checkpoint: Checkpoint, moment: Moment) -> None:
        """Write down what a restore of the checkpoint is compared with."""
        if moment.unsettled:
            return
        self._tell("checkpoint: sums")
        parts = []
        for part in self._cluster.parts:
            client = self._cluster.client(part)
            # Capped collections cannot be read in the past by servers before 8.0.
            listed = [each for each in moment.listed[part.name] if not each.capped]
            found = tuple(sums.sum_up(client, each.database, each.name, moment.at) for each in listed)
            parts.append(PartSums(part.name, found))
        manifest = CheckpointManifest(checkpoint.id, moment.at, tuple(parts))
        self._repository.put(place_of_checkpoint(checkpoint.id), [seal(manifest)])
