"""Every value that is stored, published or sent comes back equal."""

from __future__ import annotations

import json

import pytest

from repman.model.command import Command, CommandKind, Receipt
from repman.model.memory import Memory
from repman.model.position import Position
from repman.state.codec import decode, encode

from . import values


@pytest.mark.parametrize(
    "value",
    [
        values.snapshot(),
        values.memory(),
        Memory("empty"),
        values.plan(),
        values.table(),
        Command(CommandKind.SWITCHOVER, "shop", "db1", force=True),
        Receipt("refused", "No.", (("a", "b"),), preview={"steps": [1, {"x": None}], "to": "y"}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_round_trip(value: object) -> None:
    assert decode(type(value), encode(value)) == value


def test_positions_carry_their_kind_wherever_they_are() -> None:
    server = json.loads(encode(values.snapshot()))["servers"][1]["seen"]
    assert server["executed"] == values.GTID.to_json()
    assert server["links"][0]["received"]["kind"] == "mariadb"
    preview: dict[str, object] = {"position": values.GTID}
    assert json.loads(encode(Receipt("preview", "", preview=preview)))["preview"]["position"]["kind"] == "mariadb"


@pytest.mark.parametrize(
    "document",
    [
        b'{"kind":"oracle"}',
        b'{"kind":"mariadb"}',
        b"3",
        b'{"kind":"mariadb","last":"x","seen":"","strict":true}',
    ],
)
def test_what_is_no_position_is_a_value_error(document: bytes) -> None:
    with pytest.raises(ValueError):
        decode(Position, document)  # type: ignore[type-abstract]


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b'{"kind":"nothing","cluster":"x"}', b'{"kind":"failover"}'])
def test_what_is_no_command_is_a_value_error(document: bytes) -> None:
    with pytest.raises(ValueError):
        decode(Command, document)
