"""Where to go on with a plan that was left open."""

from __future__ import annotations

from repman.model.plan import FenceOutcome
from repman.state.record import JournalledPlan, StepRecord


def resumption(found: JournalledPlan) -> tuple[int, bool, dict[str, FenceOutcome]]:
    """How many steps are behind it, whether it was being undone, and how its fences ended.

    A step that was begun without a known outcome is done again: all steps are idempotent.
    """
    undoing = found.undoing
    steps = found.plan.undo if undoing else found.plan.steps
    done = 0
    for index in range(len(steps)):
        record = found.record(index, undoing)
        if not _behind(record):
            break
        done = index + 1
    fences = {
        record.step.server: record.outcome.fence
        for record in found.steps
        if record.outcome is not None and record.outcome.fence is not None and record.outcome.ok
    }
    return done, undoing, fences


def _behind(record: StepRecord | None) -> bool:
    if record is None or record.outcome is None:
        return False
    return record.outcome.ok or not record.step.essential
