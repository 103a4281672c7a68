"""Backups, reseed, upkeep and logs, which run as jobs; and the jobs themselves."""

from __future__ import annotations

from repman.model.job import JobKind, JobState
from repman.web.call import View
from repman.web.routes.route import CLUSTER, SERVER, Answer, Parameter, Route, unknown_cluster
from repman.web.shapes import jobs as shapes
from repman.web.shapes.common import ERROR
from repman.web.views import jobs

_WAIT = Parameter("wait", "answer only when the job has ended (an hour at most)", kind="boolean")
_BACKUP = Parameter("backup", "the `id` of the backup to restore; without it the latest of the method's kind")
_FORCE = Parameter("force", "also when it is the only healthy replica", kind="boolean")
_RELEASE = Parameter(
    "release",
    "when no reseed runs and an earlier one has left the server held: give it back as it is",
    kind="boolean",
)
_STARTED = Answer(200, "The job has begun; with `wait` it has ended well.", schema=shapes.STARTED)
_REFUSED = Answer(409, "Refused, and the reason; nothing was changed.", schema=shapes.NOT_STARTED)
_FAILED = Answer(500, "With `wait`: the job did not end well.", schema=ERROR)
_NO_SERVER = Answer(500, "`Server Not Found`: the cluster has no such server.", "text/plain")
_DOWN = Answer(503, "The worker does not run, or with `wait` too many wait already; nothing was begun.", schema=ERROR)
_PROOF = "tests/integration/test_backup_reseed.py::"
_UPKEEP = "tests/integration/test_upkeep_jobs.py::"
_PAGE = "/api/clusters/{clusterName}"


def _on_server(
    path: str,
    view: View,
    grant: str,
    summary: str,
    proof: str,
    on_page: str = "",
    parameters: tuple[Parameter, ...] = (),
) -> Route:
    """A job on one server."""
    return Route(
        f"{SERVER}/actions/{path}",
        view,
        grant,
        safe=False,
        summary=summary,
        parameters=(_WAIT, *parameters),
        answers=(_STARTED, _REFUSED, _FAILED, _NO_SERVER, _DOWN),
        page=f"{_PAGE}/servers/{{serverName}}/actions/{on_page}" if on_page else "",
        proof=proof,
    )


def _on_cluster(path: str, view: View, grant: str, summary: str, proof: str, on_page: bool = False) -> Route:
    """A job on those servers of a cluster that it is good for."""
    return Route(
        f"{CLUSTER}/actions/{path}",
        view,
        grant,
        safe=False,
        summary=summary,
        parameters=(_WAIT,),
        answers=(_STARTED, _REFUSED, _FAILED, _DOWN),
        page=f"{_PAGE}/actions/{path}" if on_page else "",
        proof=proof,
    )


_PHYSICAL = "Makes a physical backup of this server with mariadb-backup, and reads it back."
_SLOW = "Fetches the end of the server's slow-query log into repman's data directory."
_on = jobs.on_server

ROUTES: tuple[Route, ...] = (
    _on_server(
        "backup", _on(JobKind.BACKUP_PHYSICAL), "db-backup", _PHYSICAL, f"{_PROOF}test_every_backup_path", "backup"
    ),
    _on_server(
        "backup-physical",
        _on(JobKind.BACKUP_PHYSICAL),
        "db-backup",
        _PHYSICAL,
        f"{_PROOF}test_every_backup_path",
        "backup-physical",
    ),
    _on_server(
        "backup-logical",
        _on(JobKind.BACKUP_LOGICAL),
        "db-backup",
        "Makes a logical backup of this server, and reads it back.",
        f"{_PROOF}test_every_backup_path",
        "backup-logical",
    ),
    _on_server(
        "backup-error-log",
        _on(JobKind.ERROR_LOG),
        "db-backup",
        "Fetches the end of the server's error log into repman's data directory.",
        f"{_UPKEEP}test_logs_are_fetched",
        "backup-error-log",
    ),
    _on_server(
        "backup-slow-query-log",
        _on(JobKind.SLOW_QUERY_LOG),
        "db-backup",
        _SLOW,
        f"{_UPKEEP}test_logs_are_fetched",
        "backup-slow-query-log",
    ),
    _on_server(
        "backup-slowquery-log", _on(JobKind.SLOW_QUERY_LOG), "db-backup", _SLOW, f"{_UPKEEP}test_logs_are_fetched"
    ),
    _on_server(
        "optimize",
        _on(JobKind.OPTIMIZE),
        "db-maintenance",
        "Runs OPTIMIZE TABLE on every table of this server, past its binary log.",
        f"{_UPKEEP}test_tables_are_optimized_and_analyzed",
        "optimize",
    ),
    _on_server(
        "analyze",
        _on(JobKind.ANALYZE),
        "db-maintenance",
        "Runs ANALYZE TABLE on every table of this server, past its binary log.",
        f"{_UPKEEP}test_tables_are_optimized_and_analyzed",
    ),
    Route(
        f"{SERVER}/actions/reseed/<method>",
        jobs.reseed,
        "db-restore",
        safe=False,
        summary="Rebuilds a replica: `logicalbackup` and `physicalbackup` restore a backup, `logicalmaster` and "
        "`physicalmaster` stream from the writer. It is held meanwhile, and follows the writer at the end.",
        parameters=(_WAIT, _BACKUP, _FORCE),
        answers=(
            _STARTED,
            Answer(400, "There is no such method; nothing was changed.", schema=shapes.NOT_STARTED),
            _REFUSED,
            _FAILED,
            _NO_SERVER,
            _DOWN,
        ),
        page=f"{_PAGE}/servers/{{serverName}}/actions/reseed/{{backupMethod}}",
        proof=f"{_PROOF}test_a_backup_brings_a_destroyed_replica_back",
    ),
    Route(
        f"{SERVER}/actions/reseed-cancel",
        jobs.cancel_reseed,
        "db-restore",
        safe=False,
        summary="Cancels the reseed of this server; its hold stays when its data are incomplete.",
        parameters=(_RELEASE,),
        answers=(Answer(200, "It is being cancelled, or given back.", schema=shapes.TOLD), _REFUSED, _NO_SERVER, _DOWN),
        proof=f"{_PROOF}test_a_cancelled_reseed_leaves_the_server_held",
    ),
    Route(
        f"{SERVER}/actions/job-cancel/<task>",
        jobs.cancel_task,
        "cluster-process",
        safe=False,
        summary="Cancels this server's jobs of one kind, by our word, replication-manager's, or a job's id.",
        answers=(Answer(200, "It is being cancelled.", schema=shapes.TOLD), _REFUSED, _NO_SERVER, _DOWN),
        proof=f"{_PROOF}test_a_cancelled_backup_leaves_nothing",
    ),
    _on_cluster(
        "master-physical-backup",
        jobs.back_up_writer,
        "db-backup",
        "Makes a physical backup of the writer.",
        f"{_PROOF}test_every_backup_path",
        on_page=True,
    ),
    _on_cluster(
        "backup-logical",
        jobs.on_cluster(JobKind.BACKUP_LOGICAL),
        "db-backup",
        "Makes a logical backup of a healthy replica, of the writer when it is alone.",
        f"{_PROOF}test_a_backup_brings_a_destroyed_replica_back",
    ),
    _on_cluster(
        "backup-physical",
        jobs.on_cluster(JobKind.BACKUP_PHYSICAL),
        "db-backup",
        "Makes a physical backup of a healthy replica, of the writer when it is alone.",
        f"{_PROOF}test_a_backup_brings_a_destroyed_replica_back",
    ),
    _on_cluster(
        "optimize",
        jobs.on_cluster(JobKind.OPTIMIZE),
        "cluster-rolling",
        "Runs OPTIMIZE TABLE on every replica, one after the other.",
        f"{_UPKEEP}test_tables_are_optimized_and_analyzed",
    ),
    _on_cluster(
        "checksum-all-tables",
        jobs.on_cluster(JobKind.CHECKSUM),
        "cluster-checksum",
        "Compares every table of every replica with the writer's, while writes go on.",
        f"{_UPKEEP}test_a_table_that_differs_is_found",
    ),
    Route(
        f"{CLUSTER}/jobs",
        jobs.tasks,
        "cluster-process",
        summary="The latest jobs by server, in replication-manager's form.",
        answers=(Answer(200, "They are.", schema=shapes.TASKS),),
        proof=f"{_PROOF}test_every_backup_path",
    ),
    Route(
        f"{CLUSTER}/jobs/list",
        jobs.listed,
        "cluster-process",
        no_cluster=unknown_cluster,
        summary="The latest jobs, newest first.",
        parameters=(
            Parameter("limit", "how many at most, 200 without it, 1000 at most", kind="integer"),
            Parameter("state", "only those in this state", choices=tuple(JobState)),
        ),
        answers=(
            Answer(200, "They are.", schema=shapes.JOBS),
            Answer(400, "An argument cannot be read.", schema=ERROR),
        ),
        proof=f"{_PROOF}test_every_backup_path",
    ),
    Route(
        f"{CLUSTER}/jobs/<job>",
        jobs.show,
        "cluster-process",
        no_cluster=unknown_cluster,
        summary="One job: its state, how far it is, what came of it.",
        answers=(
            Answer(200, "It is.", schema=shapes.JOB),
            Answer(404, "The cluster has no such job.", schema=ERROR),
        ),
        proof=f"{_PROOF}test_every_backup_path",
    ),
    Route(
        f"{CLUSTER}/jobs/<job>/cancel",
        jobs.cancel,
        "cluster-process",
        safe=False,
        no_cluster=unknown_cluster,
        summary="Cancels one job.",
        answers=(
            Answer(200, "It is being cancelled.", schema=shapes.TOLD),
            Answer(404, "The cluster has no such job.", schema=ERROR),
            _REFUSED,
            _DOWN,
        ),
        proof=f"{_PROOF}test_a_cancelled_backup_leaves_nothing",
    ),
    Route(
        f"{CLUSTER}/backups",
        jobs.backups,
        "cluster-show-backups",
        summary="The backups that can be restored, oldest first; each was read back after it was written.",
        answers=(Answer(200, "They are.", schema=shapes.BACKUPS),),
        proof=f"{_PROOF}test_every_backup_path",
    ),
)
