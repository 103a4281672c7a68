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
        "history_event",
        Column("number", _NUMBER, primary_key=True, autoincrement=True),
        Column("cluster", String(255), nullable=False),
        Column("at", Float(53), nullable=False),
        Column("level", String(16), nullable=False),
        Column("text", Text, nullable=False),
        Column("server", String(255), nullable=False),
        Column("code", String(255), nullable=False),
    )
    op.create_index("history_event_cluster", "history_event", ["cluster", "number"])
    op.create_table(
        "history_crash",
        Column("number", _NUMBER, primary_key=True, autoincrement=True),
        Column("cluster", String(255), nullable=False),
        Column("old_writer", String(255), nullable=False),
        Column("new_writer", String(255), nullable=False),
        Column("at", Float(53), nullable=False),
        Column("switchover", Boolean, nullable=False),
        Column("semi_sync", Boolean, nullable=False),
        Column("old_position", Text, nullable=False),
        Column("new_position", Text, nullable=False),
        Column("unacknowledged", Text, nullable=False),
        Column("plan", String(16), nullable=False),
    )
    op.create_index("history_crash_cluster", "history_crash", ["cluster", "number"])
