"""Every three-server cluster of the alphabet is decided once, and each decision judged by the oracle."""

from __future__ import annotations

from collections import defaultdict

import pytest

from repman.decide.tick import decide
from simulation.alphabet import clusters
from simulation.oracle import judge, same

KNOWN: dict[str, str] = {}
"""What does not hold yet, and why; an entry that begins to hold fails, so that it is removed here."""
INVARIANTS = ("I1", "I2", "I4", "I6", "I7", "I8", "I9", "I10", "I11", "I12", "I13")


@pytest.fixture(scope="module")
def broken() -> dict[str, list[str]]:
    """Every broken invariant with the clusters that break it."""
    found: dict[str, list[str]] = defaultdict(list)
    for number, cluster in enumerate(clusters()):
        for sentence in judge(decide, cluster):
            found[sentence.partition(":")[0]].append(f"{cluster}: {sentence}")
        if number % 20 == 0:
            for sentence in same(decide, cluster):
                found["I10"].append(f"{cluster}: {sentence}")
    assert number > 40_000
    return found


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "invariant",
    [
        pytest.param(one, marks=[pytest.mark.xfail(reason=KNOWN[one], strict=True)] if one in KNOWN else [])
        for one in INVARIANTS
    ],
)
def test_holds_for_every_cluster(broken: dict[str, list[str]], invariant: str) -> None:
    examples = broken.get(invariant, [])
    assert not examples, f"{len(examples)} clusters, such as:\n" + "\n".join(examples[:5])


def test_the_oracle_judges_nothing_else(broken: dict[str, list[str]]) -> None:
    assert set(broken) <= set(INVARIANTS)
