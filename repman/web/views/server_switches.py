"""Small acts on one server, done by the worker; each answers how it is now."""

from __future__ import annotations

from flask import Response

from repman.web import replies
from repman.web.call import Call, View
from repman.web.parameters import count, parameters
from repman.web.views import looking

_SECONDS = 5.0
_PURGE_SECONDS = 30
_MOST_PURGE = 60


def switch(name: str) -> View:
    """A view that turns something on, off (``to``), or to the other side."""

    def view(call: Call) -> Response:
        word = parameters().get("to", "")
        if word.lower() not in ("", "on", "off"):
            return replies.error(400, f"to must be on or off, not {word!r}; nothing was changed.")
        return _act(call, f"toggle-{name}", {"to": word.lower()})

    return view


def act(name: str) -> View:
    """A view that lets the worker do that, with the variable parts of the path."""

    def view(call: Call) -> Response:
        return _act(
            call, name, {key: value for key, value in call.arguments.items() if key not in ("cluster", "server")}
        )

    return view


def wait_for_purge(call: Call) -> Response:
    """Wait until InnoDB has purged its history."""
    seconds = count("seconds", _PURGE_SECONDS, _MOST_PURGE)
    return _act(call, "wait-innodb-purge", {"seconds": str(seconds)}, seconds)


def _act(call: Call, name: str, arguments: dict[str, str], seconds: float = _SECONDS) -> Response:
    server = looking.server(call, looking.not_found)
    return replies.document({"server": server.address, **looking.ask(call, name, server.address, arguments, seconds)})
