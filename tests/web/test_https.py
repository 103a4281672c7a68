"""The HTTPS port: the same routes, a certificate that stays, and protected paths kept off the plain port."""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import ssl
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from repman.config.settings import Settings
from repman.errors import ConfigError, StateError
from repman.model.probe import probe_table
from repman.state.snapshots import Publisher
from repman.web import process
from repman.web.certificate import PRIVATE, PUBLIC, tls_context

from . import shop
from .test_process import free_port, login

pytestmark = pytest.mark.slow


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The web process; the URL of its HTTPS port."""
    child = multiprocessing.get_context("spawn").Process(target=process.run, args=(settings,))
    child.start()
    try:
        port = settings.service.http_port if settings.service.http_server else settings.service.api_port
        assert waited(port), "gunicorn does not answer"
        yield f"https://127.0.0.1:{settings.service.api_port}"
    finally:
        child.terminate()
        child.join(10)


def waited(port: int) -> bool:
    """Whether something listens there before long."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return True
        threading.Event().wait(0.02)
    return False


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = shop.settings(tmp_path, http_port=free_port(), http_workers=2, api_server=True, api_port=free_port())
    Publisher(made.service.rundir).publish(shop.snapshot(), probe_table(shop.snapshot(), "keep", 60.0))
    return made


def changed(settings: Settings, **service: object) -> Settings:
    return replace(settings, service=replace(settings.service, **service))  # type: ignore[arg-type]


def bearer(url: str, verify: str) -> dict[str, str]:
    body = {"username": "admin", "password": shop.ADMIN.password}
    token = requests.post(f"{url}/api/login", json=body, timeout=10, verify=verify).json()["token"]
    return {"Authorization": f"Bearer {token}"}


def test_both_ports_serve_the_same_and_clients_can_pin_the_certificate(settings: Settings) -> None:
    pinned = str(settings.service.datadir / PUBLIC)
    seen = []
    for _ in range(2):
        with serving(settings) as secure:
            plain = f"http://127.0.0.1:{settings.service.http_port}"
            headers = bearer(secure, pinned)
            for path in ("/", "/api/clusters/shop/topology/servers", "/clusters/shop/servers/db1/is-master"):
                answers = [
                    requests.get(url + path, headers=headers, timeout=10, verify=pinned) for url in (plain, secure)
                ]
                assert [answer.status_code for answer in answers] == [200, 200]
                assert answers[0].content == answers[1].content
        seen.append(Path(pinned).read_bytes())
    assert seen[0] == seen[1]
    assert stat.S_IMODE((settings.service.datadir / PRIVATE).stat().st_mode) == 0o600
    assert b"PRIVATE" not in seen[0]


def test_protected_paths_are_kept_off_the_plain_port(settings: Settings) -> None:
    with serving(changed(settings, https_only=True)) as secure:
        plain, pinned = f"http://127.0.0.1:{settings.service.http_port}", str(settings.service.datadir / PUBLIC)
        headers = bearer(secure, pinned)
        for path in ("/api/monitor", "/api/clusters/shop", "/api/clusters/shop/actions/switchover"):
            answer = requests.get(plain + path, headers=headers | {"X-Forwarded-Proto": "https"}, timeout=10)
            assert answer.status_code == 403
            assert f"port {settings.service.api_port}" in answer.json()["error"]
        assert requests.get(f"{secure}/api/monitor", headers=headers, timeout=10, verify=pinned).ok
        assert requests.get(f"{plain}/clusters/shop/servers/db1/is-master", timeout=10).ok
        assert requests.get(f"{plain}/api/status", timeout=10).ok


def test_the_plain_port_can_be_off(settings: Settings) -> None:
    with serving(changed(settings, http_server=False)) as secure:
        pinned = str(settings.service.datadir / PUBLIC)
        assert requests.get(f"{secure}/api/status", timeout=10, verify=pinned).ok
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{settings.service.http_port}/api/status", timeout=2)


def test_what_is_no_tls_hurts_nobody(settings: Settings) -> None:
    with serving(settings) as secure:
        place = ("127.0.0.1", settings.service.api_port)
        pinned = str(settings.service.datadir / PUBLIC)
        silent = [socket.create_connection(place) for _ in range(20)]
        with socket.create_connection(place, timeout=25) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert b"200 OK" not in connection.recv(4096)
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(place, timeout=25) as connection, old.wrap_socket(connection) as wrapped:
            assert wrapped.version() == "TLSv1.2"
        assert requests.get(f"{secure}/api/status", timeout=20, verify=pinned).ok
        for each in silent:
            each.close()


def test_a_configured_certificate_is_used(settings: Settings, tmp_path: Path) -> None:
    tls_context(changed(settings, datadir=tmp_path / "elsewhere").service)
    both = tmp_path / "elsewhere" / PRIVATE
    with serving(changed(settings, ssl_cert=both, ssl_key=both)) as secure:
        assert requests.get(f"{secure}/api/status", timeout=10, verify=str(tmp_path / "elsewhere" / PUBLIC)).ok
        assert not (settings.service.datadir / PRIVATE).exists()


def test_a_certificate_that_cannot_be_used_is_said(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"monitoring-ssl-cert .* cannot be used"):
        tls_context(changed(settings, ssl_cert=tmp_path / "none", ssl_key=tmp_path / "none").service)
    (settings.service.datadir / PRIVATE).parent.mkdir(parents=True, exist_ok=True)
    (settings.service.datadir / PRIVATE).write_text("damaged")
    with pytest.raises(StateError, match="remove it, and a new certificate is made"):
        tls_context(settings.service)


def test_a_login_works_on_both_ports(settings: Settings) -> None:
    with serving(settings) as secure:
        assert login(f"http://127.0.0.1:{settings.service.http_port}").status_code == 200
        assert bearer(secure, str(settings.service.datadir / PUBLIC))
