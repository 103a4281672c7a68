"""The rooms know only whom they may know.  The contracts are in setup.cfg; here they are kept."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter import api

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "repman"

PURE = {
    *("__future__", "abc", "bisect", "collections", "dataclasses", "enum", "functools", "hashlib", "itertools"),
    *("json", "math", "operator", "re", "string", "types", "typing", "zlib"),
}
"""What model and decisions may use of the standard library: nothing that reads, waits, or rolls dice."""

PURE_ROOMS = [
    *sorted((PACKAGE / "model").rglob("*.py")),
    *sorted((PACKAGE / "decide").rglob("*.py")),
]


def imported(source: str) -> set[str]:
    """The packages a module imports anywhere, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide which room is meant"
            found.add((node.module or "").partition(".")[0])
    return found


def test_the_contracts_hold() -> None:
    # In a process of its own: the linter silences every logger of the process it runs in.
    command = "from importlinter.cli import lint_imports as lint; raise SystemExit(lint('setup.cfg', no_cache=True))"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_room_has_a_contract() -> None:
    contracts = api.read_configuration("setup.cfg")["contracts_options"]
    told = " ".join(f"{each.get('source_modules')} {each.get('modules')}" for each in contracts)
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")} - {"cli"}
    assert {room for room in rooms if f"repman.{room}" not in told} == set()


@pytest.mark.parametrize("path", PURE_ROOMS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_values_and_decisions_are_pure(path: Path) -> None:
    assert imported(path.read_text()) - PURE <= {"repman"}


def test_an_impure_import_would_be_seen() -> None:
    assert imported("def f():\n    import time\n    from random import choice") - PURE == {"time", "random"}
