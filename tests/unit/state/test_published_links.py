"""What a link's process publishes is found again, and tells whether it lives."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from repman.errors import LinkDown, StateError
from repman.model.command import Receipt
from repman.model.link import FORMAT, LinkAction, LinkCommand, LinkSide, LinkView, UnsuccessfulIndex
from repman.state.bus import ask_link, link_server
from repman.state.links import STALE, LinkPublisher, LinkReader, is_fresh
from repman.state.publication import age

VIEW = LinkView(
    FORMAT,
    "shop",
    1_700_000_000.0,
    time.monotonic(),
    4711,
    "percona",
    "127.0.0.1:2242",
    LinkSide("source", "a:27017", 3),
    LinkSide("target", "b:27017", None),
    "running",
    phase="cloning",
    lag_seconds=5,
    last_applied="1700000000.3",
    unsuccessful=(UnsuccessfulIndex("shop.orders", "by_day", "failed", "by_day cannot be built"),),
    oplog_seconds_left=3600.5,
    warnings=("the oplog is short",),
)


def test_what_is_published_is_read_without_loss(tmp_path: Path) -> None:
    reader = LinkReader(tmp_path)
    assert reader.get("shop") is None
    publisher = LinkPublisher(tmp_path, "shop")
    for events in range(20):
        view = replace(VIEW, events_applied=events)
        publisher.publish(view)
        assert reader.get("shop") == view
    assert reader.clusters() == ("shop",)
    assert [path.name for path in (tmp_path / "links").iterdir()] == ["shop.json"]
    assert (tmp_path / "links").stat().st_mode & 0o007 == 0


def test_a_document_of_another_release_is_none(tmp_path: Path) -> None:
    LinkPublisher(tmp_path, "shop").publish(replace(VIEW, format=FORMAT + 1))
    assert LinkReader(tmp_path).get("shop") is None
    path = tmp_path / "links" / "shop.json"
    path.write_text(json.dumps({"format": FORMAT, "name": "shop"}))
    assert LinkReader(tmp_path).get("shop") is None


def test_a_process_that_is_silent_or_has_ended_does_not_live() -> None:
    assert is_fresh(VIEW, age(VIEW, VIEW.monotonic + STALE))
    assert not is_fresh(VIEW, age(VIEW, VIEW.monotonic + STALE + 0.1))
    assert not is_fresh(VIEW, age(VIEW, VIEW.monotonic - 1000.0)), "it speaks of another boot"
    assert not is_fresh(replace(VIEW, pid=0), 0.0)


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "links").write_text("a file")
    with pytest.raises(StateError, match="check that it may be written"):
        LinkPublisher(tmp_path, "shop")


def test_a_command_reaches_the_link_and_its_receipt_comes_back(tmp_path: Path) -> None:
    asked: list[LinkCommand] = []

    def answer(command: LinkCommand) -> Receipt:
        asked.append(command)
        return Receipt("refused", "No.", (("is-paused", "No."),))

    server = link_server(tmp_path / "link-shop.sock", answer)
    server.start()
    command = LinkCommand(LinkAction.RESUME, "shop", "admin", from_failure=True)
    try:
        assert ask_link(tmp_path / "link-shop.sock", command, 5.0) == Receipt("refused", "No.", (("is-paused", "No."),))
    finally:
        server.close()
    assert asked == [command]
    with pytest.raises(LinkDown, match=r"process of the link shop is not running.*`repman link run shop`"):
        ask_link(tmp_path / "link-shop.sock", command, 5.0)
