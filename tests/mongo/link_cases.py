"""Many small replications in one run of a link: each case has databases of its own, one for every phase.

A run takes seconds whatever is in it, so all cases of a module share one.  In the middle of it the link is made to go
back to where its clone began, as after a crash, and applies everything once more over what is there already: that must
change nothing.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from link_stand import Data, LinkStand, Phase, database_differences, empty, linked
from mongo_stand import ReplicaSet
from pymongo.write_concern import WriteConcern

Act = Callable[[Data], object]
Check = Callable[[Data, Data], object]
_ONE = WriteConcern(1)
_AT_ONCE = 6
BALLAST = "ballast"
"""A database that keeps the clone busy, so that the changes of the overlapping phase do overlap."""


def nothing(database: Data) -> None:
    """What needs no preparation."""


def alike(here: Data, there: Data) -> None:
    """Source and target are the same."""
    found = database_differences(here, there)
    assert not found, "\n".join(found)


@dataclass(frozen=True)
class Case:
    """Something that happens to a database of the source."""

    change: Act
    setup: Act = nothing
    """What is there before the link is started."""
    check: Check = alike
    """Of source and target, once the link is finalized."""
    meanwhile: Check | None = None
    """Of source and target, while the link replicates and nothing happens; before and after the replay."""
    phases: tuple[Phase, ...] = tuple(Phase)
    label: str = ""
    """Where the name of `change` is not enough."""
    fault: str = ""
    """What the link does not do yet: such a case has a run of its own, and must fail."""

    @property
    def name(self) -> str:
        return self.label or self.change.__name__


Chosen = tuple[Case, Phase]


@dataclass
class Outcome:
    """What went wrong, by case and phase."""

    source: ReplicaSet
    target: ReplicaSet
    body: dict[str, Any]
    errors: dict[tuple[str, Phase], str] = field(default_factory=dict)

    def require(self, case: Case, phase: Phase) -> None:
        """Fail when that case went wrong."""
        if case.fault:
            self.run([(case, phase)])
        if error := self.errors.get((case.name, phase)):
            pytest.fail(error, pytrace=False)

    def run(self, chosen: Sequence[Chosen]) -> None:
        """Let a link carry them all."""
        with linked(self.source, self.target) as stand:
            try:
                _Run(stand, chosen, self.errors).work(self.body)
            except AssertionError as error:
                # The link has failed, or does not get on: nobody knows which case it is that it cannot carry.
                first, *others = [(case.name, phase) for case, phase in chosen]
                self.errors |= {first: f"the whole run: {error}"} | dict.fromkeys(others, "the whole run, see above")
        for side in (self.source, self.target):
            empty(side)


class _Run:
    def __init__(self, stand: LinkStand, chosen: Sequence[Chosen], errors: dict[tuple[str, Phase], str]) -> None:
        self._stand, self._chosen, self._errors = stand, chosen, errors

    def work(self, body: dict[str, Any]) -> None:
        stand = self._stand
        self._on_source(lambda case: case.setup, tuple(Phase))
        self._on_source(lambda case: case.change, (Phase.CLONE,))
        # By majority, and all that is before it: none of it may count as a change that came after the start.
        stand.source.client[BALLAST].c.insert_many([{"_id": number, "x": "y" * 1000} for number in range(20_000)])
        stand.start(**body)
        self._on_source(lambda case: case.change, (Phase.OVERLAP,))
        stand.cloned()
        self._on_source(lambda case: case.change, (Phase.APPLY,))
        stand.in_sync()
        stand.caught_up()
        self._compared(lambda case: case.meanwhile)
        applied = stand.status()["eventsApplied"]
        stand.again(from_time=stand.started_at())
        stand.caught_up()
        assert stand.status()["eventsApplied"] >= applied * 2, "nothing was applied once more"
        self._compared(lambda case: case.meanwhile)
        stand.finalized()
        self._compared(lambda case: case.check)

    def _on_source(self, which: Callable[[Case], Act], phases: tuple[Phase, ...]) -> None:
        chosen = [(case, phase) for case, phase in self._chosen if phase in phases]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda pair: self._guarded(pair, which(pair[0]), self._sides(*pair)[:1]), chosen))

    def _compared(self, which: Callable[[Case], Check | None]) -> None:
        for case, phase in self._chosen:
            if check := which(case):
                self._guarded((case, phase), check, self._sides(case, phase))

    def _guarded(self, chosen: Chosen, act: Callable[..., object], sides: tuple[Data, ...]) -> None:
        try:
            act(*sides)
        except Exception as error:  # noqa: BLE001  told by the case's own test
            case, phase = chosen
            self._errors.setdefault((case.name, phase), "".join(traceback.format_exception(error, limit=-3)))

    def _sides(self, case: Case, phase: Phase) -> tuple[Data, Data]:
        name = f"{case.name}_{phase.value}"
        # A majority keeps nothing that one member would lose here, and takes its time to say so.
        here, there = (side.client.get_database(name, write_concern=_ONE) for side in self._stand.sides)
        return here, there


def run_of(**body: Any) -> Callable[..., Outcome]:
    """A fixture of a module: the outcome of those of its cases that were asked for; `body` is what start is told."""

    @pytest.fixture(scope="module", name="outcome")
    def made(request: pytest.FixtureRequest, kept_source: ReplicaSet, kept_target: ReplicaSet) -> Outcome:
        kept_source.empty()
        kept_target.empty()
        found = Outcome(kept_source, kept_target, body)
        chosen = [
            (item.callspec.params["case"], item.callspec.params["phase"])
            for item in request.session.items
            if isinstance(item, pytest.Function) and item.module is request.module and "outcome" in item.fixturenames
        ]
        if together := [(case, phase) for case, phase in chosen if not case.fault]:
            found.run(together)
        return found

    return made


def each_of(cases: Sequence[Case]) -> pytest.MarkDecorator:
    """Parameters of a test: every case in each of its phases."""
    assert len({case.name for case in cases}) == len(cases)
    return pytest.mark.parametrize(("case", "phase"), list(_parameters(cases)))


def _parameters(cases: Sequence[Case]) -> Iterator[Any]:
    for case in cases:
        marks = [pytest.mark.xfail(reason=case.fault, strict=True)] if case.fault else []
        for phase in case.phases:
            yield pytest.param(case, phase, marks=marks, id=f"{case.name}-{phase.value}")
