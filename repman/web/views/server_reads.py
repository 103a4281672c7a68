"""Live reads: the worker looks, the renderers give it the API's form."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Response

from repman.model.orchestrator import why_unavailable
from repman.web import replies
from repman.web.call import Call, View
from repman.web.parameters import count, parameters
from repman.web.render import database, statements
from repman.web.render.top import render_top
from repman.web.views import looking
from repman.web.views.orchestrated import unavailable

_ROWS = 1000
_MOST_ROWS = 5000


def read(name: str, render: Callable[[Any], Any]) -> View:
    """A view of what that request of the worker finds."""

    def view(call: Call) -> Response:
        return replies.document(render(_look(call, name)))

    return view


def rows(name: str, render: Callable[[Any], Any]) -> View:
    """A view of a list with a bound, each row rendered; a header tells that there are more, and where they are from."""
    return _listed(name, lambda found: [render(row) for row in found])


def named_tables(call: Call) -> Response:
    """Tables by ``schema.table``."""
    return _listed("tables", database.render_named_tables)(call)


def tables_of_writer(call: Call) -> Response:
    """Tables of the writer, biggest first; nothing when there is no writer."""
    writer = call.house.snapshot(call.cluster).writer
    if not writer:
        return replies.text("")
    found = looking.ask(call, "tables", writer, {"limit": str(count("limit", _ROWS, _MOST_ROWS))})
    return _with_notes(replies.document(database.render_tables(found["rows"])), found)


def error_log(call: Call) -> Response:
    """The error log, newest first."""
    found = _look(call, "errorlog", limit=True)
    return _with_notes(replies.document(database.render_error_log(call.cluster.policy.name, found["rows"])), found)


def status_delta(call: Call) -> Response:
    """Counters that have changed since the previous read; a header tells how many seconds that is ago."""
    found = _look(call, "status-delta")
    answer = replies.document(database.render_named(found["differences"]))
    answer.headers["X-Repman-Seconds"] = f"{found['seconds']:.3f}"
    return answer


def plan(name: str) -> View:
    """How the server does the statement of a digest, or null for a digest that it does not know."""
    return _of_statement(name, looking.SECONDS, 0)


def measured_plan(name: str) -> View:
    """What the statement of a digest takes; it is done for that."""
    return _of_statement(name, 10.0, 60)


def top(call: Call) -> Response:
    """What the servers that answer do."""
    policy = call.cluster.policy
    wanted = parameters().get("serverName", "")
    server = policy.find(wanted) if wanted else None
    if wanted and server is None:
        return replies.text("Not a Valid Server!", 500)
    found = looking.ask(call, "top", server.address if server else "", {})
    return replies.document(
        [render_top(each.id, each.address, found[each.address]) for each in policy.servers if each.address in found]
    )


def differing_variables(call: Call) -> Response:
    """Variables in which the servers that answer differ."""
    names = {server.address: server.name for server in call.cluster.policy.servers}
    return replies.document(database.render_differences(looking.ask(call, "diffvariables", "", {}), names))


def no_query_rules(call: Call) -> Response:
    """Rules of ProxySQL, of which no cluster has one."""
    return replies.document([])


def no_shard_clusters(call: Call) -> Response:
    """Clusters that share their tables' rows out, of which there are none."""
    return replies.document({})


def service_template(call: Call) -> Response:
    """What OpenSVC would run: repman drives no OpenSVC, so only why not."""
    looking.server(call, looking.not_valid)
    word = call.cluster.orchestrator
    reason = why_unavailable(word) or f"the cluster's orchestrator is {word}, so OpenSVC has no service for its servers"
    return unavailable(reason, 200)


def _look(call: Call, name: str, *, limit: bool = False) -> Any:
    address = looking.server(call, looking.not_valid).address
    arguments = {"limit": str(count("limit", _ROWS, _MOST_ROWS))} if limit else {}
    return looking.ask(call, name, address, arguments)


def _listed(name: str, render: Callable[[Any], Any]) -> View:
    def view(call: Call) -> Response:
        found = _look(call, name, limit=True)
        return _with_notes(replies.document(render(found["rows"])), found)

    return view


def _with_notes(answer: Response, found: Mapping[str, Any]) -> Response:
    if found["truncated"]:
        answer.headers["X-Repman-Truncated"] = "true"
    if "from" in found:
        answer.headers["X-Repman-From"] = found["from"]
    return answer


def _of_statement(name: str, default: float, most: int) -> View:
    def view(call: Call) -> Response:
        address = looking.server(call, looking.not_found).address
        seconds = count("seconds", int(default), most) if most else default
        arguments = {"digest": call.arguments["digest"], "seconds": f"{seconds:.0f}"}
        found = looking.ask(call, name, address, arguments, seconds)
        return replies.document(None if found is None else [statements.render_plan_row(row) for row in found])

    return view
