"""Shapes of jobs and backups."""

from __future__ import annotations

from repman.model.job import JobKind, JobState
from repman.web.shapes.common import (
    BOOLEAN,
    INTEGER,
    NUMBER,
    OBJECT,
    STRING,
    array,
    each,
    mapping,
    nullable,
    one_of,
    record,
)

STARTED = record(
    {"status": one_of("started", "done"), "job": STRING, "jobs": array(STRING), "sentence": STRING, "document": OBJECT},
    "JobStarted",
    optional=("jobs", "sentence", "document"),
)
TOLD = record({**each("sentence job", STRING), "status": one_of("done")}, "JobTold")
NOT_STARTED = record(each("error code", STRING), "JobRefused", optional=("code",))
JOB = record(
    {
        **each("id cluster server user step error", STRING),
        "kind": one_of(*JobKind),
        "state": one_of(*JobState),
        "arguments": mapping(STRING),
        "result": OBJECT,
        "progress": nullable(NUMBER),
        "bytes_done": INTEGER,
        "bytes_total": INTEGER,
        "created_at": NUMBER,
        "started_at": nullable(NUMBER),
        "ended_at": nullable(NUMBER),
        "links": record({"self": STRING, "cancel": STRING}, optional=("cancel",)),
    },
    "Job",
)
JOBS = array(JOB)
_TASK = record(
    {**each("id port done state start end", INTEGER), **each("task server result", STRING)},
    "Task",
    optional=("result", "end"),
)
TASKS = record(
    {
        "header": mapping(BOOLEAN),
        "servers": mapping(record({"serverUrl": STRING, "tasks": array(_TASK)})),
    },
    "Tasks",
)
BACKUP = record(
    {
        **each("id short_id time hostname method tool source compression checksum gtid tool_version", STRING),
        **each("server_version job", STRING),
        **each("paths tags", array(STRING)),
        **each("started_at ended_at", NUMBER),
        **each("size data_bytes", INTEGER),
    },
    "Backup",
)
BACKUPS = array(BACKUP)
