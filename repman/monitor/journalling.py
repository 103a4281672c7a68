"""What the executor asks of a journal.  `repman.state.journal.Journal` is the one that lasts."""

from __future__ import annotations

from typing import Protocol

from repman.model.memory import Memory
from repman.model.plan import Outcome, Plan, Step


class PlanJournal(Protocol):
    """Intent is written before a step, outcome after it.  Every method raises JournalError."""

    def open_plan(self, plan: Plan, epoch: str, at: float) -> str:
        """Begin a plan; returns its identifier."""

    def intent(self, plan_id: str, index: int, step: Step, undo: bool = False) -> None:
        """Note that a step is about to be done."""

    def outcome(self, plan_id: str, index: int, outcome: Outcome, seconds: float, undo: bool = False) -> None:
        """Note how it ended."""

    def assume(self, plan_id: str, sentence: str) -> None:
        """Note what is taken for true without proof."""

    def save_memory(self, memory: Memory) -> None:
        """Keep what the cluster remembers."""

    def close_plan(self, plan_id: str, state: str, detail: str) -> None:
        """End a plan."""
