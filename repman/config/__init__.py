"""Configuration: one option table, layers with the origin of each value, frozen settings."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from repman.config.build import build
from repman.config.checks import check
from repman.config.files import Files, exists
from repman.config.findings import Findings
from repman.config.layers import PREFIX, Merged, merge
from repman.config.settings import Settings, Source
from repman.config.unsealing import unsealed
from repman.errors import ConfigError

__all__ = ["DEFAULT_PATHS", "load", "read"]

DEFAULT_PATHS = (
    Path("repman.toml"),
    Path("/etc/repman/config.toml"),
    Path("/etc/replication-manager/config.toml"),
)
"""Where the main file is looked for when neither the caller nor ``REPMAN_CONFIG`` names it."""


def load(
    path: Path | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> tuple[Settings, tuple[str, ...]]:
    """The settings and warnings for the operator.

    `overrides` are ``name=value`` or ``cluster.name=value``.  Raises ConfigError with every mistake.
    """
    source = source_of(path, overrides, environ)
    began = time.time_ns()
    merged, findings = read(source.path, source.flags, source.environ)
    if findings.mistakes:
        raise ConfigError(findings.mistakes)
    return replace(build(merged), source=source, read_at=began), findings.warnings


def source_of(path: Path | None, overrides: Sequence[str], environ: Mapping[str, str]) -> Source:
    """Where that configuration is read from, today and whenever it is read again; raises ConfigError without one."""
    ours = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    return Source((path or _find(environ)).absolute(), tuple(overrides), ours)


def read(
    path: Path | None = None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
    files: Files | None = None,
) -> tuple[Merged, Findings]:
    """Every setting with its origin, and what is wrong with it; raises ConfigError only without a main file.

    Without `files` they are read from disk.
    """
    findings = Findings()
    merged = unsealed(merge(path or _find(environ), overrides, environ, findings, files), findings)
    check(merged, findings)
    return merged, findings


def _find(environ: Mapping[str, str]) -> Path:
    if named := environ.get("REPMAN_CONFIG"):
        return Path(named)
    for path in DEFAULT_PATHS:
        if exists(path):
            return path
    places = ", ".join(str(path) for path in DEFAULT_PATHS)
    raise ConfigError([f"there is no configuration file; name it with --config, or create one of {places}"])
