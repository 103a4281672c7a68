"""What is looked at every few seconds, so that whoever asks for the status need not wait for a cluster."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass

from bson.timestamp import Timestamp
from pymongo.errors import PyMongoError

from repman.link.connection import Cluster
from repman.mongo.stopping import Every

LOG = logging.getLogger(__name__)

_EVERY = 2.0
_SAMPLES = 15
"""Of the lag: half a minute."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The last look."""

    pings: tuple[int | None, int | None] = (None, None)
    """Milliseconds to the source and to the target; -1 when the last one failed."""
    oplog_begins: Timestamp | None = None
    """The oldest entry of the source's oplog, once it forgets."""
    source_time: Timestamp | None = None


class Vitals:
    """Looks at both clusters in a thread of its own."""

    def __init__(self, source: Cluster, target: Cluster) -> None:
        """Begin."""
        self._source, self._target = source, target
        self.seen = Seen()
        self._lags: deque[tuple[float, float]] = deque(maxlen=_SAMPLES)
        self._look()
        self._every = Every(_EVERY, self._look, "vitals")

    def close(self) -> None:
        """End."""
        self._every.end()

    def lag(self, seconds: float) -> None:
        """Remember the lag of now."""
        now = time.monotonic()
        if not self._lags or now - self._lags[-1][0] > _EVERY / 2:
            self._lags.append((now, seconds))

    def catch_up_seconds(self) -> float | None:
        """When the lag will be gone if it goes on shrinking as it did; None when it does not shrink."""
        if len(self._lags) < 2:
            return None
        (first, before), (last, after) = self._lags[0], self._lags[-1]
        if last <= first or after >= before:
            return None
        return after * (last - first) / (before - after)

    def _look(self) -> None:
        pings = (_ping(self._source), _ping(self._target))
        begins = self.seen.oplog_begins
        try:
            begins = self._source.oplog_begins()
        except PyMongoError as error:
            LOG.debug("the source's oplog could not be looked at: %s", error)
        self.seen = Seen(pings, begins, self._source.last_seen_time())


def _ping(cluster: Cluster) -> int:
    began = time.monotonic()
    try:
        cluster.time()
    except PyMongoError:
        return -1
    return round((time.monotonic() - began) * 1000)
