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

from datetime import UTC, datetime

from pymongo.errors import PyMongoError

from repman.errors import LinkFailed, LinkRefused
from repman.link import cutover, guards
from repman.link.connection import Cluster
from repman.link.figures import Figures
from repman.link.options import LinkOptions
from repman.link.place import Place
from repman.link.record import Record
from repman.link.showing import shown
from repman.link.status import Finalization, Phase, State, Status
from repman.link.work import Work

__all__ = ["Link", "Place"]


class Link:
    """One link between two clusters."""

    def __init__(
        self, source_uri: str, target_uri: str, place: Place, names: tuple[str, str] = ("source", "target")
    ) -> None:
        """Nothing is opened before `open`.  `names` are what the operator calls the two clusters."""
        self._work = Work((Cluster(source_uri, names[0]), Cluster(target_uri, names[1])), place)

    def open(self, wait_for_lease: bool = True) -> None:
        """Connect, take the lease of the link, and go on where it was.

        Waits until another process has given the lease up, or raises LinkTaken at once.  Raises LinkFailed with
        ``connect to source cluster: ...`` and the like when a cluster cannot be used.
        """
        self._work.open(wait_for_lease)

    def close(self) -> None:
        """Stop all work at a point from which it goes on, and give the lease up."""
        self._work.close()

    def start(self, options: LinkOptions, again: bool = True) -> None:
        """Begin a run; with `again` also after one that was finalized.  Raises LinkRefused."""
        work = self._work
        with work.lock:
            state = work.record.state
            if state is State.PAUSED:
                raise LinkRefused("is-paused", "the link is paused: resume it")
            if state is State.FINALIZED and not again:
                raise LinkRefused("not-idle", "the link was finalized")
            if state not in (State.IDLE, State.FINALIZED):
                raise LinkRefused("already-running", f"the link is {state.value}")
            try:
                guards.require_possible(work.source, work.target, options, work.closing)
                work.join()
                record = Record.new(options)
                record.reversed = work.record.reversed
                work.go_on_with(record)
                work.running.save()
            except PyMongoError as error:
                raise LinkFailed(f"start: {error}") from error
            work.begin()

    def pause(self, while_cloning: bool = True) -> None:
        """Stop for a while; what is under way is still finished in the background.  Raises LinkRefused."""
        work = self._work
        with work.lock:
            if work.record.state is not State.RUNNING or work.run is None:
                raise LinkRefused("not-running", f"the link is {work.record.state.value}")
            if not while_cloning and work.record.phase in (Phase.PREPARING, Phase.CLONING):
                raise LinkRefused("cloning", "the clone is not complete")
            work.record.state = State.PAUSED
            work.run.stop.set()
        work.keep()

    def resume(self, from_failure: bool = False) -> None:
        """Go on after a pause, or after a failure.  Waits until the pause is complete.  Raises LinkRefused."""
        work = self._work
        with work.lock:
            state = work.record.state
            if state is State.FAILED and not from_failure:
                raise LinkRefused("not-paused", "the link has failed: resume it from the failure")
            if state not in (State.PAUSED, State.FAILED):
                code = "not-failed" if from_failure else "not-paused"
                raise LinkRefused(code, f"the link is {state.value}")
            work.join()
            work.record.error = ""
            work.record.state = State.RUNNING
            if work.record.history_lost and work.record.phase is Phase.REPLICATING:
                work.record.phase = Phase.CATCHING_UP
            try:
                work.go_on_with(work.record)
                work.running.save()
            except PyMongoError as error:
                work.record.state = state
                raise LinkFailed(f"resume: {error}") from error
            work.begin()

    def finalize(self) -> None:
        """Apply what the source has now, stop replicating, then give indexes and collections their final form.

        Returns when replication has stopped; the rest is done in the background.  When it was finalized already,
        the indexes that were unsuccessful are tried again.  Raises LinkRefused and, when replication cannot be
        stopped in order, LinkFailed.
        """
        work = self._work
        with work.lock:
            record = work.record
            if record.state is State.FINALIZING:
                return
            if record.state is State.FAILED:
                raise LinkRefused("has-failed", record.error)
            if record.state is State.IDLE or record.phase in (Phase.PREPARING, Phase.CLONING):
                raise LinkRefused("cloning", "the clone is not complete")
            if record.phase is not Phase.REPLICATING:
                raise LinkRefused("catching-up", "the target is not consistent yet")
            if record.state is State.RUNNING:
                cutover.drain(work.running, work.blocks, work.alive, work.closing)
            work.join()
            record.state = State.FINALIZING
            record.finalization = Finalization(False, datetime.now(UTC), None)
            work.keep()
            work.begin()

    def reverse(self) -> None:
        """Replicate in the other direction, from the moment at which the target was opened.  Raises LinkRefused."""
        work = self._work
        with work.lock:
            if work.record.state is not State.FINALIZED:
                raise LinkRefused("not-finalized", f"the link is {work.record.state.value}")
            if not work.record.options.reversible:
                raise LinkRefused("not-reversible", "the link was not started as reversible")
            guards.require_way_back(work.target, work.record)
            work.join()
            work.record.state = State.REVERSING
            work.keep()
            work.begin()

    @property
    def figures(self) -> Figures:
        """What was counted and timed so far."""
        run = self._work.run
        return run.progress.figures if run is not None else Figures()

    def status(self) -> Status:
        """What is known now; asks no cluster."""
        work = self._work
        return shown(work.record, work.run, work.vitals, (work.source, work.target), work.taken)
