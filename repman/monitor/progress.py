"""A plan on its way: what has been done, for the snapshot, the journal and the receipt."""

from __future__ import annotations

from dataclasses import dataclass, field

from repman.model.decision import Routes
from repman.model.memory import Memory
from repman.model.observation import ClusterSeen
from repman.model.plan import FenceOutcome, Plan
from repman.model.snapshot import PlanView


@dataclass(slots=True)
class Progress:
    """The one mutable value of an execution; owned by the executor, read by whoever reports."""

    id: str
    plan: Plan
    memory: Memory
    seen: ClusterSeen
    routes: Routes
    started_at: float
    """Unix seconds."""
    began: float
    """Monotonic seconds."""
    state: str = "running"
    detail: str = ""
    current: int = 0
    seconds: float = 0.0
    step_seconds: list[float] = field(default_factory=list)
    fences: dict[str, FenceOutcome] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    """Servers that are not looked at again in this plan, as they would cost each step its time."""
    refusals: tuple[tuple[str, str], ...] = ()
    opened: bool = False
    """The new writer accepts writes, so there is no way back."""

    def view(self) -> PlanView:
        """This execution as published."""
        return PlanView(
            self.id,
            self.plan.kind,
            self.plan.reason,
            self.plan.steps,
            self.current,
            self.state,
            self.detail,
            self.started_at,
            self.seconds,
            self.plan.old_writer,
            self.plan.new_writer,
            tuple(self.step_seconds),
        )
