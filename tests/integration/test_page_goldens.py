"""What each read of replication-manager's page answers on a real, healthy cluster, as a golden file per route.

What changes from run to run is made equal: numbers and digits, texts of history, and how often something is in a list.
The files are written anew by ``REPMAN_GOLDENS=write``, with this test alone; look at the difference before you
commit it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import World
from cluster_repman import CLUSTER
from http_api import Api

from repman.web.description.paths import written
from repman.web.routes import ROUTES, Route

GOLDENS = Path(__file__).parent / "goldens"
VALUES = {"cluster": CLUSTER, "server": "db1", "host": "127.0.0.1"}
READS = [
    route
    for route in ROUTES
    if route.safe
    and (route.page or route.path == "/api/clusters")
    and any(answer.status == 200 and answer.media == "application/json" for answer in route.answers)
]
MEASURED = ("processlist", "variables", "status", "status-delta", "status-innodb", "tables", "vtables", "errorlog")
"""Reads about one server whose rows are the server's own; only the form of a row is kept."""
TOLD = ("text", "desc", "sentence", "error", "detail")
"""Keys with sentences, which depend on what happened before."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A cluster of its own, to which nothing has happened yet."""
    world = World(tmp_path_factory.mktemp("golden"))
    try:
        world.begin()
        with world.serving():
            world.healthy()
            yield Api(world)
    finally:
        world.destroy()


def equal(value: Any, only_form: bool = False, key: str = "") -> Any:
    """The value without what changes from run to run."""
    if isinstance(value, dict):
        if only_form and len(value) > 40:
            return {"<name>": unique([equal(part, only_form) for part in value.values()])}
        return {name: equal(part, only_form, name) for name, part in sorted(value.items())}
    if isinstance(value, list):
        return unique([equal(part, only_form, key) for part in value])
    if isinstance(value, str):
        return "<text>" if key in TOLD or only_form else re.sub(r"[0-9a-f]*\d[0-9a-f.]*", "#", place(value))
    return 0 if isinstance(value, int | float) and not isinstance(value, bool) else value


def place(text: str) -> str:
    """A path, whatever the directory of this run."""
    return "<path>" if text.startswith("/") else text


def unique(parts: list[Any]) -> list[Any]:
    texts = sorted({json.dumps(part, sort_keys=True, ensure_ascii=False) for part in parts})
    return [json.loads(text) for text in texts]


@pytest.mark.parametrize("route", READS, ids=lambda route: written(route.path))
def test_a_read_answers_as_its_golden_file(api: Api, route: Route) -> None:
    last = route.path.rpartition("/")[2]
    name = re.sub(r"[^a-z-]+", "_", written(route.path).lower()).strip("_")
    answer = api.get(re.sub(r"<(\w+)>", lambda found: VALUES[found[1]], route.path))
    assert answer.status_code == 200, answer.text
    history = last in ("logs", "crashes", "alerts")
    found = equal(answer.json(), only_form=last in MEASURED or history)
    for volatile in ("plan", "failoverHistory", "log", "logs", "dbServersCrashes"):
        for each in found if isinstance(found, list) else [found]:
            if isinstance(each, dict) and volatile in each:
                each[volatile] = "<history>"
    found = unique(found) if isinstance(found, list) else found
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    path = GOLDENS / f"{name}.json"
    if os.environ.get("REPMAN_GOLDENS") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    if history and not answer.json():
        return
    assert json.loads(text) == json.loads(path.read_text(encoding="utf-8"))


def test_there_is_no_golden_file_too_many() -> None:
    names = {re.sub(r"[^a-z-]+", "_", written(route.path).lower()).strip("_") for route in READS}
    assert {path.stem for path in GOLDENS.glob("*.json")} == names
