"""Shapes of accounts and of the audit trail."""

from __future__ import annotations

from repman.web.shapes.common import BOOLEAN, INTEGER, NUMBER, STRING, array, each, mapping, nullable, one_of, record

_GRANTS = array(STRING)

USER = record(
    {
        "user": STRING,
        "source": one_of("configuration", "store"),
        "everywhere": BOOLEAN,
        "grants": _GRANTS,
        "clusters": mapping(_GRANTS),
        "createdBy": STRING,
        "createdAt": nullable(NUMBER),
        "changedBy": STRING,
        "changedAt": nullable(NUMBER),
    },
    "Account",
)
USERS = array(USER)
TOLD = record({"sentence": STRING}, "Told")
CHANGED = record(each("user cluster sentence", STRING), "UserChanged")
ADDED = record(
    {**each("user cluster sentence", STRING), "grants": _GRANTS, "password": STRING},
    "UserAdded",
    optional=("password",),
)
ENTRY = record(
    {
        "number": INTEGER,
        "at": STRING,
        "proven": BOOLEAN,
        "status": INTEGER,
        "seconds": NUMBER,
        **each("user source method path arguments cluster server sentence plan job", STRING),
    },
    "AuditEntry",
)
AUDIT = array(ENTRY)
