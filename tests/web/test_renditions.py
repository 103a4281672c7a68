"""Documents that are kept: the same bytes until something changes, compressed when asked, known again by their tag."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from repman.config.settings import Credential
from repman.model.snapshot import Event
from repman.state.accounts import Account
from repman.web.passwords import hashed
from repman.web.renditions import Part, Rendition, Renditions, joined, listed, part

from . import shop
from .conftest import Installation

PATHS = ["/api/monitor", "/api/clusters", "/api/clusters/shop"]


def test_parts_are_one_stream() -> None:
    for whole in (joined(part({"a": "x" * 5000}), part({"b": [1, 2], "c": "ä"})), Rendition((Part(b"1"), Part(b"")))):
        assert gzip.decompress(whole.gzip) == whole.plain
    assert json.loads(joined(part({"a": 1}), part({"b": 2})).plain) == {"a": 1, "b": 2}
    one, two = Rendition((part({"a": 1}),)), Rendition((part({"b": 2}),))
    assert json.loads(listed([one, two]).plain) == [{"a": 1}, {"b": 2}]
    assert json.loads(listed([]).plain) == []
    assert gzip.decompress(listed([one, two, one]).gzip) == b'[{"a":1},{"b":2},{"a":1}]'


def test_a_version_is_made_once() -> None:
    made: list[int] = []
    kept = Renditions()
    for version in (1, 1, 2, 2, 1):
        kept.get(("key",), (version,), lambda version=version: made.append(version))  # type: ignore[misc]
    assert made == [1, 2, 1]


@pytest.mark.parametrize("path", PATHS)
def test_it_is_compressed_for_those_who_ask(client: FlaskClient, admin: dict[str, str], path: str) -> None:
    plain = client.get(path, headers=admin)
    packed = client.get(path, headers={**admin, "Accept-Encoding": "br, gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 2
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
    assert plain.headers["ETag"] != packed.headers["ETag"]
    for refused in ("identity", "gzip;q=0", "gzip;q=0, *"):
        assert "Content-Encoding" not in client.get(path, headers={**admin, "Accept-Encoding": refused}).headers


@pytest.mark.parametrize("path", PATHS)
def test_a_client_that_has_it_gets_nothing_until_it_changes(
    installation: Installation, client: FlaskClient, admin: dict[str, str], path: str
) -> None:
    tag = client.get(path, headers=admin).headers["ETag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = client.get(path, headers={**admin, "If-None-Match": known})
        assert (answer.status_code, answer.data, answer.headers["ETag"]) == (304, b"", tag)
        assert float(answer.headers["X-Repman-Age"]) < 60
    assert client.get(path, headers={**admin, "If-None-Match": '"other"'}).status_code == 200
    installation.publish(shop.snapshot(generation=8, events=(Event(1.0, "INFO", "something new"),)))
    answer = client.get(path, headers={**admin, "If-None-Match": tag})
    assert answer.status_code == 200
    assert "something new" in answer.text


def test_everybody_gets_what_he_may_see(installation: Installation, client: FlaskClient, admin: dict[str, str]) -> None:
    house = installation.app.extensions["repman"]
    house.directory.change(
        "narrow", "admin", lambda _: Account("narrow", hashed("their-own-word"), {"other": frozenset()})
    )
    narrow = installation.headers(Credential("narrow", "their-own-word"))
    assert client.get("/api/monitor", headers=admin).json["clusters"] == ["shop"]  # type: ignore[index]
    assert client.get("/api/monitor", headers=narrow).json["clusters"] == []  # type: ignore[index]
    assert client.get("/api/clusters", headers=narrow).json == []
    assert client.get("/api/monitor", headers=admin).json["clusters"] == ["shop"]  # type: ignore[index]


def test_a_changed_user_is_told_at_once(installation: Installation, client: FlaskClient, admin: dict[str, str]) -> None:
    assert "newcomer" not in client.get("/api/clusters/shop", headers=admin).json["apiUsers"]  # type: ignore[index]
    directory = installation.app.extensions["repman"].directory
    directory.change("newcomer", "admin", lambda _: Account("newcomer", "", {"shop": frozenset({"db-logs"})}))
    assert "newcomer" in client.get("/api/clusters/shop", headers=admin).json["apiUsers"]  # type: ignore[index]


def test_the_age_is_that_of_the_look_and_not_of_the_document(
    installation: Installation, client: FlaskClient, admin: dict[str, str]
) -> None:
    installation.publish(replace(shop.snapshot(), monotonic=time.monotonic() - 5))
    for _ in range(2):
        assert 5 <= float(client.get("/api/clusters/shop", headers=admin).headers["X-Repman-Age"]) < 15
