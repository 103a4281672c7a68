"""From a wish to a changed configuration: saved, told to all processes, taken over by the monitor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from flask import Response

from repman.config.changes import Changed, Wish, change
from repman.config.settings import Source
from repman.errors import ConfigError, MonitorDown, Refused, SettingFixed, UnknownSetting
from repman.model.command import Command, CommandKind, Receipt
from repman.web import replies
from repman.web.call import Call

_RELOAD = 20.0
"""Seconds in which the monitor has to answer that it goes on with a changed configuration."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done:
    """A change that was saved."""

    changed: Changed
    monitor: str
    """What the monitor says of it."""


def carry_out(call: Call, wishes: Sequence[Wish]) -> Done:
    """Change the settings as wished; raises ConfigError or Refused, and nothing was changed then."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    changed = change(source(call), wishes, call.user.name, now)
    return Done(changed, tell(call).sentence)


def tell(call: Call) -> Receipt:
    """Tell every process that the configuration has changed; returns what the monitor says."""
    call.house.live.announce()
    try:
        return call.house.ask(Command(CommandKind.RELOAD, "", user=call.user.name), _RELOAD)
    except MonitorDown as error:
        return Receipt("unchanged", f"{error} It reads what was saved when it starts.")


def source(call: Call) -> Source:
    """Where the configuration comes from; ends the request when it is of no file."""
    found = call.house.settings.source
    if found is None:
        replies.stop(
            replies.error(503, "This repman was started without a configuration file, so nothing can be saved.")
        )
    return found


def attempt(act: Callable[[], T]) -> T:
    """What `act` returns; a refusal of the configuration ends the request with every reason."""
    try:
        return act()
    except Refused as error:
        replies.stop(replies.refused("Nothing was changed.", error.refusals))
    except ConfigError as error:
        replies.stop(refusal(error))


def refusal(error: ConfigError) -> Response:
    """Why the configuration was not changed: 501 with the contract's text, 409 or 400."""
    if isinstance(error, UnknownSetting):
        if replies.asks_for_json():
            return _mistakes(501, "Setting Not Found:", error)
        return replies.text("\n".join(("Setting Not Found", *error.mistakes)), 501)
    if isinstance(error, SettingFixed):
        return _mistakes(409, "The setting cannot be changed here; nothing was changed.", error)
    return _mistakes(400, "The configuration would be wrong; nothing was changed.", error)


def _mistakes(status: int, sentence: str, error: ConfigError) -> Response:
    return replies.error(status, f"{sentence} {'; '.join(error.mistakes)}", mistakes=list(error.mistakes))
