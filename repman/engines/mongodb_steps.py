"""What can be done to members of a replica set, one step at a time.  Nothing here forces a set.

Sources: MongoDB manual, "replSetFreeze", "replSetStepDown", "replSetStepUp" (internal, used by MongoDB's own tools),
"replSetInitiate".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, wait
from dataclasses import dataclass
from typing import Any, TypeVar

from pymongo.errors import AutoReconnect, OperationFailure, PyMongoError

from repman.engines.mongodb_reach import words_of
from repman.engines.mongodb_read import optime
from repman.engines.mongodb_watch import Watch
from repman.model.plan import Outcome, Step, StepKind
from repman.model.position import Optime

T = TypeVar("T")

_POLL = 0.01
"""Seconds between two questions while something is waited for."""
_RETRY = 0.05
"""Seconds before an election that failed is asked for again."""
_SLICE = 0.1
"""Longest wait before the monitor is told that a step is still under way."""
_NOT_PRIMARY = frozenset({189, 10058, 10107, 11602, 13435})
_NOT_SECONDARY = frozenset({95, 10107})
_FAILED = 125
"""CommandFailed: nobody was elected, because the member did not stand, or did not get the votes."""


_INITIATED = 23
"""AlreadyInitialized."""


class StepFailed(Exception):
    """The aim of a step was not reached; the text says why."""


@dataclass(frozen=True, slots=True)
class Means:
    """What a step is done with."""

    step: Step
    watches: Mapping[str, Watch]
    pool: Executor
    waiting: Callable[[], None]
    ends: float
    """Monotonic seconds."""

    @property
    def left(self) -> float:
        """Seconds that are left."""
        return self.ends - time.monotonic()

    def command(self, address: str, *words: Any, seconds: float | None = None, **more: Any) -> dict[str, Any]:
        """The answer of a member to an administrative command, in the time that is left."""
        limit = self.left if seconds is None else min(seconds, self.left)
        with self.watches[address].within(limit) as client:
            return client.admin.command(*words, **more)

    def patiently(self, call: Callable[[], T]) -> T:
        """What `call` returns, which may take long; the monitor is told of the wait meanwhile."""
        future = self.pool.submit(call)
        while not wait((future,), _SLICE).done:
            self.waiting()
        return future.result()

    def until(self, condition: Callable[[], str], pause: float = _POLL) -> None:
        """Wait until `condition` gives an empty text; raises StepFailed with the last one when the time is over."""
        while missing := condition():
            if self.left <= 0:
                raise StepFailed(missing)
            self.waiting()
            time.sleep(min(pause, max(0.0, self.left)))


def catch_up(means: Means) -> Outcome:
    """Wait until the member has all that `source` had when the step began."""
    step = means.step
    wanted = _position(means.command(step.source, "hello"))

    def missing() -> str:
        reached = _position(means.command(step.server, "hello"))
        return "" if reached >= wanted else f"{step.server} is at {reached}, {step.source} was at {wanted}"

    means.until(missing)
    return Outcome(True, f"it has {wanted}")


def _position(hello: Mapping[str, Any]) -> Optime:
    found = optime(hello.get("lastWrite", {}).get("opTime"))
    if found is None:
        raise StepFailed("a member does not tell how far it is")
    return found


def freeze(means: Means) -> Outcome:
    """Keep a secondary from standing for election."""
    seconds = int(float(means.step.note or "30"))
    means.command(means.step.server, "replSetFreeze", seconds)
    return Outcome(True, f"it stands for no election for {seconds} s")


def thaw(means: Means) -> Outcome:
    """Let it stand again, also after it has stepped down.  A primary is not frozen."""
    try:
        means.command(means.step.server, "replSetFreeze", 0)
    except OperationFailure as error:
        if error.code not in _NOT_SECONDARY:
            raise
        return Outcome(True, "it is the primary")
    return Outcome(True, "it may be elected")


def step_down(means: Means) -> Outcome:
    """Let the primary hand over: it waits until another electable member has all of its writes, or stays."""
    address = means.step.server
    seconds = int(float(means.step.note or "30"))
    patience = max(1, min(seconds - 1, int(means.left) - 1))

    def ask() -> None:
        means.command(address, "replSetStepDown", seconds, secondaryCatchUpPeriodSecs=patience, force=False)

    try:
        means.patiently(ask)
    except AutoReconnect:
        pass  # servers before 4.2 close every connection as they step down; what has become of it is read back
    except OperationFailure as error:
        if error.code not in _NOT_PRIMARY:
            raise
    if means.command(address, "hello").get("isWritablePrimary"):
        raise StepFailed("it is still the primary")
    return Outcome(True, f"it is a secondary, and stands for no election for {seconds} s")


def step_up(means: Means) -> Outcome:
    """Ask the member to stand for election until it is the primary and a majority takes its writes."""
    address = means.step.server
    asked_at = 0.0

    def missing() -> str:
        nonlocal asked_at
        if means.command(address, "hello").get("isWritablePrimary"):
            return ""
        said = "it was elected and does not take writes yet"
        if time.monotonic() - asked_at >= _RETRY and not _elected(means, address):
            said = _stand(means, address)
            asked_at = time.monotonic()
        return said

    def no_majority_write() -> str:
        status = means.command(address, "replSetGetStatus")
        told = status.get("electionCandidateMetrics", {}).get("wMajorityWriteAvailabilityDate")
        return "" if told else "no majority has taken a write of its term"

    means.until(missing)
    means.until(no_majority_write)
    term = means.command(address, "replSetGetStatus").get("term")
    return Outcome(True, f"it is the primary of term {term}")


def _elected(means: Means, address: str) -> bool:
    return bool(means.command(address, "replSetGetStatus").get("myState") == 1)


def _stand(means: Means, address: str) -> str:
    """Ask for one election; the words of a failure, for the step's end."""
    try:
        means.patiently(lambda: means.command(address, "replSetStepUp"))
    except OperationFailure as error:
        if error.code != _FAILED:
            raise
        return str(error.details.get("errmsg", error) if error.details else error)
    return "it was elected and does not take writes yet"


def initiate(means: Means) -> Outcome:
    """Make one set of all servers; nothing when they are in one already.  Its name is what each was started with."""
    step = means.step
    names, roles = set(), set()
    for address in means.watches:
        parsed = means.command(address, "getCmdLineOpts").get("parsed", {})
        replication = parsed.get("replication", {})
        names.add(str(replication.get("replSetName") or replication.get("replSet") or ""))
        roles.add(str(parsed.get("sharding", {}).get("clusterRole", "")))
    if len(names) != 1 or len(roles) != 1 or "" in names:
        told = ", ".join(sorted(names)) or "none"
        raise StepFailed(f"the servers were not started with --replSet and one name for all of them (but: {told})")
    name = names.pop()
    if step.note and step.note != name:
        raise StepFailed(f"the servers were started with --replSet {name}, configured is {step.note}")
    config: dict[str, Any] = {
        "_id": name,
        "members": [{"_id": number, "host": address} for number, address in enumerate(means.watches)],
    }
    if "configsvr" in roles:
        config["configsvr"] = True
    try:
        means.patiently(lambda: means.command(step.server, "replSetInitiate", config))
    except OperationFailure as error:
        if error.code != _INITIATED:
            raise

    def primary() -> str:
        told = means.command(step.server, "hello")
        return "" if told.get("primary") else "no primary has been elected yet"

    means.until(primary)
    return Outcome(True, f"the set {name} has {len(config['members'])} members")


STEPS: Mapping[StepKind, Callable[[Means], Outcome]] = {
    StepKind.CATCH_UP: catch_up,
    StepKind.FREEZE: freeze,
    StepKind.THAW: thaw,
    StepKind.STEP_DOWN: step_down,
    StepKind.STEP_UP: step_up,
    StepKind.INITIATE: initiate,
}


def perform(means: Means) -> Outcome:
    """Do a step; every failure is an outcome."""
    act = STEPS.get(means.step.kind)
    if act is None:
        return Outcome(False, f"{means.step.kind} is nothing that members of a replica set can be made to do")
    try:
        return act(means)
    except StepFailed as error:
        return Outcome(False, str(error))
    except PyMongoError as error:
        return Outcome(False, words_of(error))
