"""docs/api.md is made from the route table, and the table says of every route what a reader needs."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

from repman.web.description.paths import grant, written
from repman.web.reference import main, render
from repman.web.routes import ROUTES, Route

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
CONTRACT = Path(__file__).parent / "contract"
ON_PAGE = [route for route in ROUTES if route.page]


def lines(name: str) -> list[str]:
    return [line for line in (CONTRACT / name).read_text().splitlines() if line and not line.startswith("#")]


def test_the_page_is_current() -> None:
    assert render(TEXT) == TEXT, "run: python -m repman.web.reference"


def test_the_command_writes_and_checks(tmp_path: Path) -> None:
    page = tmp_path / "api.md"
    page.write_text(TEXT.replace("| `/api/monitor` |", "| `/api/daemon` |"))
    assert main(["--check", str(page)]) == 1
    assert main([str(page)]) == 0
    assert page.read_text() == TEXT
    assert main(["--check", str(page)]) == 0


def test_every_path_is_documented_with_its_grant() -> None:
    for route in ROUTES:
        assert f"| `{written(route.path)}` | {grant(route)} | {route.summary}" in TEXT.replace("\\|", "|")


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.path)
def test_every_route_says_what_it_does_and_answers(route: Route) -> None:
    assert route.summary.endswith(".")
    assert any(answer.status < 400 or answer.status == 501 for answer in route.answers)
    for answer in route.answers:
        assert answer.schema is not None or answer.media != "application/json" or answer.status >= 400, answer


def test_the_endpoints_of_the_page_are_routes() -> None:
    page = lines("page.txt")
    assert len(page) == len(set(page)) == 72
    assert {route.page for route in ON_PAGE} == set(page)


def test_an_endpoint_of_the_page_is_one_route() -> None:
    named = [route.page for route in ON_PAGE]
    assert sorted(named) == sorted(set(named))
    for route in ON_PAGE:
        shape = [part if not part.startswith("{") else "{}" for part in written(route.path).split("/")]
        assert shape == [part if not part.startswith("{") else "{}" for part in route.page.split("/")], route.page


@cache
def names_of_tests(path: str) -> frozenset[str]:
    """The names of the tests that file has."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.page or route.proof], ids=lambda route: route.path
)
def test_the_proof_of_a_route_exists(route: Route) -> None:
    path, _, test = route.proof.partition("::")
    assert path.startswith("tests/integration/"), f"{route.path} needs a proof on a real cluster"
    assert test.partition("[")[0] in names_of_tests(path)
