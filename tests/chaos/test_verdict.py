"""The judges themselves: what they must see, and what they must not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from faults import ACTS
from observer import Said, Sample
from schedule import NAMES, schedule
from verdict import Finding, findings

A, B, C = "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"


def sample(at: float, *, is_open: bool, waits: bool = True, receives_from: str = "") -> Sample:
    return Sample(at, at + 0.001, is_open, waits, 1, receives_from, "0-1-1")


def judged(samples: dict[str, list[Sample]], said=(), by_hand=None, ended: float = 1.0) -> list[Finding]:
    seen = SimpleNamespace(began=0.0, samples=samples, said=list(said))
    return findings(seen, by_hand or {}, ended)


def two_open(**others: object) -> dict[str, list[Sample]]:
    """A is open at 0.1 and 0.3, B at 0.2; C follows A."""
    return {
        A: [sample(0.1, is_open=True), sample(0.3, is_open=True)],
        B: [sample(0.2, is_open=True, **others)],
        C: [sample(0.2, is_open=False, receives_from=A)],
    }


def test_a_seed_gives_one_schedule() -> None:
    assert schedule(7, 30) == schedule(7, 30)
    assert schedule(7, 30) != schedule(8, 30)
    assert schedule(7, 3) == schedule(7, 30)[:3]
    assert set(NAMES) == set(ACTS)


def test_two_servers_that_can_acknowledge() -> None:
    (found,) = judged(two_open(waits=False))
    assert found.violation
    assert found.invariant == "I1"


def test_one_that_waits_in_vain_is_a_note() -> None:
    (found,) = judged(two_open(waits=True))
    assert not found.violation


def test_one_that_was_opened_by_hand_is_a_note() -> None:
    (found,) = judged(two_open(waits=False), by_hand={B: [0.15]})
    assert not found.violation


def test_one_after_the_other_is_nothing() -> None:
    samples = {A: [sample(0.1, is_open=True), sample(0.2, is_open=False)], B: [sample(0.3, is_open=True, waits=False)]}
    assert judged(samples) == []


@pytest.mark.parametrize(
    ("said", "violation"),
    [
        ([Said(3.0, 3.0, "", (), ())], True),
        ([Said(3.0, 3.0, "", ("acker-missing",), ())], False),
        ([Said(3.0, 3.0, "failover 1", (), ())], False),
        ([Said(4.9, 4.9, "", (), ())], False),
        ([], False),
    ],
)
def test_a_time_without_a_writer_needs_a_reason(said: list[Said], violation: bool) -> None:
    samples = {A: [sample(0.1, is_open=True, waits=False), sample(5.0, is_open=True, waits=False)]}
    (found,) = judged(samples, said, ended=5.1)
    assert found.violation is violation
    assert found.invariant == "I12"
