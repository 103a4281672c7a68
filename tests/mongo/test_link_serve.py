"""`repman link serve`: either API in front of a link, with a token where one is given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from mongo_stand import ReplicaSet, free_port, wait_until


@contextmanager
def serving(source: ReplicaSet, target: ReplicaSet, *flags: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A process and what its paths begin with; it is asked to end, and must end in order."""
    port = free_port()
    uris = {"REPMAN_LINK_CLUSTER0": source.uri, "REPMAN_LINK_CLUSTER1": target.uri}
    process = subprocess.Popen(
        [sys.executable, "-m", "repman", "link", "serve", "--port", str(port), *flags],
        env=os.environ | uris, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with process:
        try:
            yield process, f"http://localhost:{port}"
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()


def asked(process: subprocess.Popen[bytes], url: str, headers: dict[str, str] | None = None) -> requests.Response:
    """The answer, once the port is open."""
    with requests.Session() as session:
        session.trust_env = False

        def answer() -> tuple[requests.Response] | None:
            assert process.poll() is None
            try:
                # In a tuple, as an answer that is an error counts as false.
                return (session.get(url, headers=headers, timeout=5),)
            except requests.ConnectionError:
                return None

        found: tuple[requests.Response] = wait_until(answer, 30, "an answer")
        return found[0]


@pytest.mark.parametrize(
    ("dialect", "path", "shown"),
    [("mongosync", "/api/v1/progress", {"success": True}), ("percona", "/status", {"ok": True, "state": "idle"})],
)
def test_the_api_of_ones_choice(
    dialect: str, path: str, shown: dict[str, object], source: ReplicaSet, target: ReplicaSet
) -> None:
    with serving(source, target, "--dialect", dialect) as (process, base):
        answer = asked(process, base + path)
        assert answer.status_code == 200
        assert shown.items() <= answer.json().items()


def test_a_token_is_asked_for_where_one_is_given(source: ReplicaSet, target: ReplicaSet, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("of-the-test\n")
    with serving(source, target, "--token-file", str(token)) as (process, base):
        without = asked(process, f"{base}/api/v1/progress")
        assert (without.status_code, without.json()["error"]) == (401, "Unauthorized")
        bearer = {"Authorization": "Bearer of-the-test"}
        assert asked(process, f"{base}/api/v1/progress", bearer).status_code == 200
