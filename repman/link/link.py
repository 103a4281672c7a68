"""A link: its states, and what moves it from one to another.

Every call returns at once unless said otherwise; the work is done by threads of the link.  A refusal has one of
these codes, from which a dialect makes its own words:

=====================  =====================================================================================
``already-running``    start: it runs, finalizes, or has failed
``is-paused``          start: it is paused
``not-idle``           start: it was finalized, and a new run was not asked for
``not-running``        pause
``cloning``            pause with ``while_cloning=False``; finalize: the clone is not complete
``not-paused``         resume
``not-failed``         resume from failure: it is neither paused nor failed
``has-failed``         finalize: it failed, `Status.error` says why
``catching-up``        finalize: the target is not consistent yet
``not-finalized``      reverse
``not-reversible``     reverse: it was not started so, or what it needs is gone; the sentence says which
``target-not-empty``   start with `TargetData.REFUSE`
``unsupported``        start: the clusters do not offer what an option needs; the sentence names it
=====================  =====================================================================================
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from pymongo.errors import PyMongoError

from repman.errors import HistoryLost, LinkFailed, LinkRefused, LinkTaken
from repman.link import finalizing, guards, reversing
from repman.link.checkpoint import Checkpoints, Lease
from repman.link.connection import Cluster, patiently
from repman.link.options import LinkOptions, WriteBlocking
from repman.link.place import Place
from repman.link.record import Record, of_document
from repman.link.run import Run
from repman.link.showing import shown
from repman.link.status import Finalization, Phase, State, Status
from repman.link.stopping import AnyOf, Stopped
from repman.link.verification import require_alike
from repman.link.vitals import Vitals

LOG = logging.getLogger(__name__)

__all__ = ["Link", "Place"]

_PATIENCE = 30.0
"""Seconds for which a call waits for a cluster that does not answer."""


class Link:
    """One link between two clusters."""

    def __init__(
        self, source_uri: str, target_uri: str, place: Place, names: tuple[str, str] = ("source", "target")
    ) -> None:
        """Nothing is opened before `open`.  `names` are what the operator calls the two clusters."""
        self._clusters = (Cluster(source_uri, names[0]), Cluster(target_uri, names[1]))
        self._place = place
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._taken = ""
        self._vitals: Vitals | None = None
        self._lease: Lease | None = None
        self._record = Record()
        self._run: Run | None = None

    @property
    def _source(self) -> Cluster:
        return self._clusters[self._record.reversed]

    @property
    def _target(self) -> Cluster:
        return self._clusters[not self._record.reversed]

    def open(self, wait_for_lease: bool = True) -> None:
        """Connect, take the lease of the link, and go on where it was.

        Waits until another process has given the lease up, or raises LinkTaken at once.  Raises LinkFailed with
        ``connect to source cluster: ...`` and the like when a cluster cannot be used.
        """
        for cluster in self._clusters:
            cluster.connect()
        guards.require_pair(*self._clusters)
        try:
            record = self._kept(wait_for_lease)
            self._vitals = Vitals(*self._clusters)
            with self._lock:
                self._record = record
                self._run = Run(self._source, self._target, self._checkpoints, record)
                if record.state is State.RUNNING:
                    self._begin(self._replicating)
                elif record.state is State.FINALIZING:
                    self._begin(self._finalizing)
                elif record.state is State.REVERSING:
                    self._begin(self._reversing)
        except (PyMongoError, KeyError, ValueError) as error:
            raise LinkFailed(f"recover: {error}") from error

    def _kept(self, wait: bool) -> Record:
        """What is kept of the link, by the cluster that is its target now; its lease is taken."""
        for mirrored in (False, True):
            target = self._clusters[not mirrored]
            lease = Lease(target, self._place.database, self._place.id)
            lease.take(wait, self._closing)
            self._lease = lease
            self._checkpoints = Checkpoints(target, self._place.database, self._place.id, lease)
            data = self._checkpoints.load()
            if data is None or not data.get("moved"):
                break
            # It was reversed: the other cluster is the target, and knows the rest.
            lease.give_up()
        return of_document(data) if data is not None else Record(reversed=False)

    def close(self) -> None:
        """Stop all work at a point from which it goes on, and give the lease up."""
        self._closing.set()
        with self._lock:
            run, thread = self._run, self._thread
            if run is not None:
                run.abort.set()
        if thread is not None:
            thread.join()
        if self._vitals is not None:
            self._vitals.close()
        if self._lease is not None:
            self._lease.give_up()
        for cluster in self._clusters:
            cluster.close()

    def start(self, options: LinkOptions, again: bool = True) -> None:
        """Begin a run; with `again` also after one that was finalized.  Raises LinkRefused."""
        with self._lock:
            state = self._record.state
            if state is State.PAUSED:
                raise LinkRefused("is-paused", "the link is paused: resume it")
            if state is State.FINALIZED and not again:
                raise LinkRefused("not-idle", "the link was finalized")
            if state not in (State.IDLE, State.FINALIZED):
                raise LinkRefused("already-running", f"the link is {state.value}")
            try:
                guards.require_possible(self._source, self._target, options, self._closing)
                self._join()
                record = Record.new(options)
                record.reversed = self._record.reversed
                self._checkpoints.save(record.document())
                self._record = record
                self._run = Run(self._source, self._target, self._checkpoints, record)
            except PyMongoError as error:
                raise LinkFailed(f"start: {error}") from error
            self._begin(self._replicating)

    def pause(self, while_cloning: bool = True) -> None:
        """Stop for a while; what is under way is still finished in the background.  Raises LinkRefused."""
        with self._lock:
            if self._record.state is not State.RUNNING or self._run is None:
                raise LinkRefused("not-running", f"the link is {self._record.state.value}")
            if not while_cloning and self._record.phase in (Phase.PREPARING, Phase.CLONING):
                raise LinkRefused("cloning", "the clone is not complete")
            self._record.state = State.PAUSED
            self._run.stop.set()
        self._keep()

    def resume(self, from_failure: bool = False) -> None:
        """Go on after a pause, or after a failure.  Waits until the pause is complete.  Raises LinkRefused."""
        with self._lock:
            state = self._record.state
            if state is State.FAILED and not from_failure:
                raise LinkRefused("not-paused", "the link has failed: resume it from the failure")
            if state not in (State.PAUSED, State.FAILED):
                code = "not-failed" if from_failure else "not-paused"
                raise LinkRefused(code, f"the link is {state.value}")
            self._join()
            self._record.error = ""
            self._record.state = State.RUNNING
            try:
                self._run = Run(self._source, self._target, self._checkpoints, self._record)
                self._run.save()
            except PyMongoError as error:
                self._record.state = state
                raise LinkFailed(f"resume: {error}") from error
            self._begin(self._replicating)

    def finalize(self) -> None:
        """Apply what the source has now, stop replicating, then give indexes and collections their final form.

        Returns when replication has stopped; the rest is done in the background.  When it was finalized already,
        the indexes that were unsuccessful are tried again.  Raises LinkRefused and, when replication cannot be
        stopped in order, LinkFailed.
        """
        with self._lock:
            record = self._record
            if record.state is State.FINALIZING:
                return
            if record.state is State.FAILED:
                raise LinkRefused("has-failed", record.error)
            if record.state is State.IDLE or record.phase in (Phase.PREPARING, Phase.CLONING):
                raise LinkRefused("cloning", "the clone is not complete")
            if record.phase is not Phase.REPLICATING:
                raise LinkRefused("catching-up", "the target is not consistent yet")
            if record.state is State.RUNNING:
                self._cut_over()
            self._join()
            record.state = State.FINALIZING
            record.finalization = Finalization(False, datetime.now(UTC), None)
            self._keep()
            self._begin(self._finalizing)

    def _cut_over(self) -> None:
        """End replication at a moment that everything before is applied; where asked, the last of the source."""
        assert self._run is not None
        run, blocks = self._run, self._record.options.write_blocking is WriteBlocking.BOTH
        try:
            if blocks:
                patiently(lambda: self._source.block_writes(True), self._closing, _PATIENCE)
            until = patiently(lambda: self._source.note("repman:commit"), self._closing, _PATIENCE)
        except (PyMongoError, Stopped) as error:
            raise LinkFailed(f"pause change replication: the source does not answer: {error}") from error
        while run.place is None or run.place.time < until:
            if self._thread is None or not self._thread.is_alive() or self._closing.wait(0.02):
                if blocks:
                    self._source.block_writes(False)
                raise LinkFailed(f"pause change replication: {self._record.error or 'the link is being closed'}")
        run.stop.set()

    def reverse(self) -> None:
        """Replicate in the other direction, from the moment at which the target was opened.  Raises LinkRefused."""
        with self._lock:
            if self._record.state is not State.FINALIZED:
                raise LinkRefused("not-finalized", f"the link is {self._record.state.value}")
            if not self._record.options.reversible:
                raise LinkRefused("not-reversible", "the link was not started as reversible")
            guards.require_way_back(self._target, self._record)
            self._join()
            self._record.state = State.REVERSING
            self._keep()
            self._begin(self._reversing)

    def status(self) -> Status:
        """What is known now; asks no cluster."""
        return shown(self._record, self._run, self._vitals, (self._source, self._target), self._taken)

    def _begin(self, work: Callable[[], None]) -> None:
        self._thread = threading.Thread(target=self._guarded, args=(work,), name="link", daemon=True)
        self._thread.start()

    def _join(self) -> None:
        """Wait for the end of the last work, which has been told to end."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _guarded(self, work: Callable[[], None]) -> None:
        """Do the work; what it raises is the end of the run."""
        try:
            work()
        except Stopped:
            return
        except LinkTaken as error:
            LOG.error("%s", error)
            self._taken = str(error)
        except HistoryLost as error:
            self._record.history_lost = True
            self._fail(f"{self._doing}: {error}")
        except (LinkFailed, PyMongoError) as error:
            self._fail(f"{self._doing}: {error}")
        except Exception as error:
            LOG.exception("the link has failed")
            self._fail(f"{self._doing}: internal error: {error!r}")

    @property
    def _doing(self) -> str:
        if self._record.state is State.FINALIZING:
            return "finalize"
        return "clone" if self._record.phase in (Phase.PREPARING, Phase.CLONING) else "change replication"

    def _fail(self, error: str) -> None:
        if self._closing.is_set():
            return
        LOG.error("Cluster Replication has failed: %s", error)
        self._record.error = error
        self._record.state = State.FAILED
        self._keep()

    def _keep(self) -> None:
        """Save the record; what cannot be saved now is saved with the next checkpoint."""
        assert self._run is not None
        try:
            patiently(self._run.save, self._closing, _PATIENCE)
        except (PyMongoError, LinkFailed, Stopped) as error:
            LOG.warning("the state %s could not be saved: %s", self._record.state.value, error)

    def _replicating(self) -> None:
        assert self._run is not None
        self._run.work()
        if self._run.paused_itself and self._record.state is State.RUNNING:
            self._record.state = State.PAUSED
        self._keep()

    def _finalizing(self) -> None:
        assert self._run is not None
        run, record = self._run, self._record
        ending = AnyOf(self._closing)
        LOG.info("Starting Finalization")
        if record.options.verify and record.can_write_at is None:
            require_alike(self._source, self._target, run.catalog, record, ending)
        unsuccessful = finalizing.give_final_form(self._target, run.catalog, ending)
        if record.can_write_at is None:
            if record.options.reversible:
                found = patiently(lambda: finalizing.opposite(self._target, run.catalog), ending)
                patiently(lambda: self._checkpoints.keep_opposite(found), ending)
            record.can_write_at = patiently(self._target.time, ending)
        started = record.finalization.started_at if record.finalization is not None else None
        with self._lock:
            record.finalization = Finalization(True, started, datetime.now(UTC), unsuccessful)
            record.state = State.FINALIZED
        self._keep()
        LOG.info("Finalization is completed")

    def _reversing(self) -> None:
        assert self._lease is not None
        lease, checkpoints, record = reversing.turned(
            self._source, self._target, self._place, self._checkpoints, self._record, self._closing
        )
        with self._lock:
            self._lease.give_up()
            self._lease, self._checkpoints, self._record = lease, checkpoints, record
            self._run = Run(self._source, self._target, checkpoints, record)
        self._replicating()
