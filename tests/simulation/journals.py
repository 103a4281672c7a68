"""A journal in memory that tells a plan's course exactly as the lasting one does, and one that crashes."""

from __future__ import annotations

from repman.model.memory import Memory
from repman.model.plan import Outcome, Plan, Step
from repman.state.codec import decode, encode
from repman.state.record import Entry, JournalledPlan, tell_course


class Crash(BaseException):
    """kill -9 of repman, at a write to its journal."""


class MemoryJournal:
    """`repman.state.journal.Journal` without a database; a journal write number `crash_at` kills repman.

    `after`: the crash comes after that write is safe, otherwise before it.  Once crashed every call crashes, as a
    dead process writes nothing, until `revive`.
    """

    def __init__(self, crash_at: int = 0, after: bool = False) -> None:
        self.crash_at, self.after = crash_at, after
        self.writes = 0
        self.dead = False
        self.told: list[str] = []
        self._plans: dict[str, tuple[bytes, str, float]] = {}
        self._entries: dict[str, list[Entry]] = {}
        self._closed: dict[str, tuple[str, str]] = {}
        self._memory: bytes | None = None

    def revive(self) -> None:
        """A new process opens it."""
        self.dead = False

    def _write(self, what: str) -> bool:
        """Count a write; True when it is the one after which repman dies."""
        if self.dead:
            raise Crash
        self.writes += 1
        self.told.append(what)
        if self.writes == self.crash_at:
            self.dead = True
            if not self.after:
                raise Crash
            return True
        return False

    def count(self) -> None:
        """Stand for one write of another journal, after it."""
        self._end(self._write("write"), "")

    def open_plan(self, plan: Plan, epoch: str, at: float) -> str:
        dies = self._write(f"open {plan.kind}")
        identifier = f"plan{len(self._plans) + 1}"
        self._plans[identifier] = (encode(plan), epoch, at)
        self._entries[identifier] = []
        return self._end(dies, identifier)

    def intent(self, plan_id: str, index: int, step: Step, undo: bool = False) -> None:
        dies = self._write(f"intent {step}")
        self._entries[plan_id].append(Entry("intent", index, undo, 0.0, encode(step).decode()))
        self._end(dies, "")

    def outcome(self, plan_id: str, index: int, outcome: Outcome, seconds: float, undo: bool = False) -> None:
        dies = self._write(f"outcome {index}")
        self._entries[plan_id].append(Entry("outcome", index, undo, seconds, encode(outcome).decode()))
        self._end(dies, "")

    def assume(self, plan_id: str, sentence: str) -> None:
        dies = self._write("assume")
        self._entries[plan_id].append(Entry("assume", 0, False, 0.0, sentence))
        self._end(dies, "")

    def close_plan(self, plan_id: str, state: str, detail: str) -> None:
        dies = self._write(f"close {state}")
        self._closed[plan_id] = (state, detail)
        self._end(dies, "")

    def save_memory(self, memory: Memory) -> None:
        if self.dead:
            raise Crash
        self._memory = encode(memory)

    def load_memory(self, cluster: str) -> Memory | None:
        return None if self._memory is None else decode(Memory, self._memory)

    def unfinished(self, cluster: str) -> JournalledPlan | None:
        open_ones = [one for one in self._plans if one not in self._closed]
        return self._journalled(open_ones[-1]) if open_ones else None

    def plans(self) -> list[JournalledPlan]:
        return [self._journalled(one) for one in self._plans]

    def _journalled(self, identifier: str) -> JournalledPlan:
        document, epoch, at = self._plans[identifier]
        state, detail = self._closed.get(identifier, ("running", ""))
        steps, assumptions = tell_course(self._entries[identifier])
        plan = decode(Plan, document)
        return JournalledPlan(identifier, plan, epoch, at, state, detail, None, steps, assumptions)

    @staticmethod
    def _end(dies: bool, value: str) -> str:
        if dies:
            raise Crash
        return value
