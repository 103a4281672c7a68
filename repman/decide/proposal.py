"""What a playbook answers: a plan, or every reason why there is none, or that nothing needs doing."""

from __future__ import annotations

from dataclasses import dataclass

from repman.model.plan import Plan
from repman.model.problem import Refusal


@dataclass(frozen=True, slots=True)
class Proposal:
    """Exactly one of `plan`, `refusals` and `unchanged` is given; all empty: this playbook has nothing to do."""

    plan: Plan | None = None
    refusals: tuple[Refusal, ...] = ()
    unchanged: str = ""
    ranking: tuple[str, ...] = ()
