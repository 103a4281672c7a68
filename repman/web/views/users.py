"""Accounts: seen, made, changed and dropped by those who may; and the caller's own password and tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import wraps
from typing import Any

from flask import Response, request

from repman.state.accounts import EVERYWHERE
from repman.web import passwords, replies, tokens
from repman.web.call import Call, View
from repman.web.granting import Change, Denied, added, check_name, dropped, named, updated, with_password
from repman.web.parameters import flag
from repman.web.render.users import render_users
from repman.web.views.login import prove

Body = Mapping[str, Any]


def _refusing(view: View) -> View:
    """The view, with an answer for what is denied."""

    @wraps(view)
    def answer(call: Call) -> Response:
        try:
            return view(call)
        except Denied as reason:
            more = {"missing_grant": reason.grant} if reason.grant else {}
            refusal = replies.error(reason.status, str(reason), **more)
            if reason.grant:
                refusal.headers["X-Repman-Missing-Grant"] = reason.grant
            return refusal

    return answer


def cluster_users(call: Call) -> Response:
    """The users to whom this cluster is open."""
    return replies.document(render_users(call.house.directory, call.user, call.cluster.policy.name))


def all_users(call: Call) -> Response:
    """Every user."""
    return replies.document(render_users(call.house.directory, call.user))


@_refusing
def add(call: Call) -> Response:
    """A new user of this cluster."""
    return _add(call, call.cluster.policy.name, _body())


@_refusing
def add_everywhere(call: Call) -> Response:
    """A new user of all clusters."""
    return _add(call, EVERYWHERE, _body_for_name_in_path(call))


@_refusing
def update(call: Call) -> Response:
    """Other grants in this cluster, another password, or both."""
    return _update(call, call.cluster.policy.name, _body())


@_refusing
def update_everywhere(call: Call) -> Response:
    """Other grants in all clusters, another password, or both."""
    return _update(call, EVERYWHERE, _body_for_name_in_path(call))


@_refusing
def drop(call: Call) -> Response:
    """This cluster is closed to the user, who is gone when no other is open."""
    return _drop(call, call.cluster.policy.name, _body())


@_refusing
def drop_everywhere(call: Call) -> Response:
    """A user of all clusters is gone."""
    return _drop(call, EVERYWHERE, {"username": call.arguments["user"]})


@_refusing
def change_password(call: Call) -> Response:
    """The caller's own password; all tokens of the caller are void then."""
    name, body = call.user.name, _body()
    old, new = body.get("password"), _password(body, "newPassword")
    if not isinstance(old, str) or new is None:
        raise Denied(400, "Give password, the present one, and newPassword.")
    _check_stored(call, name)
    if prove(call, name, old) is None:
        raise Denied(403, "The present password is another.")
    call.house.directory.change(name, name, with_password(name, passwords.hashed(new)))
    return replies.document({"sentence": f"The password of {name} is changed; log in again."})


def logout(call: Call) -> Response:
    """This token is void; with ``everywhere`` all tokens of the caller are."""
    directory = call.house.directory
    if flag("everywhere"):
        directory.revoke_all(call.user.name)
        return replies.document({"sentence": f"All tokens of {call.user.name} are void."})
    token = tokens.read(request.headers.get("Authorization"), call.house.key)
    directory.revoke(token.id, token.user, token.until)
    return replies.document({"sentence": "This token is void."})


def revoke_tokens(call: Call) -> Response:
    """All tokens of a user are void."""
    name = call.arguments["user"]
    if name not in call.house.directory.users():
        return replies.error(404, f"There is no user {name}; GET /api/users lists them.")
    call.house.directory.revoke_all(name)
    return replies.document({"sentence": f"All tokens of {name} are void."})


def _add(call: Call, cluster: str, body: Body) -> Response:
    name, grants, password = _name(body), _grants(body) or frozenset(), _password(body)
    _check_stored(call, name)
    known = call.house.directory.accounts().get(name)
    once = passwords.generated() if password is None and known is None else None
    _change(call, name, added(call.user, name, cluster, grants, _hashed(password or once)))
    told = {"password": once} if once else {}
    return _told(name, cluster, f"{name} is a user of {cluster or 'all clusters'} now.", grants=sorted(grants), **told)


def _update(call: Call, cluster: str, body: Body) -> Response:
    name, grants, password = _name(body), _grants(body), _password(body)
    if grants is None and password is None:
        raise Denied(400, "Give grants, password, or both.")
    _check_stored(call, name)
    _change(call, name, updated(call.user, name, cluster, grants, _hashed(password)))
    return _told(name, cluster, f"{name} is changed.")


def _drop(call: Call, cluster: str, body: Body) -> Response:
    name = _name(body)
    _check_stored(call, name)
    _change(call, name, dropped(call.user, name, cluster))
    return _told(name, cluster, f"{name} is no user of {cluster or 'any cluster'} any more.")


def _change(call: Call, name: str, change: Change) -> None:
    call.house.directory.change(name, call.user.name, change)


def _told(name: str, cluster: str, sentence: str, **more: Any) -> Response:
    return replies.document({"user": name, "cluster": cluster, "sentence": sentence, **more})


def _hashed(password: str | None) -> str | None:
    return None if password is None else passwords.hashed(password)


def _check_stored(call: Call, name: str) -> None:
    if name in call.house.directory.configured:
        raise Denied(409, f"{name} is in the configuration; change it there (api-credentials and the acl options).")


def _body() -> Body:
    """The JSON object in the body, whatever it is called; never the query, which ends up in logs of proxies."""
    try:
        body = json.loads(request.get_data())
        # Half of a surrogate pair is no character: nobody could be told of it.
        json.dumps(body, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        replies.stop(replies.text("Error in request", 400))
    return body


def _body_for_name_in_path(call: Call) -> Body:
    body = _body()
    name = call.arguments["user"]
    if body.get("username", name) != name:
        raise Denied(400, f"The path names {name}, the body another user; name one.")
    return {**body, "username": name}


def _name(body: Body) -> str:
    name = body.get("username")
    if not isinstance(name, str):
        raise Denied(400, "Give username, a string.")
    check_name(name)
    return name


def _grants(body: Body) -> frozenset[str] | None:
    """Words with spaces or commas between them, or an array of words."""
    given = body.get("grants")
    if given is None:
        return None
    if isinstance(given, str):
        return named(given.replace(",", " ").split())
    if isinstance(given, list) and all(isinstance(word, str) for word in given):
        return named(word for word in given if word)
    raise Denied(400, 'grants must be a string such as "cluster-show db-logs", or an array of strings.')


def _password(body: Body, key: str = "password") -> str | None:
    given = body.get(key)
    if given is None or given == "":
        return None
    if not isinstance(given, str) or not passwords.SHORTEST <= len(given) <= passwords.LONGEST:
        raise Denied(
            400, f"{key} must be a string of {passwords.SHORTEST} to {passwords.LONGEST} characters; left out: none."
        )
    return given
