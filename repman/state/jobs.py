"""The jobs and their history: written by the worker, read by everybody else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    Row,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
    update,
)

from repman.errors import StateError
from repman.model.job import Job, JobKind, JobState
from repman.state.database import DATABASE_ERRORS, Lazily, explain
from repman.state.schema import Schema

T = TypeVar("T")

KEEP = 1000
"""Ended jobs kept of each cluster."""
_TABLES = MetaData()
_NUMBER = BigInteger().with_variant(Integer, "sqlite")
_JOB = Table(
    "job",
    _TABLES,
    Column("number", _NUMBER, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("cluster", String(255), nullable=False),
    Column("server", String(255), nullable=False),
    Column("created_at", Float(53), nullable=False),
    Column("arguments", Text, nullable=False),
    Column("user", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("step", Text, nullable=False),
    Column("bytes_done", BigInteger, nullable=False),
    Column("bytes_total", BigInteger, nullable=False),
    Column("result", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("started_at", Float(53)),
    Column("ended_at", Float(53)),
    Index("job_cluster", "cluster", "number"),
    Index("job_state", "state"),
)
SCHEMA = Schema("jobs", "0001", _TABLES)
_FRESH = 1.0
_OPEN = (JobState.WAITING.value, JobState.RUNNING.value)


class JobStore:
    """All jobs of one installation; usable from several threads.  Everything raises StateError."""

    def __init__(self, url: str, keep: int = KEEP) -> None:
        """Nothing is opened before the first use."""
        self._url = url
        self._keep = keep
        self._database = Lazily(url, SCHEMA)

    def add(self, job: Job) -> int:
        """Write a new job down; returns its number, which grows.  Old ones of its cluster go."""

        def work(connection: Connection) -> int:
            number = int(connection.execute(insert(_JOB).values(_row(job)).returning(_JOB.c.number)).scalar_one())
            ended = (_JOB.c.cluster == job.cluster) & _JOB.c.state.not_in(_OPEN)
            oldest = select(_JOB.c.number).where(ended).order_by(_JOB.c.number.desc()).offset(self._keep).limit(1)
            if (last := connection.execute(oldest).scalar()) is not None:
                connection.execute(delete(_JOB).where(ended, _JOB.c.number <= last))
            return number

        return self._do(work)

    def save(self, job: Job) -> None:
        """Write down how far it is."""
        self._do(lambda connection: connection.execute(update(_JOB).where(_JOB.c.id == job.id).values(_row(job))))

    def get(self, identifier: str) -> Job | None:
        """That job, or None."""
        found = self._do(lambda connection: connection.execute(select(_JOB).where(_JOB.c.id == identifier)).first())
        return None if found is None else _job(found)

    def latest(self, cluster: str, limit: int = 200) -> tuple[tuple[int, Job], ...]:
        """The latest jobs of a cluster with their numbers, newest first."""
        wanted = select(_JOB).where(_JOB.c.cluster == cluster).order_by(_JOB.c.number.desc()).limit(limit)
        rows = self._do(lambda connection: connection.execute(wanted).all())
        return tuple((row.number, _job(row)) for row in rows)

    def open(self) -> tuple[Job, ...]:
        """All jobs that have not ended, oldest first."""
        wanted = select(_JOB).where(_JOB.c.state.in_(_OPEN)).order_by(_JOB.c.number)
        return tuple(_job(row) for row in self._do(lambda connection: connection.execute(wanted).all()))

    def close(self) -> None:
        """Give up all connections."""
        self._database.close()

    def _do(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._database.engine().begin() as connection:
                return work(connection)
        except DATABASE_ERRORS as error:
            raise StateError(explain("The list of jobs", self._url, error)) from error


def _row(job: Job) -> dict[str, Any]:
    row = asdict(job)
    for name in ("arguments", "result"):
        row[name] = json.dumps(row[name], ensure_ascii=False)
    return {**row, "kind": job.kind.value, "state": job.state.value}


def _job(row: Row[Any]) -> Job:
    values = {name: value for name, value in row._mapping.items() if name != "number"}
    for name in ("arguments", "result"):
        values[name] = json.loads(values[name])
    return Job(**{**values, "kind": JobKind(values["kind"]), "state": JobState(values["state"])})


class OpenJobs:
    """The jobs that have not ended, read again after a second: for those who ask very often."""

    def __init__(self, store: JobStore) -> None:
        self._store = store
        self._until = 0.0
        self._found: dict[str, list[Job]] = {}

    def of(self, cluster: str) -> tuple[Job, ...]:
        """A cluster's open jobs.  Raises StateError."""
        now = time.monotonic()
        if now >= self._until:
            found: dict[str, list[Job]] = {}
            for job in self._store.open():
                found.setdefault(job.cluster, []).append(job)
            self._found, self._until = found, now + _FRESH
        return tuple(self._found.get(cluster, ()))
