"""Settings changed at run time, and the servers of a cluster."""

from __future__ import annotations

from flask import Response

from repman.web import replies
from repman.web.call import View
from repman.web.routes import wishes
from repman.web.routes.route import CLUSTER, Answer, Parameter, Route, unknown_cluster
from repman.web.shapes.settings import CHANGED, MISTAKES, OPTIONS, REFUSED, RELOADED, SERVERS_CHANGED
from repman.web.views import actions, membership, settings

_PAGE = "/api/clusters/{clusterName}"
_SETTINGS = f"{CLUSTER}/settings"
_ALL = "/api/clusters/settings"
_PROOF = "tests/integration/test_settings.py::test_{}".format
_VALUE = Parameter("value", "the wished value, where it is not in the path", required=True)
_FORCE = Parameter("force", "also when it is the last one that acknowledges writes", kind="boolean")
_NAME = Parameter("name", "what the server is called, where the servers have names")
_REFUSALS = (
    Answer(400, "Every mistake that the configuration would have; nothing was changed.", schema=MISTAKES),
    Answer(
        409,
        "The environment or a flag gives the value, or only the configuration file may; nothing was changed.",
        schema=MISTAKES,
    ),
    Answer(409, "The change would hurt the cluster; nothing was changed.", schema=REFUSED),
    Answer(501, "`Setting Not Found`, and why: there is no such option there.", "text/plain"),
    Answer(501, "The same for a client that asks for JSON.", schema=MISTAKES),
    Answer(503, "No configuration file was given to repman, so nothing can be saved.", schema=MISTAKES),
)
_DONE = Answer(200, "What it is now, and whether a restart is needed.", schema=CHANGED)
_CRON = Answer(400, "`Bad cron pattern`, and why; nothing was changed.", "text/plain")


def _nowhere(name: str) -> Response:
    """The contract's answer of addserver for a cluster that is not configured."""
    return replies.error(500, f"No cluster is called {name!r}.", msg="Cluster Not Found")


def _act(
    path: str,
    view: View,
    summary: str,
    proof: str,
    parameters: tuple[Parameter, ...] = (),
    answers: tuple[Answer, ...] = (_DONE, *_REFUSALS),
    page: str = "",
) -> Route:
    grant = "global-settings" if path.startswith(_ALL) else "cluster-settings"
    return Route(
        path,
        view,
        grant,
        safe=False,
        summary=summary,
        parameters=parameters,
        answers=answers,
        page=page,
        proof=_PROOF(proof),
    )


def _both(path: str, view: View, summary: str, proof: str, parameters: tuple[Parameter, ...] = ()) -> tuple[Route, ...]:
    """For an option of a cluster, and for one of the installation."""
    return (
        _act(f"{_SETTINGS}/actions/{path}", view, f"{summary} of the cluster.", proof, parameters),
        _act(f"{_ALL}/actions/{path}", view, f"{summary} of the whole installation.", proof, parameters),
    )


_RELOADS = (
    Answer(200, "What the monitor says.", schema=RELOADED),
    _REFUSALS[0],
    Answer(409, "The monitor does not go on with all of it, and why.", schema=MISTAKES),
    _REFUSALS[-1],
)
_RELOAD = "Reads the files of the configuration again, in every process; clusters and servers come and go with them."
_SWITCH = (
    "Flips an option that is true or false, or `failover-mode`; the switches of replication-manager 2.0 are known."
)
_FLIPS = "failover_mode_is_switched_off_and_on_live"


def _member(path: str, view: View, grant: str, summary: str, proof: str, more: Parameter, page: str = "") -> Route:
    return Route(
        f"{CLUSTER}/actions/{path}",
        view,
        grant,
        safe=False,
        no_cluster=_nowhere,
        summary=summary,
        parameters=(more,),
        answers=(
            Answer(200, "`Monitor added` or `Monitor dropped`.", schema=SERVERS_CHANGED),
            Answer(
                400, "No address, no type of a database, or the configuration would be wrong.", schema=SERVERS_CHANGED
            ),
            Answer(404, "There is no such server to be dropped.", schema=SERVERS_CHANGED),
            Answer(409, "The server is there already, or must stay; nothing was changed.", schema=SERVERS_CHANGED),
            Answer(503, "No configuration file was given to repman, so nothing can be saved.", schema=MISTAKES),
        ),
        page=page,
        proof=_PROOF(proof),
    )


_ADD = "Watches one more database server, and takes it in as a replica when it holds nothing of its own."
_DROP = "Watches a server no more, after its receiver was stopped; refused for the writer."
_MEMBERS = "a_fourth_server_is_added_and_dropped"

ROUTES: tuple[Route, ...] = (
    Route(
        f"{_SETTINGS}/options",
        settings.options,
        "cluster-settings",
        no_cluster=unknown_cluster,
        summary="Every option of the cluster with type, range, value, origin, author, and whether it waits for a restart.",
        answers=(Answer(200, "", schema=OPTIONS), _REFUSALS[-1]),
        proof=_PROOF(_FLIPS),
    ),
    Route(
        f"{_ALL}/options",
        settings.options,
        "global-settings",
        summary="Every option of the whole installation, in the same form.",
        answers=(Answer(200, "", schema=OPTIONS), _REFUSALS[-1]),
        proof=_PROOF("an_option_that_is_not_live_waits_for_a_restart"),
    ),
    _act(
        f"{_SETTINGS}/reload",
        settings.reload,
        _RELOAD,
        "a_changed_file_is_read_again",
        (),
        _RELOADS,
        f"{_PAGE}/settings/reload",
    ),
    _act(f"{_SETTINGS}/actions/reload", settings.reload, _RELOAD, "a_changed_file_is_read_again", (), _RELOADS),
    _act(
        f"{_SETTINGS}/switch/<name>", settings.switch, _SWITCH, _FLIPS, page=f"{_PAGE}/settings/switch/{{parmaterName}}"
    ),
    _act(f"{_SETTINGS}/actions/switch/<name>", settings.switch, _SWITCH, _FLIPS),
    _act(
        f"{_ALL}/actions/switch/<name>",
        settings.switch,
        "Flips an option of the whole installation.",
        "an_option_that_is_not_live_waits_for_a_restart",
    ),
    *_both("set/<name>/<path:value>", settings.set_value, "Changes an option", "the_longest_delay_is_set_live"),
    *_both(
        "set/<name>",
        settings.set_value,
        "Changes an option, with the value in the body,",
        "the_longest_delay_is_set_live",
        (_VALUE,),
    ),
    *_both(
        "clear/<name>",
        settings.clear,
        "Takes back what was changed at run time of an option",
        "a_change_outlives_repman_and_can_be_cleared",
    ),
    _act(
        f"{_SETTINGS}/actions/set-cron/<name>/<path:value>",
        settings.set_cron,
        "Says when a job runs; the name ends with `-cron`.",
        "a_bad_name_or_value_changes_nothing",
        answers=(_DONE, _CRON, *_REFUSALS),
    ),
    _act(
        f"{_SETTINGS}/reset/failovercontrol",
        actions.reset_failover_control,
        "Counts automatic failovers anew; replication-manager 2.0's path of `actions/reset-failover-control`.",
        "automatic_failovers_are_counted_anew_under_the_old_path",
        answers=wishes.RECEIPTS,
    ),
    _member(
        "addserver/<host>/<port>",
        membership.add,
        "cluster-create-monitor",
        _ADD,
        _MEMBERS,
        _NAME,
        f"{_PAGE}/actions/addserver/{{host}}/{{port}}",
    ),
    _member("addserver/<host>/<port>/<type>", membership.add, "cluster-create-monitor", _ADD, _MEMBERS, _NAME),
    _member("dropserver/<host>/<port>", membership.drop, "cluster-drop-monitor", _DROP, _MEMBERS, _FORCE),
    _member("dropserver/<host>/<port>/<type>", membership.drop, "cluster-drop-monitor", _DROP, _MEMBERS, _FORCE),
)
