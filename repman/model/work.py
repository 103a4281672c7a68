"""What the web asks of the worker: live reads of one server, small acts on it, and jobs."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One request, by the name of its handler."""

    name: str
    """Such as ``processlist``, ``backup-logical``, ``job-cancel``."""
    cluster: str
    server: str = ""
    """Address of the server meant; empty for requests about the whole cluster."""
    arguments: dict[str, str] = field(default_factory=dict)
    user: str = ""
    """Who asks, for the audit trail and the job's record."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How a request ended."""

    status: str
    """``done``; ``started`` (a job, see `job`); ``refused`` (nothing was changed); ``failed``; ``unreachable`` (the
    server does not answer or denies us); ``timeout`` (it did not answer within the deadline)."""
    sentence: str = ""
    code: str = ""
    """A word for programs: why it was refused or failed."""
    document: object = None
    """The answer, ready for JSON."""
    job: str = ""
    """Identifier of the job that was started."""
