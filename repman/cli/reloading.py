"""SIGHUP to ``repman serve``: all its processes read the configuration again."""

from __future__ import annotations

import logging
import threading

from repman.config.changes import forget_outdated
from repman.config.live import Live
from repman.config.settings import Settings
from repman.errors import ConfigError, RepmanError
from repman.model.command import Command, CommandKind
from repman.state.bus import ask

_log = logging.getLogger(__name__)

_TIMEOUT = 30.0
"""Seconds in which the monitor has to answer."""


def in_background(settings: Settings) -> None:
    """Begin to reload; what comes of it is told to the log."""
    threading.Thread(target=reload, args=(settings,), name="reload", daemon=True).start()


def reload(settings: Settings) -> None:
    """Check the configuration as it is now; if it can be used, tell every process of `settings.service.rundir`."""
    live = Live(settings)
    try:
        live.reload()
        if settings.source is not None:
            forget_outdated(settings.source)
        live.announce()
        receipt = ask(settings.service.monitor_socket, Command(CommandKind.RELOAD, ""), _TIMEOUT)
    except ConfigError as error:
        _log.error("the configuration has mistakes and is not used: %s", "; ".join(error.mistakes))
    except RepmanError as error:
        _log.warning("the monitor was not told of the configuration: %s", error)
    else:
        waiting = [name for cluster in ("", *_names(live)) for name in live.restart_needed(cluster)]
        _log.info("%s %s", receipt.sentence, f"Restart repman for: {', '.join(waiting)}." if waiting else "")


def _names(live: Live) -> list[str]:
    return [cluster.policy.name for cluster in live.known.clusters]
