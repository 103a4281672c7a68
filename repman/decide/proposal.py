"""What a playbook answers: a plan, or every reason why there is none, or that nothing needs doing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from repman.decide.view import View
from repman.model.command import Command
from repman.model.memory import Memory
from repman.model.plan import Plan
from repman.model.problem import Refusal


@dataclass(frozen=True, slots=True)
class Proposal:
    """One of `plan`, `refusals`, `unchanged` and `memory` is given; all empty: this playbook has nothing to do."""

    plan: Plan | None = None
    refusals: tuple[Refusal, ...] = ()
    unchanged: str = ""
    ranking: tuple[str, ...] = ()
    memory: Memory | None = None
    """For a wish that is fulfilled by remembering it: what is remembered from now on."""
    done: str = ""
    """The sentence that says so."""


Playbook = Callable[[View, Command], Proposal]
"""Answers one kind of command."""
