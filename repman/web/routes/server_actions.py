"""Wishes about one server, carried out by the monitor."""

from __future__ import annotations

from repman.model.command import CommandKind
from repman.web.acl import ANY
from repman.web.call import View
from repman.web.routes import wishes
from repman.web.routes.route import CLUSTER, SERVER, Answer, Route
from repman.web.shapes.common import ERROR
from repman.web.views import server_actions
from repman.web.views.orchestrated import action as orchestrated
from repman.web.views.server_actions import wish

_PROOF = "tests/integration/test_server_actions.py::"
_NO_SERVER = Answer(500, "`Server Not Found`: the cluster has no server of that name.", "text/plain")


def _on_server(
    name: str,
    view: View,
    grant: str,
    summary: str,
    proof: str,
    page: str = "",
    path: str = "",
    answers: tuple[Answer, ...] = (),
) -> Route:
    """`page`: the path behind the server's, where the contract's page has it; `path`: the same, where it is odd."""
    return Route(
        f"{SERVER}/{path or f'actions/{name}'}",
        view,
        grant,
        safe=False,
        summary=summary,
        parameters=(wishes.FORCE,),
        answers=(*wishes.RECEIPTS, _NO_SERVER, *answers),
        page=f"/api/clusters/{{clusterName}}/servers/{{serverName}}/{page}" if page else "",
        proof=_PROOF + proof,
    )


def _on_cluster(name: str, view: View, grant: str, summary: str, proof: str, *answers: Answer) -> Route:
    return Route(
        f"{CLUSTER}/actions/{name}",
        view,
        grant,
        safe=False,
        summary=summary,
        parameters=(wishes.FORCE,) if grant != ANY else (),
        answers=(*wishes.RECEIPTS, *answers),
        proof=_PROOF + proof,
    )


_STOPS = "test_a_stopped_server_stays_stopped_until_it_is_started"
_SERVICE = "test_maintenance_takes_a_server_out_of_service"
_RATED = "test_a_rated_server_is_preferred_or_ignored"
_CLOSED = "test_the_cluster_is_closed_for_writes_and_opened_again"
_STANDS = "test_stopped_replication_stays_stopped"
_SKIPPED = "test_a_transaction_that_cannot_be_applied_is_skipped"
_READ_ONLY = (
    "Closes the cluster for writes through its writer, or opens it again; a replica is never opened, a writable one "
    "is closed."
)
_SKIP = (
    "Goes on behind the transaction at which the replica's applier failed. The replica lacks that transaction from "
    "then on: compare its rows."
)
_PREFERRED = "Elections prefer this server among equals, whatever the configuration says."
_ROLLING = (
    "Restarts every server, replicas first, each when all others are healthy; then the writer after a switchover, and "
    "moves the role home. Answers `started`; a problem `rolling-restart` shows how far it is."
)

ROUTES: tuple[Route, ...] = (
    _on_server(
        "start",
        orchestrated(wish(CommandKind.START_SERVER)),
        "db-start",
        "Starts the server's process through the orchestrator, read-only; it replicates again when it answers.",
        _STOPS,
        "actions/start",
        answers=(wishes.NO_ORCHESTRATOR,),
    ),
    _on_server(
        "stop",
        orchestrated(wish(CommandKind.STOP_SERVER)),
        "db-stop",
        "Shuts the server down and leaves it so until it is started. The writer only with `force=true`, after a "
        "switchover; so, too, the last replica that acknowledges.",
        _STOPS,
        "actions/stop",
        answers=(wishes.NO_ORCHESTRATOR,),
    ),
    _on_server(
        "maintenance",
        wish(CommandKind.MAINTENANCE, toggle=True),
        "db-maintenance",
        "Takes a replica out of service, or gives it back: no reads, no repair, no election. The writer is refused: "
        "move its role first.",
        _SERVICE,
        "actions/maintenance",
    ),
    _on_server(
        "set-maintenance",
        wish(CommandKind.MAINTENANCE),
        "db-maintenance",
        "Takes a replica out of service; nothing when it is so already.",
        _SERVICE,
    ),
    _on_server(
        "del-maintenance",
        wish(CommandKind.MAINTENANCE, on=False),
        "db-maintenance",
        "Gives a replica back to service; nothing when it is so already.",
        _SERVICE,
    ),
    _on_server(
        "switchover",
        server_actions.promote,
        "cluster-switchover",
        "Moves the writer's role to this server. `Leader is failed can not promote` (400) when there is no living writer.",
        "test_a_server_is_promoted_by_its_own_path",
    ),
    *(
        _on_server(name, wish(CommandKind.RATE, rating="preferred"), "cluster-failover", _PREFERRED, _RATED)
        for name in ("set-prefered", "set-preferred")
    ),
    _on_server(
        "set-ignored",
        wish(CommandKind.RATE, rating="ignored"),
        "cluster-failover",
        "Elections never choose this server, whatever the configuration says.",
        _RATED,
    ),
    _on_server(
        "set-unrated",
        wish(CommandKind.RATE, rating="unrated"),
        "cluster-failover",
        "Elections neither prefer nor ignore this server, whatever the configuration says.",
        _RATED,
    ),
    _on_server(
        "toogle-read-only",
        wish(CommandKind.READ_ONLY, toggle=True),
        "db-readonly",
        _READ_ONLY,
        _CLOSED,
        "actions/toogle-read-only",
    ),
    _on_server("toggle-read-only", wish(CommandKind.READ_ONLY, toggle=True), "db-readonly", _READ_ONLY, _CLOSED),
    _on_server(
        "set-read-only",
        wish(CommandKind.READ_ONLY),
        "db-readonly",
        "Closes the cluster for writes through its writer, or a replica that is writable; nothing when it is so already.",
        _CLOSED,
    ),
    _on_server(
        "del-read-only",
        wish(CommandKind.READ_ONLY, on=False),
        "db-readonly",
        "Opens the cluster for writes again, through its writer; a replica is never opened.",
        _CLOSED,
    ),
    _on_server(
        "reset-master",
        wish(CommandKind.RESET_BINLOG),
        "db-replication",
        "Empties the server's binary log; its position stays. Only with `force=true`, or where `test` is set; never "
        "while servers replicate from it.",
        "test_a_binary_log_is_emptied_and_the_position_stays",
        "actions/reset-master",
    ),
    _on_server(
        "start-slave",
        wish(CommandKind.START_REPLICATION),
        "db-replication",
        "Lets a replica replicate again, from where it did, or from the writer.",
        _STANDS,
        "actions/start-slave",
    ),
    _on_server(
        "stop-slave",
        wish(CommandKind.STOP_REPLICATION),
        "db-replication",
        "Lets a replica stand still until its replication is started. The last one that acknowledges only with "
        "`force=true`.",
        _STANDS,
    ),
    _on_server(
        "reset-slave-all",
        wish(CommandKind.RESET_REPLICATION),
        "db-replication",
        "Removes a replica's replication; it stays read-only and alone until its replication is started.",
        "test_replication_is_removed_and_built_again",
    ),
    _on_server("skip-replication-event", wish(CommandKind.SKIP_EVENT), "db-replication", _SKIP, _SKIPPED),
    _on_server(
        "skip-replication-event",
        wish(CommandKind.SKIP_EVENT),
        "db-replication",
        _SKIP,
        _SKIPPED,
        page="actionsskip-replication-event",
        path="actionsskip-replication-event",
    ),
    _on_cluster(
        "rolling",
        server_actions.rolling,
        "cluster-rolling",
        _ROLLING,
        "test_every_server_is_restarted_one_after_the_other",
    ),
    _on_cluster(
        "cancel-rolling-restart",
        server_actions.cancel_rolling,
        "cluster-rolling",
        "Leaves off with a rolling restart, after the server whose turn it is.",
        "test_a_rolling_restart_is_left_off",
    ),
    _on_cluster(
        "reset-sla",
        server_actions.reset_availability,
        "cluster-reset-sla",
        "Counts the shares of time with a writer, and with protection, anew.",
        "test_availability_is_counted_anew",
    ),
    _on_cluster(
        "waitdatabases",
        server_actions.wait_databases,
        ANY,
        "Answers as soon as every database answers, at the latest after 30 s.",
        "test_a_client_waits_until_every_database_answers",
        Answer(403, "`Connections to databases failure`: not all answer.", "text/plain"),
        Answer(503, "Too many wait here already; `Retry-After` says when to ask again.", schema=ERROR),
    ),
)
