"""Changes of the writer as the history keeps them.  Pure."""

from __future__ import annotations

from repman.model.decision import Takeover
from repman.model.plan import PlanKind
from repman.monitor.progress import Progress
from repman.state.history import Crash


def crash_of_plan(progress: Progress, wall: float) -> Crash:
    """A change that repman made."""
    plan = progress.plan
    old = progress.memory.server(plan.old_writer)
    new = progress.seen.server(plan.new_writer)
    return Crash(
        progress.memory.cluster,
        plan.old_writer,
        plan.new_writer,
        wall,
        plan.kind is PlanKind.SWITCHOVER,
        bool(old.last and old.last.semi_sync and old.last.semi_sync.lossless),
        str(old.last.executed) if old.last and old.last.executed else "",
        str(new.executed) if new.executed else "",
        old.unacknowledged,
        progress.id,
    )


def crash_of_takeover(cluster: str, takeover: Takeover) -> Crash:
    """A change that the servers made by themselves."""
    return Crash(
        cluster,
        takeover.old_writer,
        takeover.new_writer,
        takeover.seen_at,
        switchover=False,
        old_position=takeover.old_position,
        new_position=takeover.new_position,
    )
