"""The documentation says what the program does: every code, every command, every link."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from repman.cli.exits import ExitCode
from repman.cli.root import MOUNTS
from repman.decide.electing.problems import OWN
from repman.decide.problems import REGISTRY

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
PROBLEMS = (ROOT / "docs" / "problems.md").read_text()


def refusal_codes() -> set[str]:
    """Every code that is given to a Refusal anywhere in the package."""
    found = set()
    for path in (ROOT / "repman").rglob("*.py"):
        if path.is_relative_to(ROOT / "repman" / "cli"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first = node.args[0]
                named = node.func.id in ("Refusal", "_refuse")
                if named and isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found.add(first.value)
    return found


@pytest.mark.parametrize("row", [*REGISTRY, *OWN], ids=lambda row: row.code)
def test_every_problem_is_documented_as_the_registry_has_it(row: object) -> None:
    code, severity, number, meaning = row.code, row.severity, row.number or "-", row.meaning  # type: ignore[attr-defined]
    assert f"| `{code}` | {severity} | {number} | {meaning} |" in PROBLEMS.splitlines()


def test_every_refusal_is_documented_and_no_other() -> None:
    codes = refusal_codes()
    assert len(codes) > 20
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", PROBLEMS.partition("## Refusals")[2], re.MULTILINE))
    assert sorted(codes - documented) == []
    assert sorted(documented - codes) == []


def test_problem_codes_are_unique() -> None:
    codes = [row.code for row in (*REGISTRY, *OWN)]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_command_and_exit_code_is_in_the_operating_page() -> None:
    text = (ROOT / "docs" / "operating.md").read_text()
    assert [mount.name for mount in MOUNTS if f"`repman {mount.name}" not in text] == []
    assert [code.value for code in ExitCode if f"| {code.value} |" not in text] == []


def test_every_room_is_in_the_architecture_page() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [path.parent.name for path in (ROOT / "repman").glob("*/__init__.py")]
    assert [room for room in rooms if f"`{room}/`" not in text] == []
