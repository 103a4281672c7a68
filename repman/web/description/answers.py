"""Every way in which a route answers: its own, and those that follow from what it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from repman.web.acl import ANY, PUBLIC
from repman.web.routes.route import Answer, Route
from repman.web.shapes.common import DENIED, ERROR, INCIDENT, STRING, record

_TEXT = "text/plain"


def own(route: Route) -> tuple[Answer, ...]:
    """What the view itself may answer, by rising code."""
    return tuple(sorted(route.answers, key=lambda answer: answer.status))


def all_of(route: Route) -> tuple[Answer, ...]:
    """The view's answers and those of the door in front of it, by rising code."""
    return tuple(sorted((*route.answers, *_of_the_door(route)), key=lambda answer: answer.status))


def _of_the_door(route: Route) -> list[Answer]:
    found = [
        Answer(400, "The request cannot be read.", schema=ERROR),
        Answer(404, "The path is not one of this route.", schema=ERROR),
        Answer(405, "The method is not one of those that `Allow` names.", schema=ERROR),
        Answer(413, "The body is too long.", schema=ERROR),
        Answer(414, "The address is too long.", schema=ERROR),
        Answer(500, "A mistake of repman's; its log has more under the number of the incident.", schema=INCIDENT),
        Answer(503, "What the answer needs does not run, or cannot be read, at the moment.", schema=ERROR),
    ]
    if route.grant != PUBLIC:
        found.append(Answer(401, "No usable token: `Unauthorised access to this resource: <reason>`.", _TEXT))
    if route.grant != PUBLIC and (route.grant != ANY or "<cluster>" in route.path):
        found.append(
            Answer(403, "`No valid ACL`: the grant is missing, or the cluster is not open to the user.", _TEXT)
        )
        found.append(Answer(403, "The grant is missing, told to a client that asks for JSON.", schema=DENIED))
    if "<cluster>" in route.path:
        found.append(unknown_cluster(route))
    return found


def schema_of(answer: Answer) -> Mapping[str, Any]:
    """The JSON Schema of its body; an error is written in one form unless the route says another."""
    if answer.schema is not None:
        return answer.schema
    return ERROR if answer.media == "application/json" and answer.status >= 400 else {"type": "string"}


def unknown_cluster(route: Route) -> Answer:
    """What the route answers for a cluster that is not configured."""
    answer = route.no_cluster("{cluster}")
    if answer.mimetype == "application/json":
        keys = json.loads(answer.get_data())
        return Answer(
            answer.status_code,
            "No such cluster.",
            schema=ERROR if "error" in keys else record(dict.fromkeys(keys, STRING)),
        )
    return Answer(answer.status_code, f"No such cluster: `{answer.get_data(as_text=True)}`.", _TEXT)
