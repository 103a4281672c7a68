"""Live reads of one server, or of all of a cluster, within three seconds."""

from __future__ import annotations

from functools import partial

from repman.web.call import View
from repman.web.render import database, statements
from repman.web.routes.route import CLUSTER, SERVER, Answer, Parameter, Route
from repman.web.shapes import database as shapes
from repman.web.shapes.common import LOG, OBJECT, STRING, Schema, array
from repman.web.shapes.server import REPLICATION
from repman.web.shapes.services import UNAVAILABLE
from repman.web.views import server_reads as views

_PROOF = "tests/integration/test_server_reads.py::"
_PAGE = "/api/clusters/{clusterName}/servers/{serverName}"
_LIMIT = Parameter(
    "limit",
    "most rows, 1 to 5000; 1000 when it is not given. `X-Repman-Truncated: true` says that there are more; a text "
    "ends after 16384 characters",
    kind="integer",
)
_SECONDS = Parameter("seconds", "how long it may take, 1 to 60; 10 when it is not given", kind="integer")

_TROUBLE = (
    Answer(
        500,
        "`503 -Not a Valid Server!`: unknown, down, or it denies us; as JSON with the reason for clients that accept "
        "`application/json` by name.",
        "text/plain",
    ),
    Answer(
        503, "Too many look at this server at once (`Retry-After`), or the worker does not run.", schema=shapes.TROUBLE
    ),
    Answer(504, "The server gave no answer within `deadline` seconds.", schema=shapes.DEADLINE),
)
_REFUSED = Answer(409, "The server does not offer it; the sentence says how it would.", schema=shapes.TROUBLE)


def _read(
    name: str,
    view: View,
    grant: str,
    summary: str,
    schema: Schema,
    proof: str,
    *,
    parameters: tuple[Parameter, ...] = (),
    more: tuple[Answer, ...] = (),
    on_page: bool = False,
) -> Route:
    return Route(
        f"{SERVER}/{name}",
        view,
        grant,
        summary=summary,
        parameters=parameters,
        answers=(Answer(200, "", schema=schema), *more, *_TROUBLE),
        page=f"{_PAGE}/{name}" if on_page else "",
        proof=_PROOF + proof,
    )


_page = partial(_read, on_page=True)
_SLOW = partial(
    _read,
    view=views.rows("slow-queries", statements.render_logged),
    grant="db-logs",
    schema=array(shapes.QUERY),
    proof="test_the_slow_query_log_is_read_from_file_and_table",
    parameters=(_LIMIT,),
    more=(_REFUSED,),
)


def _of_statement(name: str, view: View, grant: str, summary: str, parameters: tuple[Parameter, ...] = ()) -> Route:
    return Route(
        f"{SERVER}/queries/<digest>/actions/{name}",
        view,
        grant,
        safe=not name.startswith("analyze"),
        summary=summary,
        parameters=parameters,
        answers=(
            Answer(200, "`null` for a digest that is not known.", schema=shapes.PLAN),
            _REFUSED,
            *_TROUBLE,
        ),
        proof=f"{_PROOF}test_statements_are_explained_and_analysed",
    )


ROUTES: tuple[Route, ...] = (
    _page(
        "processlist",
        views.rows("processlist", database.render_process),
        "db-logs",
        "Sessions on the server, longest statement first.",
        array(shapes.PROCESS),
        "test_the_process_list_shows_what_runs_and_no_password",
        parameters=(_LIMIT,),
    ),
    _page(
        "variables",
        views.read("variables", database.render_named),
        "db-show-variables",
        "Global variables by upper-case name, sorted.",
        shapes.NAMED_VALUES,
        "test_variables_and_status_are_those_of_the_server",
    ),
    _page(
        "status",
        views.read("status", database.render_named),
        "db-show-status",
        "Global status by upper-case name, sorted.",
        shapes.NAMED_VALUES,
        "test_variables_and_status_are_those_of_the_server",
    ),
    _page(
        "status-delta",
        views.status_delta,
        "db-show-status",
        "Counters that have changed since the previous read by anybody, with the difference; the header "
        "`X-Repman-Seconds` tells how long ago that was. The first read looks twice, a second apart.",
        shapes.NAMED_VALUES,
        "test_the_difference_of_counters_is_that_of_two_reads",
    ),
    _page(
        "status-innodb",
        views.read("status-innodb", database.render_named),
        "db-show-status",
        "Four figures of InnoDB: statements inside, in the queue, read views, length of the history.",
        shapes.NAMED_VALUES,
        "test_the_figures_of_innodb",
    ),
    _page(
        "errorlog",
        views.error_log,
        "db-logs",
        "The error log, newest first: from the file of a server that runs on this host, also when it is down; over "
        "SSH from another host; else the copy that `backup-error-log` has fetched. `X-Repman-From` tells which.",
        LOG,
        "test_the_error_log_is_read_also_when_the_server_is_down",
        parameters=(_LIMIT,),
        more=(_REFUSED,),
    ),
    _SLOW(
        "slowlog",
        summary="The slow-query log, newest first, from its table, its file (here or over SSH) or its copy.",
        on_page=True,
    ),
    _SLOW("slow-queries", summary="The same as `slowlog`."),
    _SLOW("slow-query", summary="The same as `slowlog`."),
    _read(
        "digest-statements-slow",
        views.rows("digest-statements-slow", statements.render_group),
        "db-logs",
        "The fifty patterns of the slow-query log that took most time.",
        array(shapes.QUERY),
        "test_the_slow_query_log_is_read_from_file_and_table",
        more=(_REFUSED,),
    ),
    _read(
        "digest-statements-pfs",
        views.rows("digest-statements-pfs", statements.render_digest),
        "db-logs",
        "Statements by digest from the performance schema, those that took most time first.",
        array(shapes.QUERY),
        "test_statements_of_the_performance_schema",
        parameters=(_LIMIT,),
        more=(_REFUSED,),
    ),
    _of_statement(
        "explain-pfs",
        views.plan("explain-pfs"),
        "db-logs",
        "How the server would do a statement of the performance schema.",
    ),
    _of_statement(
        "explain-slowlog",
        views.plan("explain-slowlog"),
        "db-logs",
        "How the server would do a statement of the slow-query log.",
    ),
    _of_statement(
        "analyze-pfs",
        views.measured_plan("analyze-pfs"),
        "db-analyse",
        "Does a SELECT of the performance schema again and tells what it took; its rows are thrown away.",
        (_SECONDS,),
    ),
    _of_statement(
        "analyze-slowlog",
        views.measured_plan("analyze-slowlog"),
        "db-analyse",
        "Does a SELECT of the slow-query log again and tells what it took; its rows are thrown away.",
        (_SECONDS,),
    ),
    _page(
        "tables",
        views.rows("tables", database.render_table),
        "db-show-schema",
        "Tables outside of the system's schemas, biggest first; what is zero is left out.",
        array(shapes.TABLE),
        "test_tables_and_schemas",
        parameters=(_LIMIT,),
    ),
    _page(
        "vtables",
        views.named_tables,
        "db-show-schema",
        "The same tables by `schema.table`.",
        shapes.NAMED_TABLES,
        "test_tables_and_schemas",
        parameters=(_LIMIT,),
    ),
    _page(
        "schemas",
        views.read("schemas", list),
        "db-show-schema",
        "Names of the schemas that are not the system's.",
        array(STRING),
        "test_tables_and_schemas",
    ),
    _page(
        "all-slaves-status",
        views.read("all-slaves-status", lambda found: [database.render_channel(channel) for channel in found]),
        "db-replication",
        "What the server replicates, by channel, in its own words.",
        array(REPLICATION),
        "test_replication_in_the_servers_words",
    ),
    _page(
        "master-status",
        views.read("master-status", database.render_binary_log),
        "db-replication",
        "File and position of the server's own binary log (the health check of this name is the one without `/api`).",
        shapes.BINARY_LOG,
        "test_replication_in_the_servers_words",
        more=(_REFUSED,),
    ),
    _read(
        "meta-data-locks",
        views.rows("meta-data-locks", database.render_metadata_lock),
        "db-logs",
        "Metadata locks, from the plugin METADATA_LOCK_INFO.",
        array(shapes.METADATA_LOCK),
        "test_locks_and_response_times_come_from_plugins",
        parameters=(_LIMIT,),
        more=(_REFUSED,),
    ),
    _read(
        "query-response-time",
        views.read("query-response-time", lambda found: [database.render_response_time(row) for row in found]),
        "db-logs",
        "How many statements took how long, from the plugin QUERY_RESPONSE_TIME.",
        array(shapes.RESPONSE_TIME),
        "test_locks_and_response_times_come_from_plugins",
        more=(_REFUSED,),
    ),
    _page(
        "service-opensvc",
        views.service_template,
        "prov-db-provision",
        "repman drives no OpenSVC: why there is no service template.",
        UNAVAILABLE,
        "test_there_is_no_service_template",
    ),
    Route(
        f"{CLUSTER}/top",
        views.top,
        "cluster-process",
        summary="What the servers that answer do: differences of counters since the previous read, and what runs.",
        parameters=(Parameter("serverName", "that server only, by id, name or `host:port`"),),
        answers=(
            Answer(200, "", schema=shapes.TOP),
            Answer(500, "`Not a Valid Server!`: the cluster has no such server.", "text/plain"),
            *_TROUBLE[1:],
        ),
        proof=f"{_PROOF}test_the_top_of_a_cluster",
    ),
    Route(
        f"{CLUSTER}/diffvariables",
        views.differing_variables,
        summary="Variables in which the servers that answer differ, but for those that tell servers and roles apart.",
        answers=(Answer(200, "", schema=shapes.DIFFERENCES), *_TROUBLE[1:]),
        proof=f"{_PROOF}test_variables_that_differ",
    ),
    Route(
        f"{CLUSTER}/schema",
        views.tables_of_writer,
        "cluster-sharding",
        summary="Tables of the writer, biggest first; an empty body while there is no writer.",
        parameters=(_LIMIT,),
        answers=(
            Answer(200, "", schema=array(shapes.TABLE)),
            Answer(200, "There is no writer: the body is empty.", "text/plain"),
            *_TROUBLE,
        ),
        proof=f"{_PROOF}test_tables_and_schemas",
    ),
    Route(
        f"{CLUSTER}/queryrules",
        views.no_query_rules,
        "cluster-show-routes",
        summary="Rules of ProxySQL. repman drives no ProxySQL, so there are none: always `[]`.",
        answers=(Answer(200, "", schema=array(OBJECT)),),
        proof=f"{_PROOF}test_tables_and_schemas",
    ),
    Route(
        f"{CLUSTER}/shardclusters",
        views.no_shard_clusters,
        "cluster-sharding",
        summary="Clusters over which a sharding proxy shares rows out. repman drives none: always `{}`.",
        answers=(Answer(200, "", schema=OBJECT),),
        proof=f"{_PROOF}test_tables_and_schemas",
    ),
)
