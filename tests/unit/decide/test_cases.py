"""Every decision table of `tests/cases` against the decision core.

``REPMAN_REWRITE_CASES=1`` writes what comes out into the files; the diff is then read like code.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from case_file import CASES, checks, outcomes, read, rewritten

FILES = sorted(CASES.rglob("*.toml"))
REWRITE = os.environ.get("REPMAN_REWRITE_CASES") == "1"


def _name(path: Path) -> str:
    return str(path.relative_to(CASES))


@pytest.mark.parametrize("path", [one for one in FILES if one.parent.name != "steps"], ids=_name)
def test_decision(path: Path) -> None:
    if REWRITE:
        path.write_text(rewritten(path))
    document = read(path)
    expected, came_out = zip(*outcomes(document), strict=True)
    assert came_out == expected, document["title"]


@pytest.mark.parametrize("path", [one for one in FILES if one.parent.name == "steps"], ids=_name)
def test_step_legality(path: Path) -> None:
    for title, expected, came_out in checks(read(path)):
        assert came_out == expected, title


def test_there_are_cases_of_every_decision() -> None:
    rooms = {path.parent.name for path in FILES}
    assert rooms >= {
        *("witness", "election", "guards", "failover", "reopen", "switchover", "bootstrap", "cleanup"),
        *("repair", "routes", "states", "steps", "charge", "protection", "holding"),
        *("service", "replicating", "access", "rating", "rolling"),
    }


def test_a_case_that_is_wrong_fails(tmp_path: Path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('title = "A healthy cluster"\n\n[expect]\nlife = "crashed"\n')
    ((expected, came_out),) = outcomes(read(path))
    assert came_out == {"life": "open"} != expected
    assert 'life = "open"' in rewritten(path)


def test_a_word_that_means_nothing_fails(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text('title = "Odd"\na = {colour = "red"}\n\n[expect]\nlife = "open"\n')
    with pytest.raises(AssertionError, match="colour"):
        list(outcomes(read(path)))
