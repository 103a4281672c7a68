"""Two clusters of which a start says which is the source, and the one link between them."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable

from pymongo.errors import PyMongoError

from repman.errors import LinkFailed, LinkRefused
from repman.link.connection import Cluster
from repman.link.link import Link, Place
from repman.link.mongosync.answers import ApiError
from repman.link.mongosync.body import Start
from repman.link.mongosync.names import CLUSTERS, PLACE
from repman.link.mongosync.transitions import refusal
from repman.link.status import State, Status

_log = logging.getLogger(__name__)

MakeLink = Callable[[str, str, Place, tuple[str, str]], Link]
HasState = Callable[[str], bool]
"""Whether a link of this API was ever at work with the cluster of that URI as its destination."""


def has_state(uri: str) -> bool:
    """Whether the cluster holds what a link keeps on its destination.

    Only looks: to open a link that way would leave a lease on a cluster that may never be a destination.  Raises
    LinkFailed when the cluster does not answer.
    """
    cluster = Cluster(uri, CLUSTERS[0])
    try:
        cluster.connect()
        return PLACE.database in cluster.client.list_database_names()
    except PyMongoError as error:
        raise LinkFailed(f"the databases of {CLUSTERS[0]} cannot be listed: {error}") from error
    finally:
        cluster.close()


class Pair:
    """The link between two clusters, in the direction in which it was started.

    Calls that change something wait for one another; `status` waits for nobody.
    """

    def __init__(
        self, cluster0: str, cluster1: str, make_link: MakeLink = Link, has_state: HasState = has_state
    ) -> None:
        """Nothing is opened before `open`; clusters are given by their URIs."""
        self._uris = (cluster0, cluster1)
        self._make_link = make_link
        self._has_state = has_state
        self._calls = threading.Lock()
        self._link = self._made(0)

    def open(self) -> None:
        """Connect and go on with what was under way, in whichever direction that was.

        Waits until another process has given the link up.  Raises LinkFailed when a cluster cannot be used.
        """
        self._link.open()
        if self._link.status().state is State.IDLE and self._has_state(self._uris[0]):
            self._turn_to_what_was_started()
        if self._link.status().state is State.FAILED:
            # Who starts the program again wants it to go on.  When it cannot, its status says why.
            with contextlib.suppress(LinkRefused, LinkFailed):
                self._link.resume(from_failure=True)

    def close(self) -> None:
        """Stop at a point from which the next `open` goes on."""
        self._link.close()

    def status(self) -> Status:
        """What is known now; asks no cluster."""
        return self._link.status()

    def start(self, start: Start) -> None:
        """Begin, from the cluster that was named.  Raises ApiError, LinkRefused or LinkFailed."""
        with self._calls:
            self._check("start")
            if start.source != self._link.status().source.name:
                self._turn()
            self._link.start(start.options, again=False)

    def pause(self) -> None:
        """Stop for a while, also while collections are copied.  Raises ApiError, LinkRefused or LinkFailed."""
        with self._calls:
            self._check("pause")
            self._link.pause()

    def resume(self) -> None:
        """Go on after a pause or a failure.  Raises ApiError, LinkRefused or LinkFailed."""
        with self._calls:
            self._check("resume")
            self._link.resume(from_failure=self._link.status().state is State.FAILED)

    def commit(self) -> None:
        """End the replication; what is left is done in the background.  Raises ApiError, LinkRefused or LinkFailed."""
        with self._calls:
            self._check("commit")
            self._link.finalize()

    def reverse(self) -> None:
        """Replicate back from the destination.  Raises ApiError, LinkRefused or LinkFailed."""
        with self._calls:
            self._check("reverse")
            self._link.reverse()

    def _check(self, call: str) -> None:
        error: ApiError | None = refusal(call, self._link.status())
        if error is not None:
            raise error

    def _made(self, source: int) -> Link:
        names = (CLUSTERS[source], CLUSTERS[1 - source])
        return self._make_link(self._uris[source], self._uris[1 - source], PLACE, names)

    def _turn(self) -> None:
        """Hold the idle link of the other direction; the one that was held stays when the other cannot be opened."""
        other = self._made(1 - CLUSTERS.index(self._link.status().source.name))
        try:
            other.open(wait_for_lease=False)
        except BaseException:
            other.close()
            raise
        self._link, left = other, self._link
        left.close()

    def _turn_to_what_was_started(self) -> None:
        forward = self._link
        backward = self._made(1)
        try:
            backward.open()
        except BaseException:
            backward.close()
            raise
        if backward.status().state is State.IDLE:
            backward.close()
            return
        _log.info("going on from cluster1 to cluster0, as it was started")
        self._link = backward
        forward.close()
