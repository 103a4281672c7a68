"""Arguments of an action: from the query, a form, or a JSON object in the body."""

from __future__ import annotations

import json

from flask import request
from werkzeug.exceptions import BadRequest

from repman.web import replies
from repman.web.call import Call

_YES = ("1", "true", "yes", "on")
_NO = ("", "0", "false", "no", "off")


def parameters() -> dict[str, str]:
    """All arguments; the query wins over the body.  Ends the request with 400 when the body is no JSON object."""
    found: dict[str, str] = {}
    if request.is_json and request.get_data(cache=True):
        try:
            body = request.get_json()
        except (BadRequest, RecursionError):
            body = None
        if not isinstance(body, dict):
            replies.stop(replies.error(400, 'The body must be a JSON object, such as {"to": "db2"}, or empty.'))
        found |= {_text(name): _text(value) for name, value in body.items() if _is_given(name, value)}
    found |= request.form.to_dict()
    found |= request.args.to_dict()
    return found


def flag(name: str) -> bool:
    """A yes-or-no argument, no by default.  Ends the request with 400 on any other word."""
    value = parameters().get(name)
    if value is None or value.lower() in _NO:
        return False
    if value.lower() in _YES:
        return True
    replies.stop(replies.error(400, f"{name} must be true or false, not {value!r}."))


def wished_server(call: Call) -> str:
    """Address of the server named by ``to`` or ``prefmaster``; empty when none is.

    Ends the request with 404 for a server that the cluster does not have, with the names of those it has.
    """
    given = parameters()
    wishes = {given[name] for name in ("to", "prefmaster") if given.get(name)}
    if len(wishes) > 1:
        replies.stop(replies.error(400, "to and prefmaster name different servers; give one of the two."))
    if not wishes:
        return ""
    policy = call.cluster.policy
    server = policy.find(wishes.pop())
    if server is None:
        known = [each.name for each in policy.servers]
        sentence = f"Cluster {policy.name} has no such server; nothing was changed. Use one of: {', '.join(known)}."
        replies.stop(replies.error(404, sentence, known=known))
    return server.address


def _is_given(name: str, value: object) -> bool:
    """False for null, which is as good as absent.  Ends the request with 400 for what has no written form."""
    if isinstance(value, dict | list):
        told = json.dumps(name)
        replies.stop(
            replies.error(400, f"{told} must be a string, a number, or true or false; a list has commas in it.")
        )
    return value is not None


def _text(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        replies.stop(replies.error(400, "The body has half of a surrogate pair, which is no character."))
    return text


def count(name: str, default: int, most: int) -> int:
    """A number from 1 to `most`.  Ends the request with 400 on anything else."""
    value = parameters().get(name)
    if value is None:
        return default
    if value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= most:
        return int(value)
    replies.stop(replies.error(400, f"{name} must be a number from 1 to {most}, not {value!r}."))
