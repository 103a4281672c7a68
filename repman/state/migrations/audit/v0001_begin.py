"""The tables of the first stores, which had no number."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, String, Text

revision = "0001"
down_revision = None

_NUMBER = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Make them all."""
    op.create_table(
        "audit_entry",
        Column("number", _NUMBER, primary_key=True, autoincrement=True),
        Column("at", Float(53), nullable=False),
        Column("user", String(128), nullable=False),
        Column("proven", Boolean, nullable=False),
        Column("source", String(64), nullable=False),
        Column("method", String(16), nullable=False),
        Column("path", Text, nullable=False),
        Column("arguments", Text, nullable=False),
        Column("cluster", String(255), nullable=False),
        Column("server", String(255), nullable=False),
        Column("status", Integer, nullable=False),
        Column("seconds", Float(53), nullable=False),
        Column("sentence", Text, nullable=False),
        Column("plan", String(64), nullable=False),
        Column("job", String(64), nullable=False),
    )
    op.create_index("audit_entry_cluster", "audit_entry", ["cluster", "number"])
    op.create_index("audit_entry_proven", "audit_entry", ["proven", "number"])
