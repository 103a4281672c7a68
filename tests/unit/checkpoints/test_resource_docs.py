"""docs/mongodb-checkpoints.md names every address, field, code, option and command."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import typer
from bson import ObjectId, Timestamp

from repman.checkpoints.model import (
    Checkpoint,
    CheckpointPart,
    Download,
    PartType,
    RestoreJob,
    RestoreRequest,
    RestoreStatus,
    Snapshot,
    SnapshotPart,
    SnapshotSchedule,
)
from repman.checkpoints.resource import asking, render
from repman.checkpoints.resource.routes import ROUTES
from repman.cli.checkpoints import app
from repman.config import checkpoints_file
from repman.state.keys import ROLES, Dialect

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docs" / "mongodb-checkpoints.md").read_text()
NOW = datetime.now(UTC)
ID = ObjectId()


def rows(word: str) -> list[str]:
    return [line for line in TEXT.splitlines() if line.startswith("|") and word in line.split("|")[1]]


def test_every_address_and_method() -> None:
    for route in ROUTES:
        place = route.rule.partition("/<")[0]
        ours = [row for row in rows(f"`{place}") if ("{" in row.split("|")[1]) == ("<" in route.rule)]
        assert any(f"`{route.method}`" in row for row in ours), route


def test_every_field() -> None:
    part = CheckpointPart(PartType.REPLICA_SET, "s", "s", "h", True, Timestamp(1, 1))
    whole = Checkpoint(
        ID, "g", "c", NOW, NOW, Timestamp(1, 1), (part, CheckpointPart(PartType.CONFIG_SERVER, "c")), False
    )
    taken = Snapshot(
        ID, "g", "c", Timestamp(1, 1), parts=(SnapshotPart(PartType.REPLICA_SET, "s", "s"),), reasons=("x",)
    )
    request = RestoreRequest("g", "c", checkpoint=ID, snapshot=ID, at=Timestamp(1, 1))
    job = RestoreJob(ID, request, NOW, RestoreStatus.FINISHED, "x", hashes=(("a", "b"),))
    found: set[str] = set()

    def gather(value: object) -> None:
        if isinstance(value, dict):
            found.update(value)
            for each in value.values():
                gather(each)
        elif isinstance(value, list):
            for each in value:
                gather(each)

    gather(render.checkpoint(whole))
    gather(render.snapshot(taken))
    gather(render.schedule("g", "c", SnapshotSchedule()))
    gather(render.restore(job, render.Delivery("c", Download(ID, NOW, 1), "u"), NOW))
    for name in ("filterList", "filterType", "encryptionEnabled"):
        found.discard(name)
    assert len(found) > 50
    assert sorted(name for name in found if not re.search(rf"[`.]{name}(\[\])?`", TEXT)) == []


def test_every_code_of_an_error() -> None:
    source = "".join(path.read_text() for path in (ROOT / "repman" / "checkpoints").rglob("*.py"))
    codes = set(re.findall(r"HTTPStatus\.[A-Z_]+,\s+\"([A-Z_]{6,})\"", source))
    codes |= {f"INVALID_{kind}_ID" for kind in re.findall(r"identifier\(item, \"([A-Z_]+)\"\)", source)}
    codes |= {f"{kind}_NOT_FOUND" for kind in re.findall(r"_missing\(\"([A-Z_]+)\"", source)}
    assert len(codes) > 15
    assert sorted(code for code in codes if f"`{code}`" not in TEXT) == []


def test_every_option_of_the_configuration() -> None:
    for name in (*checkpoints_file._TOP, *checkpoints_file._CLUSTER):
        assert re.search(rf"`[^`]*\b{name}\b[^`]*`", TEXT), name


def test_every_command_and_option() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for name, command in commands.items():
        assert rows(f"`repman checkpoints {name}`"), name
        for option in command.params:
            assert option.name == "help" or f"`{option.opts[0]}" in TEXT, (name, option.opts)


def test_every_role_and_method_of_delivery() -> None:
    for role in ROLES[Dialect.CHECKPOINTS]:
        assert f"`{role}`" in TEXT
    for name in asking._DELIVERY:
        assert f"`{name}`" in TEXT
