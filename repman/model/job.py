"""Jobs: work that takes longer than a request and is kept in a history."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class JobKind(StrEnum):
    """What a job does."""

    BACKUP_LOGICAL = "backup-logical"
    BACKUP_PHYSICAL = "backup-physical"
    RESEED = "reseed"
    OPTIMIZE = "optimize"
    ANALYZE = "analyze"
    ERROR_LOG = "error-log"
    SLOW_QUERY_LOG = "slow-query-log"
    CHECKSUM = "checksum"


class JobState(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    """Accepted; a thread will take it up."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    """The worker died or was stopped in the middle of it."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self not in (JobState.WAITING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class Job:
    """One job, as it was when it was last written down."""

    id: str
    kind: JobKind
    cluster: str
    server: str
    """Address of the server it is about; empty when it is about the whole cluster."""
    created_at: float
    """Unix seconds, as all times here."""
    arguments: dict[str, str] = field(default_factory=dict)
    user: str = ""
    """Who asked for it; ``scheduler`` when it was the time of day."""
    state: JobState = JobState.WAITING
    step: str = ""
    """What it does now, or did last, in words."""
    bytes_done: int = 0
    bytes_total: int = 0
    """0 while nobody can know it."""
    result: dict[str, object] = field(default_factory=dict)
    """What came of it, ready for JSON."""
    error: str = ""
    """Why it did not reach its aim, and what to do."""
    started_at: float | None = None
    ended_at: float | None = None

    @property
    def progress(self) -> float | None:
        """From 0 to 1; None while nobody can know it."""
        if self.state is JobState.DONE:
            return 1.0
        return min(1.0, self.bytes_done / self.bytes_total) if self.bytes_total else None
