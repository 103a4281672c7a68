"""The measurements measure what they say."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "bench"


@pytest.fixture(autouse=True)
def _bench_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = set(sys.modules)
    monkeypatch.syspath_prepend(BENCH)
    yield
    for name in ("variants", "failover", "load", "report", "rig", "switchover", "tick"):
        if name not in before:
            sys.modules.pop(name, None)


def test_quantiles_are_values_that_were_measured() -> None:
    from report import quantile

    values = [float(number) for number in range(20, 0, -1)]
    assert [quantile(values, share) for share in (0.5, 0.95, 1.0)] == [10.0, 19.0, 20.0]
    assert quantile([7.0], 0.95) == 7.0
    assert quantile([], 0.5) is None


def test_the_first_write_counts_only_if_it_was_sent_after_the_kill() -> None:
    from load import Told

    told = Told([(0.9, 1.01, 1), (1.2, 1.4, 2), (1.1, 1.5, 3)], [])
    assert told.first_after(1.0) == 1.4
    assert told.first_after(2.0) is None


def test_a_gap_is_measured_to_both_ends() -> None:
    from load import Told

    told = Told([(0, second, number) for number, second in enumerate((1.0, 1.1, 1.7, 1.8))], [])
    assert told.longest_gap(1.0, 1.8) == pytest.approx(0.6)
    assert told.longest_gap(1.0, 3.0) == pytest.approx(1.2)
    assert told.longest_gap(0.0, 1.8) == pytest.approx(1.0)


def test_only_what_was_acknowledged_can_be_lost() -> None:
    from load import Told

    told = Told([(0, 0, 1), (0, 0, 2), (0, 0, 3)], [(0.0, "unknown what became of 4")])
    assert told.lost({2, 4}) == [1, 3]


def test_a_control_that_loses_nothing_fails_the_measurement(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import contextlib

    import failover

    sample = {"lost": 0, "first_write_ms": 1.0, "refusals": [], "last_error": ""}
    monkeypatch.setattr(failover, "running", lambda *given: contextlib.nullcontext())
    monkeypatch.setattr(failover, "one_round", lambda *given: dict(sample))
    assert failover.losses(1, ["healthy"]) == 0
    assert failover.losses(1, ["control-no-draining"]) == 1
    sample["lost"] = 3
    assert failover.losses(1, ["control-no-draining"]) == 0
    assert failover.losses(1, ["healthy"]) == 1
    assert "would not see a loss" in capsys.readouterr().out
