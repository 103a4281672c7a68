"""What is known of checkpoints, snapshots and restores, in a database of its own; the engine and the resource share it.

Each value is one row: what it is looked up by, and the value as JSON.  A row that is written is on the disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

from bson import ObjectId
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    delete,
    func,
    insert,
    select,
    update,
)

from repman.checkpoints.codec import decode, encode
from repman.checkpoints.model import Checkpoint, Download, RestoreJob, Snapshot, SnapshotSchedule
from repman.errors import StateError
from repman.state.database import DATABASE_ERRORS, Lazily, explain
from repman.state.schema import Schema

T = TypeVar("T")
V = TypeVar("V")

FILE = "checkpoints.db"
"""Below the data directory."""

_TABLES = MetaData()
_ACCOUNT = re.compile(r"(?<=://).*@")


def _table(name: str) -> Table:
    return Table(
        name,
        _TABLES,
        Column("id", String(24), primary_key=True),
        Column("project", String(64), nullable=False),
        Column("cluster", String(64), nullable=False),
        Column("at", Float(53), nullable=False),
        Column("document", Text, nullable=False),
        Index(f"{name}_place", "project", "cluster", "at"),
    )


_CHECKPOINT = _table("checkpoint")
_SNAPSHOT = _table("checkpoint_snapshot")
_RESTORE = _table("checkpoint_restore")
_SCHEDULE = Table(
    "checkpoint_schedule",
    _TABLES,
    Column("project", String(64), primary_key=True),
    Column("cluster", String(64), primary_key=True),
    Column("document", Text, nullable=False),
)
_DOWNLOAD = Table(
    "checkpoint_download",
    _TABLES,
    Column("job", String(24), primary_key=True),
    Column("expires", Float(53), nullable=False),
    Column("most", Integer, nullable=False),
)
_FETCHED = Table(
    "checkpoint_fetched",
    _TABLES,
    Column("job", String(24), primary_key=True),
    Column("file", String(255), primary_key=True),
    Column("number", Integer, nullable=False),
)
SCHEMA = Schema("checkpoints", "0001", _TABLES)


def place_of_download(datadir: Path, job: ObjectId) -> Path:
    """The directory of the files that a restore without targets has made."""
    return datadir / "downloads" / str(job)


class Store:
    """The database behind a catalogue; usable from several threads and processes.  Raises StateError."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._database = Lazily(url, SCHEMA, "synchronous=FULL")

    def read(self, work: Callable[[Connection], V]) -> V:
        """What `work` makes of what is stored."""
        return self._do(lambda engine: engine.connect(), work)

    def write(self, work: Callable[[Connection], V]) -> V:
        """Let `work` change what is stored, wholly or, when it raises, not at all."""
        return self._do(lambda engine: engine.begin(), work)

    def close(self) -> None:
        """Give up all connections."""
        self._database.close()

    def _do(self, begin: Callable[[Engine], AbstractContextManager[Connection]], work: Callable[[Connection], V]) -> V:
        try:
            with begin(self._database.engine()) as connection:
                return work(connection)
        except DATABASE_ERRORS as error:
            raise StateError(explain("The catalogue of checkpoints", self._url, error)) from error


class Shelf(Generic[T]):
    """All values of one kind.  Every method raises StateError when the database cannot be used."""

    def __init__(
        self,
        store: Store,
        table: Table,
        kind: type[T],
        key: Callable[[T], tuple[ObjectId, str, str, float]],
        kept: Callable[[T], T] = lambda value: value,
    ) -> None:
        """`key` gives id, group, cluster and the time by which values are sorted; `kept`: what of a value is written."""
        self._store, self._table, self._kind, self._key, self._kept = store, table, kind, key, kept

    def save(self, value: T) -> None:
        """Keep a value, in the place of an earlier one of the same id."""
        identifier, group, cluster, at = self._key(value)
        row = {
            "id": str(identifier),
            "project": group,
            "cluster": cluster,
            "at": at,
            "document": encode(self._kept(value)),
        }

        def work(connection: Connection) -> None:
            connection.execute(delete(self._table).where(self._table.c.id == row["id"]))
            connection.execute(insert(self._table).values(row))

        self._store.write(work)

    def get(self, group: str, cluster: str, identifier: ObjectId) -> T | None:
        """That value of that cluster, or None."""
        return self._store.read(lambda connection: self._one(connection, group, cluster, identifier))

    def find(self, identifier: ObjectId) -> T | None:
        """That value of whatever cluster, or None."""
        wanted = select(self._table.c.document).where(self._table.c.id == str(identifier))
        document = self._store.read(lambda connection: connection.execute(wanted).scalar())
        return None if document is None else self._read(document)

    def list(self, group: str, cluster: str, offset: int = 0, limit: int | None = None) -> tuple[T, ...]:
        """The values of a cluster, newest first."""
        return self.page(group, cluster, offset, limit)[0]

    def page(self, group: str, cluster: str, offset: int, limit: int | None) -> tuple[tuple[T, ...], int]:
        """Some values of a cluster, newest first, and how many there are in all, at the same moment."""
        table, mine = self._table, self._place(group, cluster)
        wanted = select(table.c.document, func.count().over()).where(mine)
        wanted = wanted.order_by(table.c.at.desc(), table.c.id.desc()).offset(offset).limit(limit)
        total = select(func.count()).select_from(table).where(mine)

        def work(connection: Connection) -> tuple[tuple[T, ...], int]:
            found = connection.execute(wanted).all()
            number = found[0][1] if found else connection.execute(total).scalar_one()
            return tuple(self._read(row[0]) for row in found), int(number)

        return self._store.read(work)

    def change(self, group: str, cluster: str, identifier: ObjectId, decide: Callable[[T], T]) -> T | None:
        """Put in the place of a value what `decide` makes of it; None when there is none.

        Nobody else can change it in between, and what `decide` raises leaves it as it was.
        """
        row = self._table.c.id == str(identifier)

        def work(connection: Connection) -> T | None:
            # A write that changes nothing takes the lock before the value is read.
            connection.execute(update(self._table).where(row).values(id=str(identifier)))
            before = self._one(connection, group, cluster, identifier)
            if before is None:
                return None
            after = decide(before)
            connection.execute(
                update(self._table).where(row).values(at=self._key(after)[3], document=encode(self._kept(after)))
            )
            return after

        return self._store.write(work)

    def remove(self, group: str, cluster: str, identifier: ObjectId) -> bool:
        """Forget a value; False when there was none."""
        gone = delete(self._table).where(self._place(group, cluster), self._table.c.id == str(identifier))
        return self._store.write(lambda connection: connection.execute(gone).rowcount > 0)

    def _one(self, connection: Connection, group: str, cluster: str, identifier: ObjectId) -> T | None:
        wanted = select(self._table.c.document).where(self._place(group, cluster), self._table.c.id == str(identifier))
        document = connection.execute(wanted).scalar()
        return None if document is None else self._read(document)

    def _place(self, group: str, cluster: str) -> ColumnElement[bool]:
        return (self._table.c.project == group) & (self._table.c.cluster == cluster)

    def _read(self, document: Any) -> T:
        try:
            return decode(self._kind, document)
        except ValueError as error:
            sentence = f"The catalogue of checkpoints holds something that is no {self._kind.__name__}: {error}"
            raise StateError(f"{sentence}; restore {FILE} from a backup, or move it away") from error


class Catalogue:
    """The catalogue of one data directory; usable from several threads and processes.

    Every method, and those of the shelves, raises StateError when the database cannot be used.
    """

    def __init__(self, url: str) -> None:
        """`url`: of SQLAlchemy.  Nothing is opened before it is needed."""
        self._store = store = Store(url)
        self.checkpoints: Shelf[Checkpoint] = Shelf(store, _CHECKPOINT, Checkpoint, _key_of_checkpoint)
        self.snapshots: Shelf[Snapshot] = Shelf(store, _SNAPSHOT, Snapshot, _key_of_snapshot)
        self.restores: Shelf[RestoreJob] = Shelf(store, _RESTORE, RestoreJob, _key_of_restore, _without_accounts)

    @classmethod
    def below(cls, datadir: Path) -> Catalogue:
        """The catalogue in that data directory."""
        return cls(f"sqlite:///{datadir / FILE}")

    def schedule(self, group: str, cluster: str) -> SnapshotSchedule:
        """A cluster's schedule; the defaults when nobody has set one."""
        here = (_SCHEDULE.c.project == group) & (_SCHEDULE.c.cluster == cluster)
        found = self._store.read(
            lambda connection: connection.execute(select(_SCHEDULE.c.document).where(here)).scalar()
        )
        return SnapshotSchedule() if found is None else decode(SnapshotSchedule, found)

    def save_schedule(self, group: str, cluster: str, schedule: SnapshotSchedule) -> None:
        """Give a cluster another schedule."""
        here = (_SCHEDULE.c.project == group) & (_SCHEDULE.c.cluster == cluster)

        def work(connection: Connection) -> None:
            connection.execute(delete(_SCHEDULE).where(here))
            connection.execute(insert(_SCHEDULE).values(project=group, cluster=cluster, document=encode(schedule)))

        self._store.write(work)

    def save_download(self, download: Download) -> None:
        """Keep how a restore may be fetched; how often that was done is counted by `fetch`."""
        row = {
            "job": str(download.job),
            "expires": download.expires.timestamp(),
            "most": download.most,
        }

        def work(connection: Connection) -> None:
            connection.execute(delete(_DOWNLOAD).where(_DOWNLOAD.c.job == row["job"]))
            connection.execute(insert(_DOWNLOAD).values(row))

        self._store.write(work)

    def download(self, job: ObjectId) -> Download | None:
        """How the restore with that id may be fetched; None when it is none that can be."""
        return self._store.read(lambda connection: _download(connection, job))

    def fetch(self, job: ObjectId, file: str, now: datetime) -> bool:
        """Count one more fetch of a file; False, and nothing is counted, when it may not be fetched any more."""
        mine = (_FETCHED.c.job == str(job)) & (_FETCHED.c.file == file)

        def work(connection: Connection) -> bool:
            connection.execute(update(_DOWNLOAD).where(_DOWNLOAD.c.job == str(job)).values(job=str(job)))
            allowed = _download(connection, job)
            number = connection.execute(select(_FETCHED.c.number).where(mine)).scalar() or 0
            if allowed is None or allowed.expires <= now or number >= allowed.most:
                return False
            connection.execute(delete(_FETCHED).where(mine))
            connection.execute(insert(_FETCHED).values(job=str(job), file=file, number=number + 1))
            return True

        return self._store.write(work)

    def expired_downloads(self, now: datetime) -> tuple[ObjectId, ...]:
        """The restores whose files nobody may fetch any more, because their time is over."""
        wanted = select(_DOWNLOAD.c.job).where(_DOWNLOAD.c.expires <= now.timestamp())
        return self._store.read(lambda connection: tuple(map(ObjectId, connection.execute(wanted).scalars())))

    def forget_download(self, job: ObjectId) -> None:
        """Let the restore be none that can be fetched; the restore itself stays known."""

        def work(connection: Connection) -> None:
            connection.execute(delete(_DOWNLOAD).where(_DOWNLOAD.c.job == str(job)))
            connection.execute(delete(_FETCHED).where(_FETCHED.c.job == str(job)))

        self._store.write(work)

    def close(self) -> None:
        """Give up all connections."""
        self._store.close()


def _download(connection: Connection, job: ObjectId) -> Download | None:
    row = connection.execute(select(_DOWNLOAD).where(_DOWNLOAD.c.job == str(job))).first()
    if row is None:
        return None
    fetched = connection.execute(select(func.max(_FETCHED.c.number)).where(_FETCHED.c.job == str(job))).scalar() or 0
    return Download(job, datetime.fromtimestamp(row.expires, UTC), row.most, fetched)


def _without_accounts(job: RestoreJob) -> RestoreJob:
    targets = tuple((part, _ACCOUNT.sub("", uri)) for part, uri in job.request.targets)
    return replace(job, request=replace(job.request, targets=targets))


def _key_of_checkpoint(value: Checkpoint) -> tuple[ObjectId, str, str, float]:
    return value.id, value.group, value.cluster, value.started.timestamp()


def _key_of_snapshot(value: Snapshot) -> tuple[ObjectId, str, str, float]:
    return value.id, value.group, value.cluster, value.created.time + value.created.inc / 2**32


def _key_of_restore(value: RestoreJob) -> tuple[ObjectId, str, str, float]:
    return value.id, value.request.group, value.request.cluster, value.created.timestamp()
