"""What web knows of jobs, backups and plans: the worker's list and catalogue, the monitor's journal, read only."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from repman.state.backups import BackupReader
from repman.state.jobs import JobStore, OpenJobs
from repman.state.tally import Tally
from repman.web.call import House
from repman.web.render.jobs import server_keys


def jobs(house: House) -> JobStore:
    """The list of jobs."""
    return _store(house.settings.service.jobs_url)


def open_jobs(house: House) -> OpenJobs:
    """The jobs that have not ended; cheap to ask."""
    return _open(house.settings.service.jobs_url)


def backups(house: House) -> BackupReader:
    """The catalogue of backups; cheap to ask."""
    return _backups(house.settings.service.datadir)


def tally(house: House) -> Tally:
    """How often plans ended how."""
    return _tally(house.settings.service.journal_url)


def with_server_keys(house: House, name: str, documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Servers' documents with what backups and jobs say of them."""
    found, running = backups(house).backups(name), open_jobs(house).of(name)
    return [{**document, **server_keys(str(document["url"]), found, running)} for document in documents]


@cache
def _store(url: str) -> JobStore:
    return JobStore(url)


@cache
def _tally(url: str) -> Tally:
    return Tally(url)


@cache
def _open(url: str) -> OpenJobs:
    return OpenJobs(_store(url))


@cache
def _backups(datadir: Path) -> BackupReader:
    return BackupReader(datadir)
