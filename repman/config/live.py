"""The configuration of a process that goes on while it changes.

Who changes the configuration leaves a mark in the run directory: a file with the texts that were found good.  Each
process compares the mark when it needs the settings, which costs one look at a file's status, and goes on with those
texts when there is a new one.  What has been written to the configuration files since is nobody's before it was found
good in turn, so processes that look at different times go on with the same.  Options that are not live keep the value
they had when the process began.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from repman.config import read
from repman.config.build import Values, build
from repman.config.files import Disk, Files, Kept
from repman.config.layers import Merged, Setting
from repman.config.saved import write_whole
from repman.config.settings import Settings, Source
from repman.errors import ConfigError

LOG = logging.getLogger(__name__)

MARK = "configuration"

_COARSE = 20_000_000
"""Nanoseconds by which a file's time may be behind the clock."""

_Mark = tuple[int, int] | None


class Live:
    """Settings that follow the files; usable from several threads."""

    def __init__(self, settings: Settings) -> None:
        """Begin with those; without a source they stay as they are."""
        self._settings = settings
        self._began = settings.merged
        self._path = f"{settings.service.rundir}/{MARK}"
        self._mark = self._seen_by(settings)
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
                    except ConfigError as error:
                        mistakes = "; ".join(error.mistakes)
                        LOG.error("the changed configuration cannot be used and is not: %s", mistakes)
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
            self._read(Disk())
            self._mark = mark
        return self._settings

    def announce(self) -> None:
        """Tell all processes of this run directory to go on with what the files say now.

        Raises ConfigError with every mistake; nobody was told then.
        """
        source, files = self._settings.source, Disk()
        if source is not None:
            _found_good(source, files)
        _leave_mark(self._settings.service.rundir, files)

    def restart_needed(self, cluster: str = "") -> tuple[str, ...]:
        """The options of the cluster (of the installation for none) that wait for a restart of repman."""
        settings = self.settings.merged
        if settings is None or self._began is None:
            return ()
        now = settings.clusters.get(cluster, {}) if cluster else settings.service
        then = self._began.clusters.get(cluster, now) if cluster else self._began.service
        return tuple(name for name, setting in now.items() if waits(setting, then[name]))

    def _seen_by(self, settings: Settings) -> _Mark:
        """The mark, if it is older than the settings."""
        mark = _status(self._path)
        return mark if mark is not None and mark[1] + _COARSE < settings.read_at else None

    def _follow(self) -> None:
        try:
            kept = json.loads(Path(self._path).read_text("utf-8"))
            files = Kept(kept["texts"], kept["listings"])
        except (OSError, ValueError, KeyError) as error:
            raise ConfigError([f"{self._path}: cannot be read: {error}; reload the configuration"]) from error
        self._read(files)

    def _read(self, files: Files) -> None:
        source = self._settings.source
        if source is None:
            return
        merged = _found_good(source, files)
        assert self._began is not None
        self._settings = replace(running(merged, self._began), source=source)
        for listener in self._listeners:
            listener(self._settings)


def _found_good(source: Source, files: Files) -> Merged:
    merged, findings = read(source.path, source.flags, source.environ, files)
    if findings.mistakes:
        raise ConfigError(findings.mistakes)
    return merged


def _leave_mark(rundir: Path, files: Disk) -> None:
    try:
        rundir.mkdir(mode=0o750, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError([f"{rundir}: cannot be made ({error.strerror}), so nobody is told of the change"]) from error
    # The texts hold passwords; the file is its owner's alone.
    write_whole(rundir / MARK, json.dumps({"texts": files.texts, "listings": files.listings}))


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
