"""The configuration of a process that goes on while it changes.

Who changes the configuration leaves a mark in the run directory.  Each process compares the mark when it needs
the settings, which costs one look at a file's status, and reads everything again when there is a new one.
Options that are not live keep the value they had when the process began.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from repman.config import read
from repman.config.build import Values, build
from repman.config.layers import Merged, Setting
from repman.config.settings import Settings
from repman.errors import ConfigError

LOG = logging.getLogger(__name__)

MARK = "configuration"

_Mark = tuple[int, int] | None


class Live:
    """Settings that follow the files; usable from several threads."""

    def __init__(self, settings: Settings) -> None:
        """Begin with those; without a source they stay as they are."""
        self._settings = settings
        self._began = settings.merged
        self._path = f"{settings.service.rundir}/{MARK}"
        self._mark: _Mark = None
        self._lock = threading.Lock()
        self._listeners: list[Callable[[Settings], None]] = []

    @property
    def known(self) -> Settings:
        """The settings as they were last read, without a look at any file."""
        return self._settings

    @property
    def settings(self) -> Settings:
        """The settings as they are now.  A configuration with mistakes changes nothing and is told to the log."""
        if _status(self._path) != self._mark:
            with self._lock:
                mark = _status(self._path)
                if mark != self._mark:
                    try:
                        self._follow()
                    finally:
                        # Only now: until then others wait for the lock, and none goes on with what is outdated.
                        self._mark = mark
        return self._settings

    def on_change(self, listener: Callable[[Settings], None]) -> None:
        """Call `listener` with the settings whenever they have changed; it must not ask here for them itself."""
        self._listeners.append(listener)

    def reload(self) -> Settings:
        """Read everything now; raises ConfigError with every mistake, and goes on with what was known."""
        with self._lock:
            mark = _status(self._path)
            try:
                self._read()
            finally:
                self._mark = mark
        return self._settings

    def announce(self) -> None:
        """Tell all processes of this run directory that the configuration has changed; raises ConfigError."""
        announce(self._settings.service.rundir)

    def restart_needed(self, cluster: str = "") -> tuple[str, ...]:
        """The options of the cluster (of the installation for none) that wait for a restart of repman."""
        settings = self.settings.merged
        if settings is None or self._began is None:
            return ()
        now = settings.clusters.get(cluster, {}) if cluster else settings.service
        then = self._began.clusters.get(cluster, now) if cluster else self._began.service
        return tuple(name for name, setting in now.items() if waits(setting, then[name]))

    def _follow(self) -> None:
        try:
            self._read()
        except ConfigError as error:
            LOG.error("the changed configuration cannot be used and is not: %s", "; ".join(error.mistakes))

    def _read(self) -> None:
        source = self._settings.source
        if source is None:
            return
        merged, findings = read(source.path, source.flags, source.environ)
        if findings.mistakes:
            raise ConfigError(findings.mistakes)
        assert self._began is not None
        self._settings = replace(running(merged, self._began), source=source)
        for listener in self._listeners:
            listener(self._settings)


def announce(rundir: Path) -> None:
    """Leave the mark of a changed configuration; raises ConfigError."""
    draft = rundir / f".{MARK}.{os.getpid()}.{threading.get_ident()}"
    try:
        rundir.mkdir(mode=0o750, parents=True, exist_ok=True)
        draft.write_text("")
        draft.replace(rundir / MARK)
    except OSError as error:
        raise ConfigError(
            [f"{rundir}: cannot be written ({error.strerror}), so nobody is told of the change"]
        ) from error


def waits(now: Setting, then: Setting) -> bool:
    """Whether an option has a value that is used after a restart only."""
    return not now.option.live and now.value != then.value


def running(configured: Merged, began: Merged) -> Settings:
    """The settings to go on with: what is live as configured, the rest as it was at the beginning.

    What is shown of each option is what is configured.
    """

    def settled(now: dict[str, Setting], then: dict[str, Setting]) -> dict[str, Setting]:
        return {name: then[name] if waits(setting, then[name]) else setting for name, setting in now.items()}

    clusters = {name: settled(now, began.clusters.get(name, now)) for name, now in configured.clusters.items()}
    made = build(replace(configured, service=settled(configured.service, began.service), clusters=clusters))
    return replace(
        made,
        merged=configured,
        service=replace(made.service, options=Values(configured.service).shown()),
        clusters=tuple(
            replace(cluster, options=Values(configured.clusters[cluster.policy.name]).shown())
            for cluster in made.clusters
        ),
    )


def _status(path: str) -> _Mark:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
