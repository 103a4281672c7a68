"""The judgement of a run, from what the observer saw: I1 (one server that can acknowledge), I12 (explained silence)."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from observer import Observer, Said, Sample

FRESH = 0.6
"""Seconds for which a sample says something about the time around it."""
LONGEST_UNEXPLAINED = 2.0
"""Seconds without a writer that need an explanation."""
TIME_TO_SAY = 1.0
"""Seconds that repman gets to find its words when it has just been started."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Two servers open at once, or a silence."""

    invariant: str
    violation: bool
    """False: a note."""
    text: str

    def __str__(self) -> str:
        return f"{self.invariant}{'' if self.violation else ' (note)'}: {self.text}"


def findings(observer: Observer, by_hand: Mapping[str, Sequence[float]], ended: float) -> list[Finding]:
    """All that is to be said; `by_hand`: when somebody opened that server by hand."""
    return [*_two_writers(observer, by_hand), *_silences(observer, ended)]


def _two_writers(observer: Observer, by_hand: Mapping[str, Sequence[float]]) -> Iterator[Finding]:
    for first, samples in observer.samples.items():
        for earlier, later in itertools.pairwise(samples):
            if not (earlier.open and later.open):
                continue
            for second, others in observer.samples.items():
                if second == first:
                    continue
                for other in _between(others, earlier.told, later.asked):
                    if other.open:
                        yield _both_open(observer, by_hand, (first, earlier, later), (second, other))


def _between(samples: list[Sample], since: float, until: float) -> list[Sample]:
    """The samples taken wholly in that time."""
    low = bisect.bisect_left(samples, since, key=lambda each: each.asked)
    return [each for each in samples[low:] if each.told <= until and each.asked >= since][:1]


def _both_open(
    observer: Observer,
    by_hand: Mapping[str, Sequence[float]],
    surrounding: tuple[str, Sample, Sample],
    inner: tuple[str, Sample],
) -> Finding:
    first, earlier, later = surrounding
    second, other = inner
    able = _able(observer, first, earlier) and _able(observer, first, later)
    able = able and _able(observer, second, other)
    ours = not any(_opened_by_hand(observer, by_hand, name, other.asked) for name in (first, second))
    whose = "" if ours else ", one of them by hand"
    return Finding("I1", able and ours, f"{first} and {second} both open at {other.asked:.3f}{whose}")


def _able(observer: Observer, address: str, sample: Sample) -> bool:
    """Whether it could acknowledge a client's write: it waits for nobody, or somebody receives from it."""
    if not sample.waits:
        return True
    for other, samples in observer.samples.items():
        if other == address:
            continue
        near = [each for each in samples if abs(each.told - sample.told) < FRESH]
        if any(each.receives_from == address for each in near):
            return True
    return False


def _opened_by_hand(observer: Observer, by_hand: Mapping[str, Sequence[float]], address: str, at: float) -> bool:
    """Whether it has been open since somebody opened it by hand."""
    before = [moment for moment in by_hand.get(address, ()) if moment <= at + FRESH]
    if not before:
        return False
    closed = [each.asked for each in observer.samples[address] if not each.open and each.told < at]
    return not closed or max(closed) < max(before) + 0.05


def _silences(observer: Observer, ended: float) -> Iterator[Finding]:
    moments = sorted(
        each.told
        for address, samples in observer.samples.items()
        for each in samples
        if each.open and _able(observer, address, each)
    )
    edges = [observer.began, *moments, ended]
    for since, until in itertools.pairwise(edges):
        if until - since < LONGEST_UNEXPLAINED:
            continue
        told = [said for said in observer.said if since <= said.monotonic <= until + 0.5]
        explained = sorted({word for said in told for word in _words(said)})
        length = f"{until - since:.1f} s without a writer from {since:.3f}"
        if explained:
            yield Finding("I12", False, f"{length}: {', '.join(explained)}")
        elif told and told[0].monotonic < until - TIME_TO_SAY:
            yield Finding("I12", True, f"{length} without any reason given")
        else:
            yield Finding("I12", False, f"{length}: repman did not run")


def _words(said: Said) -> list[str]:
    return [*said.refusals, *([said.plan.split()[0]] if said.plan else [])] or list(said.problems)
