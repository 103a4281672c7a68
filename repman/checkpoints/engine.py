"""Checkpoints, snapshots and restores of one cluster: what the resource asks for, put together.

What goes wrong is raised, and what was being made is kept with the reason.  A process that dies leaves a wish on the
config servers and unfinished rows in the catalogue; `Engine.repair` undoes both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bson import ObjectId, Timestamp
from pymongo.errors import PyMongoError

from repman.checkpoints import moments, restore, retention, window
from repman.checkpoints.balancer import Balancer
from repman.checkpoints.catalogue import Catalogue, place_of_download
from repman.checkpoints.exclusion import Exclusion
from repman.checkpoints.holdings import Holdings
from repman.checkpoints.judging import Judge
from repman.checkpoints.keeping import Keeping
from repman.checkpoints.making import Making, Patience
from repman.checkpoints.model import Checkpoint, RestoreJob, RestoreStatus, Snapshot
from repman.checkpoints.moments import Moment
from repman.checkpoints.parts import Access, Cluster, open_cluster
from repman.checkpoints.replay import decisions_of
from repman.checkpoints.repository import Below, Directory, Repository
from repman.checkpoints.slices import Slices
from repman.checkpoints.snapshots import Snapshots, described
from repman.errors import CheckpointFailed, CheckpointRefused, RepmanError
from repman.mongo.patience import without_credentials

_SNAPSHOT_TRIES = 3
_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Settings:
    """How the engine of a cluster works."""

    threads: int = 4
    """That read from or write to servers at once."""
    slice_bytes: int = 64 * _MIB
    """Of an oplog, not compressed, in one file."""
    quota_bytes: int = 0
    """Most that the cluster's files may take; 0: no bound."""
    sums: bool = True
    """Whether every checkpoint sums up all collections, so that a restore of it is compared with them."""
    first_snapshot: bool = True
    """Whether a checkpoint that nothing leads to takes a base snapshot of its own moment."""
    patience: Patience = field(default_factory=Patience)


def quiet(step: str) -> None:
    """Tell nobody."""


class Engine:
    """One cluster; usable from several threads, each kind of work by one at a time.  Methods raise RepmanError."""

    def __init__(
        self,
        group: str,
        cluster: str,
        access: Access,
        repository: Repository,
        catalogue: Catalogue,
        datadir: Path,
        settings: Settings | None = None,
        tell: Callable[[str], None] = quiet,
    ) -> None:
        """`repository` may hold other clusters, too; `tell` hears of each step before it is done."""
        self._group, self._cluster, self._access = group, cluster, access
        self._files = repository
        self._repository = Below(repository, f"{group}/{cluster}")
        self._catalogue, self._datadir, self._tell = catalogue, datadir, tell
        self._settings = settings or Settings()
        self._holdings = Holdings(self._repository)
        self._judge = Judge(self._holdings)
        self._keeping = Keeping(group, cluster, self._repository, self._holdings, catalogue, self._settings.quota_bytes)
        self._slices = Slices(self._repository, self._holdings, self._settings.slice_bytes, tell)
        self._checkpointing = Exclusion(datadir, cluster, "checkpoint")
        self._reading = Exclusion(datadir, cluster, "snapshot")
        self._oplogs = Exclusion(datadir, cluster, "copy of the oplogs")

    def checkpoint(self) -> Checkpoint:
        """Make a checkpoint now and return it when it has ended, restorable or not.

        Raises CheckpointRefused while another one is made, and CheckpointFailed when it could not be ended; it is kept
        then with the reason.
        """
        with self._checkpointing.held(), self._opened() as cluster:
            made = Checkpoint(ObjectId(), self._group, self._cluster, datetime.now(UTC))
            making = Making(cluster, self._repository, self._slices, self._judge, self._settings.patience, self._tell)
            self._catalogue.checkpoints.save(made)
            try:
                made, moment = making.moment(made)
                self._catalogue.checkpoints.save(made)
                if self._holdings.snapshots():
                    with self._oplogs.held(wait=True):
                        making.oplogs(moment)
                names = [part.name for part in cluster.parts]
                # Whoever reads what is promised and not decided waits for the decision.
                if self._settings.sums and not self._judge.undecided(moment.at, names):
                    making.sums(made, moment)
                made = self._judge.checkpoint(made)
                if not made.restorable and self._may_begin(made, moment):
                    made = self._with_base(cluster, made, moment)
            except BaseException as error:
                sentence = _said(error)
                ended = made.completed or datetime.now(UTC)
                self._catalogue.checkpoints.save(
                    replace(made, completed=ended, restorable=False, reasons=(sentence,), flaws=(*made.flaws, sentence))
                )
                raise
            self._tell("checkpoint: judged")
            self._catalogue.checkpoints.save(made)
            return made

    def snapshot(self) -> Snapshot:
        """Take a base snapshot now and return it when it has ended.

        Raises CheckpointRefused while another one is taken or the quota is used up, and CheckpointFailed.
        """
        if over := self._keeping.over_quota():
            raise CheckpointRefused(f"The quota is exceeded by {over} bytes: delete snapshots, or raise it.")
        with self._reading.held(), self._opened() as cluster:
            for number in range(_SNAPSHOT_TRIES):
                moment = moments.find(cluster, ObjectId(), self._tell)
                if moment.unsettled and number < _SNAPSHOT_TRIES - 1:
                    continue
                try:
                    return self._take(cluster, moment)
                except CheckpointFailed:
                    # A collection may have been dropped while it was read: the next moment does not have it.
                    if number == _SNAPSHOT_TRIES - 1:
                        raise
            raise CheckpointFailed(
                "Collections are made and dropped all the time; take the snapshot when it is calmer."
            )

    def restore(self, job: RestoreJob) -> RestoreJob:
        """Carry out a restore, new or half done; returns it as it ended.

        Raises CheckpointRefused before anything was changed, also when what is needed is damaged, and CheckpointFailed.
        """
        self._holdings.forget()
        at, sums = self._wanted(job)
        parts = self._parts_of(job, at)
        verdict = self._judge.moment(at, parts, thorough=True)
        if verdict.way is None:
            raise CheckpointRefused(f"It cannot be restored. {' '.join(verdict.reasons)}")
        slices = {part: self._holdings.slices(part) for part in parts}
        request = job.request
        order = restore.Order(
            job.id, at, verdict.way, decisions_of(slices),
            self._holdings.checkpoint(sums) if sums is not None else None, request.overwrite,
        )  # fmt: skip
        job = replace(job, total_bytes=restore.total_of(verdict.way))

        def tell(done: int) -> None:
            kept = self._catalogue.restores.change(
                request.group, request.cluster, job.id,
                lambda value: replace(value, done_bytes=done, total_bytes=job.total_bytes),
            )  # fmt: skip
            if kept is not None and kept.status is RestoreStatus.KILLED:
                raise _Killed("It was ended on request; what is on the targets is of no use.")

        progress = restore.Progress(tell)

        def step(name: str) -> None:
            self._tell(name)
            progress.look()

        try:
            with _translated():
                if request.targets:
                    restore.to_servers(
                        order, dict(request.targets), self._repository, self._settings.threads, step, progress
                    )
                else:
                    place = place_of_download(self._datadir, job.id)
                    job = replace(job, hashes=restore.to_files(order, place, self._repository, progress))
        except _Killed as error:
            return replace(job, status=RestoreStatus.KILLED, reason=str(error))
        return replace(job, status=RestoreStatus.FINISHED, reason="", done_bytes=job.total_bytes)

    def repair(self) -> tuple[str, ...]:
        """Undo what a process that died left behind: the balancer runs again.  What was done, a sentence each.

        Raises CheckpointRefused when the checkpoint's process lives.
        """
        told: list[str] = []
        # Only one who holds both may say that nobody of this process is at work.
        with self._checkpointing.held(), self._opened() as cluster:
            told.append(Balancer(cluster, self._tell).repair())
            try:
                with self._reading.held():
                    told += window.repair(cluster)
                    told += self._end_unfinished()
            except CheckpointRefused:
                told.append("A snapshot is under way; nothing of it was touched.")
        return tuple(each for each in told if each)

    def expire(self, now: datetime) -> tuple[str, ...]:
        """Delete what retention and quota do not keep, and judge checkpoints anew; what was done, a sentence each."""
        parts = sorted({part for each in self._holdings.snapshots() for part in _names(each.parts)})
        with self._reading.held(), self._oplogs.held(wait=True):
            told = self._keeping.expire(now, parts)
            if isinstance(self._files, Directory):
                self._files.sweep((now - timedelta(days=1)).timestamp())
        return (*told, *self.review())

    def capture(self) -> tuple[str, ...]:
        """Copy what the oplogs have that is not copied yet; what was missed.  To be called every few minutes.

        Nothing is copied before there is a snapshot to which the oplog could be applied.
        """
        missed = []
        with self._opened() as cluster:
            # A checkpoint that could not reach the config servers at its end has left the balancer stopped.  One that
            # is under way will start it itself.
            with contextlib.suppress(CheckpointRefused), self._checkpointing.held():
                missed.append(Balancer(cluster, self._tell).repair())
            if self._holdings.snapshots():
                with self._oplogs.held(wait=True):
                    for part in cluster.parts:
                        missed.append(self._slices.capture(cluster, part))
        return tuple(each for each in missed if each)

    def review(self, thorough: bool = False) -> tuple[str, ...]:
        """Judge anew which checkpoints are restorable; what has changed, a sentence each.

        With `thorough` every file is read again, also where it looks unchanged.
        """
        told = []
        if thorough:
            self._holdings.forget()
        for each in self._catalogue.checkpoints.list(self._group, self._cluster):
            if each.completed is None:
                continue
            judged = self._judge.checkpoint(each, thorough)
            if judged != each:
                self._catalogue.checkpoints.save(judged)
                how = "is restorable again" if judged.restorable else f"is not restorable: {' '.join(judged.reasons)}"
                told.append(f"Checkpoint {each.id} {how}")
        return tuple(told)

    def _may_begin(self, checkpoint: Checkpoint, moment: Moment) -> bool:
        """Whether a snapshot of the checkpoint's own moment would make it restorable."""
        names = [part.shard or part.set_name for part in checkpoint.parts]
        fit = not checkpoint.flaws and not moment.unsettled and not self._judge.undecided(moment.at, names)
        return fit and self._settings.first_snapshot and not self._keeping.over_quota()

    def _with_base(self, cluster: Cluster, checkpoint: Checkpoint, moment: Moment) -> Checkpoint:
        try:
            with self._reading.held():
                self._take(cluster, moment)
        except (CheckpointFailed, CheckpointRefused) as error:
            # The checkpoint is made; only nothing leads to it.
            return replace(checkpoint, reasons=(*checkpoint.reasons, f"No snapshot of it could be taken: {error}"))
        return self._judge.checkpoint(checkpoint)

    def _take(self, cluster: Cluster, moment: Moment) -> Snapshot:
        taken = Snapshot(ObjectId(), self._group, self._cluster, moment.at)
        if moment.unsettled:
            raise CheckpointFailed(f"Collections of {', '.join(moment.unsettled)} were changed while they were listed.")
        self._catalogue.snapshots.save(taken)
        try:
            with self._oplogs.held(wait=True):
                for part in cluster.parts:
                    self._slices.capture(cluster, part, moment.since[part.name])
            manifest = Snapshots(self._repository, self._settings.threads, self._tell).take(cluster, taken, moment)
        except BaseException as error:
            self._catalogue.snapshots.save(replace(taken, reasons=(_said(error),)))
            with contextlib.suppress(RepmanError):  # what remains is deleted by the next repair
                self._keeping.forget(taken.id)
            raise
        schedule = self._catalogue.schedule(self._group, self._cluster)
        earlier = [
            each.created.as_datetime()
            for each in self._catalogue.snapshots.list(self._group, self._cluster)
            if each.complete
        ]
        made = described(manifest, taken)
        made = replace(made, expires=retention.expiry(made.created.as_datetime().astimezone(UTC), earlier, schedule))
        self._catalogue.snapshots.save(made)
        return made

    def _end_unfinished(self) -> list[str]:
        told = []
        manifests = {each.id: each for each in self._holdings.snapshots()}
        for checkpoint in self._catalogue.checkpoints.list(self._group, self._cluster):
            if checkpoint.completed is None:
                sentence = "repman ended while it was made."
                self._catalogue.checkpoints.save(
                    replace(checkpoint, completed=datetime.now(UTC), restorable=False, reasons=(sentence,),
                            flaws=(*checkpoint.flaws, sentence))
                )  # fmt: skip
                told.append(f"Checkpoint {checkpoint.id} was not completed.")
        for snapshot in self._catalogue.snapshots.list(self._group, self._cluster):
            if snapshot.complete:
                continue
            if snapshot.id in manifests:
                self._catalogue.snapshots.save(described(manifests[snapshot.id], snapshot))
                told.append(f"Snapshot {snapshot.id} is complete.")
            elif not snapshot.reasons:
                self._keeping.forget(snapshot.id)
                self._catalogue.snapshots.save(replace(snapshot, reasons=("repman ended while it was taken.",)))
                told.append(f"Snapshot {snapshot.id} was not completed; what there was of it is deleted.")
        return [*told, *self.review()]

    def _wanted(self, job: RestoreJob) -> tuple[Timestamp, ObjectId | None]:
        request = job.request
        if request.checkpoint is not None:
            found = self._catalogue.checkpoints.get(self._group, self._cluster, request.checkpoint)
            if found is None or found.at is None:
                raise CheckpointRefused(f"There is no checkpoint {request.checkpoint} that has a moment to restore.")
            if found.flaws:
                raise CheckpointRefused(f"It cannot be restored. {' '.join(found.flaws)}")
            return found.at, found.id
        if request.snapshot is not None:
            manifest = next((each for each in self._holdings.snapshots() if each.id == request.snapshot), None)
            if manifest is None:
                raise CheckpointRefused(
                    f"There is no complete snapshot {request.snapshot}, or its manifest is damaged."
                )
            return manifest.floor, None
        if request.at is None:
            raise CheckpointRefused("A restore needs a checkpoint, a snapshot or a moment.")
        return request.at, None

    def _parts_of(self, job: RestoreJob, at: Timestamp) -> list[str]:
        """The parts that the cluster had then."""
        if job.request.checkpoint is not None:
            found = self._catalogue.checkpoints.get(self._group, self._cluster, job.request.checkpoint)
            return _names(found.parts) if found else []
        before = [each for each in self._holdings.snapshots() if each.at <= at]
        return _names(before[0].parts) if before else []

    @contextlib.contextmanager
    def _opened(self) -> Iterator[Cluster]:
        with _translated(), open_cluster(self._access) as cluster:
            yield cluster


class _Killed(CheckpointFailed):
    """Somebody asked the restore to end."""


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """Errors of the driver in words, without accounts."""
    try:
        yield
    except PyMongoError as error:
        raise CheckpointFailed(f"The servers would not: {without_credentials(str(error))}") from error


def _said(error: BaseException) -> str:
    if isinstance(error, PyMongoError):
        return f"The servers would not: {without_credentials(str(error))}"
    return str(error) if isinstance(error, RepmanError) else f"It broke off: {type(error).__name__}."


def _names(parts: tuple[object, ...]) -> list[str]:
    return [getattr(part, "shard", "") or str(getattr(part, "set_name", "")) for part in parts]
