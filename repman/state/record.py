"""A plan as the journal tells it: what was begun, what came of each step, where it stopped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from repman.model.plan import Outcome, Plan, Step
from repman.state.codec import decode


@dataclass(frozen=True, slots=True)
class Entry:
    """One appended line about a plan; what `text` holds depends on `what`."""

    what: str
    """``intent`` (a step), ``outcome`` (its outcome) or ``assume`` (a sentence)."""
    step: int
    undo: bool
    seconds: float
    text: str
    at: float = 0.0
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step that was begun."""

    index: int
    """Place in the plan's steps, or in its undo."""
    undo: bool
    step: Step
    began_at: float
    """Unix seconds."""
    outcome: Outcome | None = None
    """None: begun, and nobody knows how it ended."""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class JournalledPlan:
    """A plan with what the journal knows of its course."""

    id: str
    plan: Plan
    epoch: str
    """The lease epoch under which it was begun."""
    started_at: float
    """Unix seconds."""
    state: str
    """``running`` until closed."""
    detail: str
    ended_at: float | None
    steps: tuple[StepRecord, ...]
    """The steps that were begun, in the order of their first beginning; a repeated step stands once."""
    assumptions: tuple[str, ...]

    @property
    def undoing(self) -> bool:
        """Whether the undo steps had begun."""
        return any(record.undo for record in self.steps)

    @property
    def interrupted(self) -> StepRecord | None:
        """The step that was begun last and of which no outcome is known, if there is one."""
        for record in reversed(self.steps):
            if record.outcome is None:
                return record
        return None

    def record(self, index: int, undo: bool = False) -> StepRecord | None:
        """What is known of that step; None when it was not begun."""
        for record in self.steps:
            if (record.index, record.undo) == (index, undo):
                return record
        return None


def tell_course(entries: Iterable[Entry]) -> tuple[tuple[StepRecord, ...], tuple[str, ...]]:
    """The steps begun and the assumptions, from the entries in the order of their writing.

    A step begun again after its outcome has no outcome again.  Raises ValueError for an entry that cannot be
    read or an outcome without an intent.
    """
    steps: dict[tuple[int, bool], StepRecord] = {}
    assumptions: list[str] = []
    for entry in entries:
        key = (entry.step, entry.undo)
        if entry.what == "intent":
            steps[key] = StepRecord(entry.step, entry.undo, decode(Step, entry.text), entry.at)
        elif entry.what == "assume":
            assumptions.append(entry.text)
        elif key in steps:
            outcome = decode(Outcome, entry.text)
            steps[key] = replace(steps[key], outcome=outcome, seconds=entry.seconds)
        else:
            raise ValueError(f"step {entry.step} has an outcome and was never begun")
    return tuple(steps.values()), tuple(assumptions)
