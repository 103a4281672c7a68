"""Wishes about a whole cluster, carried out by the monitor."""

from __future__ import annotations

from repman.web.call import View
from repman.web.routes import wishes
from repman.web.routes.route import CLUSTER, Answer, Parameter, Route, unknown_cluster
from repman.web.shapes import receipt
from repman.web.shapes.common import ERROR, STRING, array, record
from repman.web.views import actions

_CLEAN = Parameter("clean", "remove replication, binary logs and positions first", kind="boolean")
_TOPOLOGY = Answer(
    400,
    "Such a topology cannot be built; those that can are `supported`.",
    schema=record({"error": STRING, "supported": array(STRING)}, "UnsupportedTopology"),
)


def _action(
    path: str,
    view: View,
    grant: str,
    summary: str,
    proof: str,
    parameters: tuple[Parameter, ...] = (),
    answers: tuple[Answer, ...] = (),
    on_page: bool = True,
) -> Route:
    page = f"/api/clusters/{{clusterName}}/actions/{path.replace('<', '{').replace('>', '}')}"
    return Route(
        f"{CLUSTER}/actions/{path}",
        view,
        grant,
        safe=False,
        summary=summary,
        parameters=parameters,
        answers=(*wishes.RECEIPTS, *answers),
        page=page if on_page else "",
        proof=f"tests/integration/{proof}",
    )


ROUTES: tuple[Route, ...] = (
    _action(
        "switchover",
        actions.switchover,
        "cluster-switchover",
        "Moves the writer's role to the wished or the best replica.",
        "test_page_actions.py::test_a_switchover_to_the_wished_server",
        (wishes.TO, wishes.PREFMASTER),
        (Answer(400, "`Master failed`: the writer is dead, or there is none.", "text/plain"), wishes.NO_SUCH_SERVER),
    ),
    _action(
        "failover",
        actions.failover,
        "cluster-failover",
        "Replaces a dead writer; refused while it lives, unless `force=true` makes it a switchover.",
        "test_page_actions.py::test_a_failover_after_the_writers_death",
        (wishes.TO, wishes.PREFMASTER, wishes.FORCE),
        (wishes.NO_SUCH_SERVER,),
    ),
    _action(
        "reset-failover-control",
        actions.reset_failover_control,
        "cluster-settings",
        "Sets the counter of automatic failovers back to zero.",
        "test_page_actions.py::test_the_counter_of_failovers_is_reset",
        on_page=False,
    ),
    _action(
        "replication/bootstrap/<topology>",
        actions.bootstrap,
        "cluster-replication",
        "Sets up replication as `master-slave` or `multi-tier-slave`; refused where there is replication or data, "
        "naming what would be lost.",
        "test_cluster_bootstrap.py::test_a_cluster_is_built_from_nothing_refused_with_data_and_cleaned",
        (wishes.TO, wishes.PREFMASTER, _CLEAN),
        (_TOPOLOGY, wishes.NO_SUCH_SERVER),
    ),
    _action(
        "replication/cleanup",
        actions.cleanup,
        "cluster-replication",
        "Closes every server and removes replication, binary logs and positions; data stays. **Writes stop** until a "
        "bootstrap, so a cluster that takes writes needs `force=true`, or the option `test`.",
        "test_cluster_bootstrap.py::test_a_cluster_is_built_from_nothing_refused_with_data_and_cleaned",
        (wishes.FORCE,),
    ),
    Route(
        f"{CLUSTER}/plan/<kind>",
        actions.plan,
        no_cluster=unknown_cluster,
        summary="*Own*: what a `failover` or a `switchover` would do now; changes nothing.",
        parameters=(wishes.TO, wishes.PREFMASTER, wishes.FORCE),
        answers=(
            Answer(200, "", schema=receipt.PREVIEW),
            Answer(404, "No such kind of plan, or no such server.", schema=ERROR),
            *wishes.RECEIPTS[1:],
        ),
        proof="tests/integration/test_page_actions.py::test_a_plan_is_shown_and_changes_nothing",
    ),
)
