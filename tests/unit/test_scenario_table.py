"""The table of scenarios and the plays behind it."""

from __future__ import annotations

import pytest

from repman.model.scenario import NAMES, find
from repman.scenarios.play import PLAYS


def test_every_scenario_has_its_play() -> None:
    assert list(PLAYS) == list(NAMES)


def test_names_are_unique_whatever_their_case() -> None:
    assert len({name.lower() for name in NAMES}) == len(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_scenario_is_found_in_any_case(name: str) -> None:
    found = find(name.upper())
    assert found is not None
    assert found.name == name
    assert find(f"{name}x") is None
