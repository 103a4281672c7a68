"""Jobs: started and cancelled by the worker, listed from its store."""

from __future__ import annotations

import time
from functools import partial

from flask import Response

from repman.model.job import Job, JobKind, JobState
from repman.model.work import Reply, Request
from repman.web import replies, work
from repman.web.call import Call, View
from repman.web.parameters import count, flag, parameters
from repman.web.render.jobs import render_backup, render_job, render_tasks, task_name

_QUICK = 30.0
_SLICE = 60.0
"""Seconds of one question to the worker whether a job has ended."""
_LONGEST = 3600.0
_JOBS = 200
_MOST_JOBS = 1000
_STATUS = {"refused": 409, "unknown-method": 400}


def on_server(kind: JobKind) -> View:
    """A job of that kind on the server in the path."""
    return partial(_start_on_server, kind.value)


def on_cluster(kind: JobKind) -> View:
    """A job of that kind on the cluster's servers that it is good for."""
    return partial(_start_on_cluster, kind.value)


def _start_on_server(name: str, call: Call) -> Response:
    return _start(call, name, _server(call), {})


def _start_on_cluster(name: str, call: Call) -> Response:
    return _start(call, name, "", {})


def back_up_writer(call: Call) -> Response:
    """A physical backup of the writer itself."""
    writer = call.house.snapshot(call.cluster).writer
    if not writer:
        return replies.error(409, "The cluster has no writer that could be backed up; nothing was done.")
    return _start(call, JobKind.BACKUP_PHYSICAL.value, writer, {})


def reseed(call: Call) -> Response:
    """Rebuild a replica."""
    arguments = {
        "method": call.arguments["method"],
        "backup": parameters().get("backup", ""),
        "force": "true" if flag("force") else "",
    }
    return _start(call, "reseed", _server(call), arguments)


def cancel_reseed(call: Call) -> Response:
    """Cancel the reseed of a server, or end the hold that one has left."""
    release = "true" if flag("release") else ""
    return _told(_ask(call, "reseed-cancel", _server(call), {"release": release}))


def cancel_task(call: Call) -> Response:
    """Cancel a server's jobs of one kind, in our words or replication-manager's."""
    server, task = _server(call), call.arguments["task"]
    running = [
        job
        for job in work.jobs(call.house).open()
        if job.cluster == call.cluster.policy.name
        and job.server == server
        and task in (job.id, job.kind.value, task_name(job))
    ]
    if not running:
        return replies.error(409, f"No job {task!r} runs on this server; nothing was done.", code="none")
    return _told(_ask(call, "job-cancel", "", {"job": running[0].id}))


def cancel(call: Call) -> Response:
    """Cancel one job."""
    job = _job(call)
    if job.state.ended:
        return replies.error(409, f"The job has ended already: {job.state}.", code="ended")
    return _told(_ask(call, "job-cancel", "", {"job": job.id}))


def show(call: Call) -> Response:
    """One job."""
    return replies.document(render_job(_job(call)))


def listed(call: Call) -> Response:
    """The latest jobs, newest first."""
    found = work.jobs(call.house).latest(call.cluster.policy.name, count("limit", _JOBS, _MOST_JOBS))
    state = parameters().get("state", "")
    if state and state not in list(JobState):
        return replies.error(400, f"state must be one of {', '.join(JobState)}, not {state!r}.")
    return replies.document([render_job(job) for _, job in found if state in ("", job.state.value)])


def tasks(call: Call) -> Response:
    """The latest jobs by server, in replication-manager's form."""
    found = work.jobs(call.house).latest(call.cluster.policy.name, _JOBS)
    return replies.document(render_tasks(call.cluster.policy, found))


def backups(call: Call) -> Response:
    """The backups that can be restored, oldest first."""
    return replies.document(
        [render_backup(each) for each in work.backups(call.house).backups(call.cluster.policy.name)]
    )


def _start(call: Call, name: str, server: str, arguments: dict[str, str]) -> Response:
    if not flag("wait"):
        return _begun(_begin(call, name, server, arguments))
    with call.house.waits.passing(call.user.name) as admitted:
        if not admitted:
            return replies.too_many_wait("nothing was begun; begin it without wait, and look at the job")
        reply = _begin(call, name, server, arguments)
        return _ended(call, reply) if reply.status == "started" else _told(reply)


def _begin(call: Call, name: str, server: str, arguments: dict[str, str]) -> Reply:
    return _ask(call, name, server, {key: value for key, value in arguments.items() if value})


def _begun(reply: Reply) -> Response:
    if reply.status != "started":
        return _told(reply)
    others = reply.document if isinstance(reply.document, dict) else {"jobs": [reply.job]}
    return replies.document({"status": "started", "job": reply.job, **others, "sentence": reply.sentence})


def _ended(call: Call, reply: Reply) -> Response:
    """Wait for the job; 200 when it is done, 500 when it ended otherwise."""
    deadline = time.monotonic() + _LONGEST
    while time.monotonic() < deadline:
        request = Request("job-wait", call.cluster.policy.name, "", {"job": reply.job, "seconds": str(_SLICE)})
        if call.house.ask_worker(request, _SLICE + _QUICK).status != "timeout":
            break
    job = work.jobs(call.house).get(reply.job)
    if job is None:
        return replies.error(500, "The job is gone from the list; see repman's log.", job=reply.job)
    document = render_job(job)
    if job.state is JobState.DONE:
        return replies.document({"status": "done", "job": job.id, "document": document})
    return replies.error(500, job.error or f"The job is {job.state}.", job=job.id, document=document)


def _told(reply: Reply) -> Response:
    if reply.status == "done":
        return replies.document({"status": "done", "sentence": reply.sentence, "job": reply.job})
    status = _STATUS.get(reply.code) or _STATUS.get(reply.status, 500)
    return replies.error(status, reply.sentence, code=reply.code)


def _ask(call: Call, name: str, server: str, arguments: dict[str, str]) -> Reply:
    request = Request(name, call.cluster.policy.name, server, arguments, call.user.name)
    return call.house.ask_worker(request, _QUICK)


def _server(call: Call) -> str:
    """Address of the server in the path.  Ends the request when the cluster has no such server."""
    found = call.cluster.policy.find(call.arguments["server"])
    if found is None:
        replies.stop(replies.text("Server Not Found", 500))
    return found.address


def _job(call: Call) -> Job:
    """The job in the path.  Ends the request with 404 when the cluster has no such job."""
    found = work.jobs(call.house).get(call.arguments["job"])
    if found is None or found.cluster != call.cluster.policy.name:
        replies.stop(replies.error(404, "The cluster has no such job; GET .../jobs/list lists those there are."))
    return found
