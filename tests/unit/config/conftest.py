from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from repman.config import load
from repman.config.settings import Settings
from repman.errors import ConfigError

ACCOUNTS = 'db-servers-credential = "repman:pw-of-repman"\nreplication-credential = "repl:pw-of-repl"\n'


class Configured:
    """A directory with configuration files, and what becomes of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.main = directory / "main.toml"
        self.environ: dict[str, str] = {}

    def write(self, text: str, name: str = "main.toml") -> Path:
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return path

    def cluster(self, lines: str = "", name: str = "c1", default: str = "") -> None:
        """A main file with one good cluster of three servers, whose section begins in line 3 (or later)."""
        hosts = 'db-servers-hosts = "db1,db2,db3"\n' if "db-servers-hosts" not in lines else ""
        datadir = 'monitoring-datadir = "data"\n' if "monitoring-datadir" not in default else ""
        self.write(f"[Default]\n{datadir}{default}[{name}]\n{ACCOUNTS}{hosts}{lines}")

    def load(self, *overrides: str, environ: Mapping[str, str] | None = None) -> tuple[Settings, tuple[str, ...]]:
        return load(self.main, overrides, environ if environ is not None else {})

    def mistakes(self, *overrides: str, environ: Mapping[str, str] | None = None) -> Sequence[str]:
        with pytest.raises(ConfigError) as raised:
            self.load(*overrides, environ=environ)
        return raised.value.mistakes


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    return Configured(tmp_path)


@pytest.fixture
def mistakes_of(configured: Configured) -> Callable[[str], str]:
    """All mistakes of a cluster's section with these lines, as one text."""

    def told(lines: str) -> str:
        configured.cluster(lines)
        return "\n".join(configured.mistakes())

    return told
