"""The real ``pcsm`` or ``plm``, as a process of its own, and its API."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests
from mongo_stand import free_port, wait_until

from repman.link.percona.flavour import Flavour

RUN = "import sys; from repman.cli.percona import {name}; sys.exit({name}())"


def environment(**more: str) -> dict[str, str]:
    """That of the tests without what would change the program."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PCSM_", "PLM_"))}
    return kept | more


class Program:
    """One server."""

    def __init__(self, directory: Path, *words: str, flavour: Flavour = Flavour.PCSM, **variables: str) -> None:
        directory.mkdir(exist_ok=True)
        self.directory, self.words, self.flavour = directory, words, flavour
        self.variables = variables
        self.port = free_port()
        self.log = directory / "log"
        self.errors = directory / "errors"
        self.process = self._launched()

    def _launched(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as out, self.errors.open("ab") as err:
            return subprocess.Popen(
                [sys.executable, "-c", RUN.format(name=self.flavour.value), *self.words, "--port", str(self.port)],
                env=environment(**self.variables),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def ready(self, state: str = "idle") -> Program:
        """Once it answers, and is in a state."""
        self.until(lambda found: found["state"] == state, f"state {state}")
        return self

    def until(self, condition: Any, what: str = "a status", seconds: float = 30.0) -> dict[str, Any]:
        """The first status for which a condition holds."""

        def found() -> dict[str, Any] | None:
            assert self.process.poll() is None, self.told() + self.errors.read_text()
            try:
                status = self.status()
            except requests.ConnectionError:
                return None
            return status if condition(status) else None

        return dict(wait_until(found, seconds, what))

    def in_sync(self) -> dict[str, Any]:
        """Once the target is consistent."""
        return self.until(lambda found: found.get("initialSync", {}).get("completed"), "the initial sync")

    def status(self) -> dict[str, Any]:
        answer = requests.get(f"http://127.0.0.1:{self.port}/status", timeout=5)
        assert answer.status_code == 200
        return dict(answer.json())

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = requests.post(f"http://127.0.0.1:{self.port}/{path}", json=body, timeout=30)
        assert answer.status_code == 200
        return dict(answer.json())

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One of the commands that talk to it."""
        return command(*words, "--port", str(self.port), flavour=self.flavour)

    def told(self) -> str:
        """What it has written to its log so far."""
        return self.log.read_text()

    def logs(self, text: str) -> None:
        """Once a text is in the log."""
        wait_until(lambda: text in self.told(), what=f"{text!r} in the log")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and return its exit code."""
        self.process.send_signal(number)
        return self.process.wait(20)

    def again(self) -> Program:
        """The same program once more, after it ended."""
        assert self.process.poll() is not None
        self.process = self._launched()
        return self

    def remove(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


def command(*words: str, flavour: Flavour = Flavour.PCSM, **variables: str) -> subprocess.CompletedProcess[str]:
    """One command line, to its end."""
    return subprocess.run(
        [sys.executable, "-c", RUN.format(name=flavour.value), *words],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
