"""Exit codes of every command, and the errors that only the command line knows.

0 done, 1 failed, 2 usage or configuration, 3 refused, 4 monitor, worker, link or API unreachable, 5 not authorised,
130 stopped with Ctrl-C
"""

from __future__ import annotations

from enum import IntEnum

from repman.errors import (
    ConfigError,
    LinkDown,
    MonitorDown,
    Refused,
    RepmanError,
    StreamRefused,
    UnknownCluster,
    UnknownServer,
    UnknownStream,
    WorkerDown,
)


class ExitCode(IntEnum):
    """What a command's exit code means; scripts may rely on it."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    """Wrong arguments, or a configuration that cannot be used."""
    REFUSED = 3
    """A guard said no; nothing was changed."""
    UNREACHABLE = 4
    """The monitor, the worker, a link or the API does not answer."""
    UNAUTHORISED = 5
    """Wrong credentials, or a grant is missing."""
    INTERRUPTED = 130
    """Ctrl-C: nobody watches any more; what was begun on servers goes on."""


class UsageFailure(RepmanError):
    """The command cannot be carried out as it was called; the text says what to give instead."""


class ApiUnreachable(RepmanError):
    """The HTTP API does not answer, or what answers is not repman."""


class NotAuthorised(RepmanError):
    """The API knows us and says no, or does not know us."""


class AlreadyRunning(RepmanError):
    """Another process of that kind runs with the same directories."""


_CODES: tuple[tuple[type[RepmanError], ExitCode], ...] = (
    (ConfigError, ExitCode.USAGE),
    (UsageFailure, ExitCode.USAGE),
    (UnknownCluster, ExitCode.USAGE),
    (UnknownServer, ExitCode.USAGE),
    (UnknownStream, ExitCode.USAGE),
    (Refused, ExitCode.REFUSED),
    (StreamRefused, ExitCode.REFUSED),
    (AlreadyRunning, ExitCode.REFUSED),
    (MonitorDown, ExitCode.UNREACHABLE),
    (WorkerDown, ExitCode.UNREACHABLE),
    (LinkDown, ExitCode.UNREACHABLE),
    (ApiUnreachable, ExitCode.UNREACHABLE),
    (NotAuthorised, ExitCode.UNAUTHORISED),
)


def exit_code(error: RepmanError) -> ExitCode:
    """The exit code that tells a script what kind of failure this was."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return ExitCode.FAILED
