"""Requests that are too long or wrongly encoded are refused in JSON, and the server goes on."""

from __future__ import annotations

import json
import socket

import pytest
import requests
from flask.testing import FlaskClient

from repman.web.limits import BODY, PATH

from .test_process import Running, running

pytestmark = pytest.mark.slow

__all__ = ["running"]
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def refusal(client: FlaskClient, path: str, status: int, **more: object) -> str:
    answer = client.post(path, **more)  # type: ignore[arg-type]
    assert (answer.status_code, answer.mimetype) == (status, "application/json"), answer.text
    return str(answer.json["error"])  # type: ignore[index]


@pytest.mark.parametrize("path", ["/api/monitor", "/api/clusters/shop/actions/switchover", "/nowhere"])
def test_a_long_body(client: FlaskClient, path: str) -> None:
    assert "1024 KiB" in refusal(client, path, 413, data=b"x" * (BODY + 1))
    assert client.post("/api/status", data=b"x" * BODY).status_code == 200


def test_a_long_path(client: FlaskClient) -> None:
    assert "8192" in refusal(client, "/api/status?" + "x" * PATH, 414)
    assert client.get("/api/status?" + "x" * (PATH - 12)).status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/api/clusters/%", "/api/clusters/a%2", "/api/clusters/%zz", "/api/clusters/%ff", "/api/status?a=%e9", "/%c0%af"],
)
def test_a_path_that_is_wrongly_encoded(running: Running, path: str) -> None:
    host, _, port = running.url.removeprefix("http://").partition(":")
    head, body = raw(host, int(port), f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    assert head.startswith("HTTP/1.1 400 ")
    assert "error" in json.loads(body)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b'{"to": ', {"Content-Type": "application/json"}),
        (b'["db1"]', {"Content-Type": "application/json"}),
        (b'{"to": "\xff"}', {"Content-Type": "application/json"}),
        (b'{"to": "\\ud800"}', {"Content-Type": "application/json"}),
        (b'{"\\udfff": 1}', {"Content-Type": "application/json"}),
        (b"[" * 100_000, {"Content-Type": "application/json"}),
        (b"to=%", FORM),
        (b"to=%ff", FORM),
        (b"to=\xff", FORM),
    ],
)
def test_a_body_that_is_wrongly_encoded(
    client: FlaskClient, admin: dict[str, str], body: bytes, headers: dict[str, str]
) -> None:
    assert refusal(client, "/api/clusters/shop/actions/switchover", 400, data=body, headers=headers | admin)


def raw(host: str, port: int, sent: bytes) -> tuple[str, str]:
    """Head and body of the answer to those bytes; read until the server closes."""
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(sent)
        pieces = list(iter(lambda: connection.recv(65536), b""))
    head, _, body = b"".join(pieces).decode().partition("\r\n\r\n")
    return head, body


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: 1\r\n" % number for number in range(150)) + b"\r\n", 431),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n", 400),
        (b"POST /api/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST /api/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{}xxxx\r\n", 400),
        (b"POST /api/login HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: rot13\r\n\r\n", 501),
        (b"POST /api/login HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\nConnection: close\r\n\r\n", 413),
        (
            b"POST /api/status HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
            + b"10000\r\n%b\r\n" % (b"x" * 0x10000) * 17
            + b"0\r\n\r\n",
            413,
        ),
    ],
)
def test_what_is_no_request(running: Running, sent: bytes, status: int) -> None:
    host, _, port = running.url.removeprefix("http://").partition(":")
    head, body = raw(host, int(port), sent)
    assert head.startswith(f"HTTP/1.1 {status} "), head
    assert "content-type: application/json" in head.lower()
    assert json.loads(body)["error"]
    assert requests.get(f"{running.url}/api/status", timeout=5).ok
