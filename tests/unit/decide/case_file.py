"""Case files: what is seen, look by look, and what must follow.  `tests/cases/README.md` explains the language."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from case_cluster import (
    LETTERS,
    Words,
    address,
    cluster_seen,
    letters,
    patched,
    policy_of,
    remembered,
    standard,
)

from repman.decide.remember import remember
from repman.decide.steps import forbidden
from repman.decide.tick import decide
from repman.decide.view import look
from repman.decide.witness import judge
from repman.model.command import Command, CommandKind
from repman.model.decision import Decision
from repman.model.memory import Memory
from repman.model.observation import ClusterSeen
from repman.model.plan import FenceOutcome, Plan, PlanKind, Step, StepKind
from repman.model.policy import ClusterPolicy
from repman.model.problem import Problem, Refusal

CASES = Path(__file__).parents[2] / "cases"
BEGAN, WALL = 1000.0, 1_700_000_000.0
_TOP = {"title", "why", "servers", "policy", "memory", "before", "proxies", "look", "after", "command", "expect"}


@dataclass(slots=True)
class Course:
    """A case on its way from look to look."""

    policy: ClusterPolicy
    servers: dict[str, Words]
    memory: Memory
    now: float = BEGAN
    beats: dict[str, int] = field(default_factory=dict)
    proxies: list[Words] = field(default_factory=list)

    def see(self) -> ClusterSeen:
        """One look at the cluster as it is now."""
        return cluster_seen(self.servers, self.now, self.beats, self.proxies)

    def patch(self, words: Words) -> None:
        """Change what the servers are like."""
        for letter in (key for key in words if key in LETTERS):
            self.servers[letter] = patched(self.servers[letter], words[letter])


def read(path: Path) -> Words:
    """The document of a case; fails on a word that the language does not have."""
    document = tomllib.loads(path.read_text())
    unknown = set(document) - _TOP - set(LETTERS) - {"check", "plan", "undo"}
    assert not unknown, f"{path.name} says {sorted(unknown)}, which means nothing"
    assert document.get("title"), f"{path.name} has no title"
    return document


def course(document: Words) -> Course:
    """The standard cluster, already watched for two looks, with the case's `before`, then its `memory`."""
    of = document.get("servers", "abc")
    before = document.get("before", {})
    begins = Course(policy_of(document.get("policy", {}), of), {one: standard(one, of) for one in of}, Memory("shop"))
    if before.get("watched", True):
        begins.patch(before)
        for _ in range(2):
            begins.memory = decide(begins.policy, begins.see(), begins.memory, None, begins.now, _wall(begins)).memory
            begins.now += 1.0
    if "keep" in before:
        kept = before["keep"]
        begins.policy = policy_of(document.get("policy", {}), kept)
        begins.servers = {letter: begins.servers[letter] for letter in kept}
    begins.memory = remembered(begins.memory, document.get("memory", {}))
    begins.proxies = document.get("proxies", [])
    return begins


def _wall(one: Course) -> float:
    return WALL + one.now


def looks(document: Words) -> list[Words]:
    """The looks of a case: its `look` tables, or the document itself as the only one."""
    found: list[Words] = document.get("look", [document])
    return found


def outcomes(document: Words) -> Iterator[tuple[Words, Words]]:
    """(what is expected, what came out) of each look that expects something; keys as in the expectation."""
    along = course(document)
    if "look" in document:
        along.patch(document)
    for number, one in enumerate(looks(document)):
        along.now += one.get("after", 1.0 if number else 0.0)
        along.patch(one)
        if number:
            along.memory = remembered(along.memory, one.get("memory", {}))
        seen, memory = along.see(), along.memory
        command = _command(one["command"]) if "command" in one else None
        decision = decide(along.policy, seen, memory, command, along.now, _wall(along))
        along.memory = decision.memory
        if "expect" in one:
            wanted = one["expect"]
            life = judge(along.policy, seen, decision.memory, along.now).life
            yield wanted, {key: told(key, decision, life) for key in wanted}


def _command(words: Words) -> Command:
    values = dict(words)
    kind = CommandKind(values.pop("do"))
    server = address(values.pop("to")) if "to" in values else ""
    return Command(kind, "shop", server, **values)


def told(key: str, decision: Decision, life: str) -> Any:
    """One part of a decision in the words of the case language."""
    parts: dict[str, Callable[[], Any]] = {
        "life": lambda: str(life),
        "writer": lambda: letters(decision.writer),
        "states": lambda: {letters(server): str(state) for server, state in decision.states},
        "problems": lambda: [_coded(problem) for problem in decision.problems],
        "refusals": lambda: [_coded(refusal) for refusal in decision.refusals],
        "blocked_by": lambda: [_coded(refusal) for refusal in decision.blocked_by],
        "write": lambda: letters(decision.routes.writer),
        "read": lambda: " ".join(letters(server) for server in decision.routes.readers),
        "topology": lambda: decision.topology,
        "plan": lambda: transcript(decision.plan),
        "undo": lambda: [_step(step) for step in decision.plan.undo] if decision.plan else [],
        "reason": lambda: letters(decision.plan.reason) if decision.plan else "",
        "assumptions": lambda: [letters(one) for one in decision.plan.assumptions] if decision.plan else [],
        "ranking": lambda: [letters(line) for line in decision.ranking],
        "sentences": lambda: [letters(refusal.sentence) for refusal in decision.refusals],
        "unchanged": lambda: letters(decision.unchanged),
        "degraded": lambda: decision.memory.degraded,
        "ackers": lambda: " ".join(letters(one.address) for one in decision.memory.servers if one.acker),
        "done": lambda: letters(decision.done),
        "rolling": lambda: letters(decision.memory.rolling.current) if decision.memory.rolling else "none",
        "held": lambda: " ".join(letters(one.address) for one in decision.memory.servers if one.held),
        "failovers": lambda: decision.memory.failovers,
    }
    return parts[key]()


def _coded(found: Problem | Refusal) -> str:
    return f"{found.code} {letters(found.server)}".strip()


def transcript(plan: Plan | None) -> list[str]:
    """The plan for people: what it is, then its steps; ``?`` marks a step that may fail."""
    if plan is None:
        return []
    moves = f" to {letters(plan.new_writer)}" if plan.new_writer else ""
    return [f"{plan.kind}{moves}:", *(_step(step) for step in plan.steps)]


def _step(step: Step) -> str:
    return letters(str(step)) + ("" if step.essential else " ?")


def checks(document: Words) -> Iterator[tuple[str, list[str], list[str]]]:
    """For tables of step legality: (title, expected refusals, refusals) of each `check`."""
    for one in document["check"]:
        own = {key: one[key] for key in ("servers", "policy", "memory", "before") if key in one}
        along = course({**document, **own})
        along.patch(document)
        along.patch(one)
        seen = along.see()
        view = look(along.policy, seen, remember(along.policy, seen, along.memory, along.now), along.now, _wall(along))
        plan, step = _plan(one.get("plan", document.get("plan", "failover a b"))), _read_step(one["step"])
        fences = {address(letter): FenceOutcome(word) for letter, word in one.get("fences", {}).items()}
        refusals = forbidden(view, plan, step, fences, one.get("undo", document.get("undo", False)))
        yield one["title"], one["refusals"], [refusal.code for refusal in refusals]


def _plan(text: str) -> Plan:
    kind, old, new = (*text.split(), "", "")[:3]
    return Plan(PlanKind(kind), "shop", (), "", old_writer=address(old) if old else "", new_writer=address(new))


def _read_step(text: str) -> Step:
    words, _, source = text.partition(" <- ")
    kind, server = words.split()
    return Step(StepKind(kind), address(server), address(source) if source else "")


def rewritten(path: Path) -> str:
    """The file's text with every expectation replaced by what comes out; its keys stay as they were chosen."""
    results = outcomes(read(path))
    parts = re.split(r"(?m)^(\[expect\]|\[look\.expect\])\n", path.read_text())
    text = parts[0]
    for header, body in zip(parts[1::2], parts[2::2], strict=True):
        following = re.search(r"(?m)^(?:#|\[)", body)
        rest = "\n" + body[following.start() :] if following else ""
        _, result = next(results)
        text += f"{header}\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in result.items()) + rest
    return text


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list) and (len(value) > 3 or any(len(item) > 60 for item in value)):
        return "[\n" + "".join(f"    {json.dumps(item)},\n" for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)
