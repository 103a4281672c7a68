"""Probes and the public status."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from repman.model.probe import probe_table

from . import shop
from .conftest import Installation


@pytest.mark.parametrize("root", ["", "/api"])
@pytest.mark.parametrize("server", ["db{}", "db100{}", "127.0.0.1:330{}", "127.0.0.1/330{}"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_every_form_of_every_probe(client: FlaskClient, root: str, server: str, method: str) -> None:
    def ask(number: int, check: str) -> tuple[int, str]:
        path = f"{root}/clusters/shop/servers/{server.format(number)}/{check}"
        answer = client.open(path, method=method)
        return answer.status_code, answer.text

    shown = root == "/api" and "/" not in server  # there it is the position of the server's own binary log
    for check in ("is-master",) if shown else ("master-status", "is-master"):
        assert ask(1, check) == (200, "200 -Valid Master!")
        assert ask(2, check) == (503, "503 -Not a Valid Master!")
        assert ask(9, check) == (503, "503 -Not a Valid Master!")
    for check in ("slave-status", "is-slave"):
        assert ask(1, check) == (503, "503 -Not a Valid Slave!")
        assert ask(2, check) == (200, "200 -Valid Slave!")


def test_head_answers_with_the_code(client: FlaskClient) -> None:
    assert client.head("/clusters/shop/servers/db1/is-master").status_code == 200
    assert client.head("/clusters/shop/servers/db2/is-master").status_code == 503


@pytest.mark.parametrize("root", ["", "/api"])
def test_a_probe_of_an_unknown_cluster(client: FlaskClient, root: str) -> None:
    answer = client.get(f"{root}/clusters/shoq/servers/db1/is-master")
    assert (answer.status_code, answer.text) == (500, "No cluster!")


def test_an_old_answer_says_its_age_and_ends(installation: Installation, client: FlaskClient) -> None:
    path = "/clusters/shop/servers/db1/master-status"
    for age, status in ((30.0, 200), (61.0, 503)):
        old = replace(shop.snapshot(), monotonic=time.monotonic() - age)
        installation.publisher.publish(old, probe_table(old, "keep", 60.0))
        time.sleep(0.03)  # a table is used for 20 ms without looking for a newer one
        answer = client.get(path)
        assert answer.status_code == status
        assert age <= float(answer.headers["X-Repman-Age"]) < age + 5


def test_status_tells_whether_an_error_is_open(installation: Installation, client: FlaskClient) -> None:
    assert client.get("/api/clusters/shop/status").json == {"alive": "running"}
    installation.publish(shop.unprotected())
    assert client.get("/api/clusters/shop/status").json == {"alive": "errors"}


def test_status_of_a_cluster_that_nobody_watches_any_more(installation: Installation, client: FlaskClient) -> None:
    for age, alive in ((50.0, "running"), (70.0, "errors")):
        installation.publish(replace(shop.snapshot(), monotonic=time.monotonic() - age))
        assert client.get("/api/clusters/shop/status").json == {"alive": alive}


def test_status_of_an_unknown_cluster(client: FlaskClient) -> None:
    answer = client.get("/api/clusters/shoq/status")
    assert (answer.status_code, answer.text) == (400, "No cluster found : shoq")
    assert answer.content_type.startswith("text/plain")


def test_the_daemon_is_starting_until_everything_was_seen(installation: Installation, client: FlaskClient) -> None:
    assert client.get("/api/status").json == {"alive": "running"}
    installation.publisher.retire("shop")
    assert client.get("/api/status").json == {"alive": "starting"}
    assert client.get("/api/clusters/shop/status").json == {"alive": "errors"}
