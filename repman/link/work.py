"""What a link works on, and the thread that does it: from a state to what is to be done in it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from pymongo.errors import PyMongoError

from repman.errors import HistoryLost, LinkFailed, LinkTaken
from repman.link import cutover, finalizing, guards, reversing
from repman.link.checkpoint import Checkpoints, Lease
from repman.link.connection import Cluster
from repman.link.frontier import Place as StreamPlace
from repman.link.options import BuildIndexes, WriteBlocking
from repman.link.place import Place
from repman.link.record import Record, of_document
from repman.link.run import Run
from repman.link.status import Finalization, Phase, State, UnsuccessfulIndex
from repman.link.vitals import Vitals
from repman.mongo.patience import patiently
from repman.mongo.stopping import Stopped

LOG = logging.getLogger(__name__)

Task = Callable[[], None]


class Work:
    """The record of a link, the run that works on it, and the lease without which nothing is done."""

    def __init__(self, clusters: tuple[Cluster, Cluster], place: Place) -> None:
        """Nothing is opened before `open`; `clusters` are source and target until they are reversed."""
        self._clusters = clusters
        self._place = place
        self.lock = threading.RLock()
        """Held by whoever changes `record.state`."""
        self.closing = threading.Event()
        self.record = Record()
        self.run: Run | None = None
        self.vitals: Vitals | None = None
        self.taken = ""
        """Why nothing is done at present: the lease may be another's."""
        self._thread: threading.Thread | None = None
        self._lease: Lease | None = None

    @property
    def source(self) -> Cluster:
        """Where data come from now."""
        return self._clusters[self.record.reversed]

    @property
    def target(self) -> Cluster:
        """Where they go."""
        return self._clusters[not self.record.reversed]

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
            self.vitals = Vitals(*self._clusters)
            with self.lock:
                self.record = record
                self.run = Run(self.source, self.target, self._checkpoints, record)
                self.begin()
        except (PyMongoError, KeyError, ValueError) as error:
            raise LinkFailed(f"recover: {error}") from error

    def _kept(self, wait: bool) -> Record:
        """What is kept of the link, by the cluster that is its target now; its lease is taken."""
        for mirrored in (False, True):
            target = self._clusters[not mirrored]
            lease = Lease(target, self._place.database, self._place.id)
            lease.take(wait, self.closing)
            self._lease = lease
            self._checkpoints = Checkpoints(target, self._place.database, self._place.id, lease)
            data = self._checkpoints.load()
            if data is None or not data.get("moved"):
                break
            # It was reversed: the other cluster is the target, and knows the rest.
            lease.give_up()
        record = of_document(data) if data is not None else Record()
        # Which of the two it is now says where it was found, not how it was called when it was kept.
        record.reversed = mirrored and data is not None
        return record

    def close(self) -> None:
        """Stop all work at a point from which it goes on, and give the lease up."""
        self.closing.set()
        with self.lock:
            run, thread = self.run, self._thread
            if run is not None:
                run.abort.set()
        if thread is not None:
            thread.join()
        if self.vitals is not None:
            self.vitals.close()
        if self._lease is not None:
            self._lease.give_up()
        for cluster in self._clusters:
            cluster.close()

    @property
    def running(self) -> Run:
        """The run; only once the link is open."""
        assert self.run is not None
        return self.run

    @property
    def blocks(self) -> bool:
        """Whether clients' writes to the source are blocked at the cut-over."""
        return self.record.options.write_blocking is WriteBlocking.BOTH

    def alive(self) -> bool:
        """Whether the thread still works."""
        return self._thread is not None and self._thread.is_alive()

    def begin(self) -> None:
        """Do, in the background, what is to be done in the state of the record."""
        task = self._task()
        if task is not None:
            self._thread = threading.Thread(target=self._guarded, args=(task,), name="link", daemon=True)
            self._thread.start()

    def go_on_with(self, record: Record) -> None:
        """Work on that record from now on.  Raises PyMongoError."""
        self.run = Run(self.source, self.target, self._checkpoints, record)
        self.record = record

    def join(self) -> None:
        """Wait for the end of the last work, which has been told to end."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _guarded(self, task: Task | None) -> None:
        """Do the work; what it raises is the end of the run, unless it is the lease that was lost for a while."""
        while task is not None:
            try:
                task()
                return
            except Stopped:
                return
            except LinkTaken as error:
                LOG.error("%s", error)
                self.taken = str(error)
                task = self._take_up_again()
            except HistoryLost as error:
                self.record.history_lost = True
                return self._fail(f"{self._doing}: {error}")
            except (LinkFailed, PyMongoError) as error:
                return self._fail(f"{self._doing}: {error}")
            except Exception as error:
                LOG.exception("the link has failed")
                return self._fail(f"{self._doing}: internal error: {error!r}")

    def _take_up_again(self) -> Task | None:
        """What to go on with once the lease is ours again; another process may have worked on the link meanwhile.

        Without the lock: who holds it may wait for this thread.
        """
        assert self._lease is not None
        lease = self._lease
        try:
            patiently(lambda: lease.take(True, self.closing), self.closing)
            data = patiently(self._checkpoints.load, self.closing)
            record = of_document(data) if data is not None and not data.get("moved") else Record()
            record.reversed = self.record.reversed
            self.go_on_with(record)
        except (Stopped, PyMongoError):
            return None
        self.taken = ""
        return self._task()

    def _task(self) -> Task | None:
        return {
            State.RUNNING: self._replicating,
            State.FINALIZING: self._finalizing,
            State.REVERSING: self._reversing,
        }.get(self.record.state)

    @property
    def _doing(self) -> str:
        if self.record.state is State.FINALIZING:
            return "finalize"
        return "clone" if self.record.phase in (Phase.PREPARING, Phase.CLONING) else "change replication"

    def _fail(self, error: str) -> None:
        if self.closing.is_set():
            return
        LOG.error("Cluster Replication has failed: %s", error)
        self.record.error = error
        self.record.state = State.FAILED
        self.keep()

    def keep(self) -> None:
        """Save the record; what cannot be saved now is saved with the next checkpoint."""
        try:
            patiently(self.running.save, self.closing, cutover.PATIENCE)
        except (PyMongoError, LinkFailed, Stopped) as error:
            LOG.warning("the state %s could not be saved: %s", self.record.state.value, error)

    def _replicating(self) -> None:
        self.running.work()
        if self.running.paused_itself and self.record.state is State.RUNNING:
            self.record.state = State.PAUSED
        self.keep()

    def _finalizing(self) -> None:
        record, ending = self.record, self.closing
        LOG.info("Starting Finalization")
        if record.options.verify and record.can_write_at is None:
            self._verify(ending)
        run = self.running
        unsuccessful: tuple[UnsuccessfulIndex, ...] = ()
        if record.options.build_indexes is BuildIndexes.NEVER:
            finalizing.give_final_sizes(self.target, run.catalog, ending)
        else:
            unsuccessful = finalizing.give_final_form(self.target, run.catalog, ending, self.source)
        if record.can_write_at is None:
            if record.options.reversible:
                found = patiently(lambda: finalizing.opposite(self.target, run.catalog), ending)
                patiently(lambda: self._checkpoints.keep_opposite(found), ending)
            record.can_write_at = patiently(self.target.time, ending)
        started = record.finalization.started_at if record.finalization is not None else None
        with self.lock:
            record.finalization = Finalization(True, started, datetime.now(UTC), unsuccessful)
            record.state = State.FINALIZED
        self.keep()
        LOG.info("Finalization is completed")

    def _verify(self, stop: threading.Event) -> None:
        """Raises LinkFailed where source and target differ."""
        assert self.record.place is not None
        verification = self.running.verification

        def advance() -> StreamPlace:
            self.run = Run(self.source, self.target, self._checkpoints, self.record)
            self.run.verification = verification
            return cutover.advance(self.run, stop)

        try:
            verification.require_alike(self.record.place, advance, stop)
        except LinkFailed:
            self.record.differs = True
            if self.blocks:
                cutover.unblock(self.source, stop)  # nothing is cut over: clients go on with the source
            raise

    def _reversing(self) -> None:
        assert self._lease is not None
        lease, checkpoints, record = reversing.turned(
            self.source, self.target, self._place, self._checkpoints, self.record, self.closing
        )
        with self.lock:
            self._lease.give_up()
            self._lease, self._checkpoints, self.record = lease, checkpoints, record
            self.run = Run(self.source, self.target, checkpoints, record)
        self._replicating()
