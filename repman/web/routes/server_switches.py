"""Small acts on one server that touch neither its replication nor whether it takes writes."""

from __future__ import annotations

from repman.web.call import View
from repman.web.routes.route import SERVER, Answer, Parameter, Route
from repman.web.shapes import database as shapes
from repman.web.views import server_switches as views

_PROOF = "tests/integration/test_server_switches.py::"
_PAGE = "/api/clusters/{clusterName}/servers/{serverName}/actions"
_TO = Parameter("to", "`on` or `off`; without it to the other side", choices=("on", "off"))
_ANSWERS = (
    Answer(200, "How it is now, read back from the server.", schema=shapes.STATE),
    Answer(400, "An argument that cannot be; nothing was changed.", schema=shapes.TROUBLE),
    Answer(409, "Refused, and the reason; nothing was changed.", schema=shapes.TROUBLE),
    Answer(
        500,
        "`Server Not Found`: unknown. `503 -Not a Valid Server!`: down, or it denies us. As JSON: what the server said, "
        "such as which right is missing.",
        "text/plain",
    ),
    Answer(
        503, "Too many ask for this server at once (`Retry-After`), or the worker does not run.", schema=shapes.TROUBLE
    ),
    Answer(504, "No answer within `deadline` seconds; it may still be done.", schema=shapes.DEADLINE),
)


def _act(
    path: str,
    view: View,
    grant: str,
    summary: str,
    proof: str,
    parameters: tuple[Parameter, ...] = (),
    more: tuple[Answer, ...] = (),
    root: str = "actions",
    on_page: bool = False,
) -> Route:
    return Route(
        f"{SERVER}/{root}/{path}",
        view,
        grant,
        safe=False,
        summary=summary,
        parameters=parameters,
        answers=(*_ANSWERS, *more),
        page=f"{_PAGE}/{path}" if on_page else "",
        proof=_PROOF + proof,
    )


_SWITCHES = {
    "innodb-monitor": ("InnoDB's monitor writes into the error log", "test_switches_of_variables", True),
    "slow-query": ("The slow-query log", "test_switches_of_variables", True),
    "slow-query-table": (
        "Logs go into tables of `mysql` (on) or into files (off)",
        "test_switches_of_variables",
        False,
    ),
    "slow-query-capture": (
        "Every statement counts as slow: `long_query_time` goes to zero, and back to what it was",
        "test_every_statement_is_captured_and_the_time_comes_back",
        True,
    ),
    "pfs-slow-query": (
        "The performance schema keeps the text of statements",
        "test_the_performance_schema_keeps_and_forgets_statements",
        False,
    ),
    "meta-data-locks": ("The plugin METADATA_LOCK_INFO", "test_plugins_are_installed_and_taken_out", False),
    "query-response-time": ("The plugin QUERY_RESPONSE_TIME", "test_plugins_are_installed_and_taken_out", False),
    "sql-error-log": ("The plugin SQL_ERROR_LOG", "test_plugins_are_installed_and_taken_out", False),
}


def _switch(word: str, name: str) -> Route:
    what, proof, on_page = _SWITCHES[name]
    return _act(
        f"{word}-{name}",
        views.switch(name),
        "db-logs",
        f"{what}: on, off, or to the other side.",
        proof,
        parameters=(_TO,),
        on_page=on_page and word == "toogle",
    )


ROUTES: tuple[Route, ...] = (
    *(_switch(word, name) for name in _SWITCHES for word in ("toogle", "toggle")),
    _act(
        "set-long-query-time/<seconds>",
        views.act("set-long-query-time"),
        "db-logs",
        "From how many seconds on a statement is slow.",
        "test_every_statement_is_captured_and_the_time_comes_back",
    ),
    _act(
        "flush-logs",
        views.act("flush-logs"),
        "db-backup",
        "A new file of the server's binary log.",
        "test_logs_are_flushed_without_an_event",
    ),
    _act(
        "reset-pfs-queries",
        views.act("reset-pfs-queries"),
        "db-analyse",
        "The performance schema forgets the statements it has counted.",
        "test_the_performance_schema_keeps_and_forgets_statements",
    ),
    _act(
        "wait-innodb-purge",
        views.wait_for_purge,
        "db-maintenance",
        "Waits until InnoDB has purged its history; 500 when it has not in time.",
        "test_the_wait_for_the_purge_ends",
        parameters=(Parameter("seconds", "how long, 1 to 60; 30 when it is not given", kind="integer"),),
    ),
    *(
        _act(
            f"<id>/actions/{name}",
            views.act(name),
            "db-kill",
            f"{summary}; never one of repman's own, nor of replication.",
            "test_sessions_are_killed_and_never_our_own",
            more=(Answer(404, "The server has no such session.", schema=shapes.TROUBLE),),
            root="queries",
        )
        for name, summary in (
            ("kill-thread", "Ends a session, by its number in the process list"),
            ("kill-query", "Ends what a session runs, by its number in the process list"),
        )
    ),
)
