"""What web knows of jobs and backups: the worker's list and catalogue, read only."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from repman.state.backups import BackupReader
from repman.state.jobs import JobStore, OpenJobs
from repman.web.call import House


def jobs(house: House) -> JobStore:
    """The list of jobs."""
    return _store(house.settings.service.jobs_url)


def open_jobs(house: House) -> OpenJobs:
    """The jobs that have not ended; cheap to ask."""
    return _open(house.settings.service.jobs_url)


def backups(house: House) -> BackupReader:
    """The catalogue of backups; cheap to ask."""
    return _backups(house.settings.service.datadir)


@cache
def _store(url: str) -> JobStore:
    return JobStore(url)


@cache
def _open(url: str) -> OpenJobs:
    return OpenJobs(_store(url))


@cache
def _backups(datadir: Path) -> BackupReader:
    return BackupReader(datadir)
