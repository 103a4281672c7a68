"""Nothing grows until nobody can read it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for room in ("repman", "bench") for path in (ROOT / room).rglob("*.py"))

MODULE_LINES = 400
FUNCTION_LINES = 60
CLASS_METHODS = 22

TABLES = {"repman/decide/problems.py", "repman/config/options_cluster.py", "repman/config/options_decisions.py"}
"""Modules that are one table: they may be as long as the table is."""


def too_big(source: str) -> list[str]:
    """The functions and classes of a module that are over their limits."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                found.append(f"{node.name} has {lines} lines")
        elif isinstance(node, ast.ClassDef):
            named = [each.name for each in node.body if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
            methods = sum(not name.startswith("__") for name in named)
            if methods > CLASS_METHODS:
                found.append(f"{node.name} has {methods} methods")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_of_a_size_that_can_be_read(path: Path) -> None:
    source = path.read_text()
    lines = source.count("\n")
    if str(path.relative_to(ROOT)) not in TABLES:
        assert lines <= MODULE_LINES, f"{lines} lines: find the cut"
    assert too_big(source) == []


def test_what_is_too_big_would_be_seen() -> None:
    long = "def f():\n" + "    x = 1\n" * FUNCTION_LINES
    wide = "class C:\n" + "".join(f"    def m{number}(self): ...\n" for number in range(CLASS_METHODS + 1))
    assert too_big(long + wide) == [f"f has {FUNCTION_LINES + 1} lines", f"C has {CLASS_METHODS + 1} methods"]
