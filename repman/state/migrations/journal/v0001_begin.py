"""The tables of the first stores, which had no number."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Float, Integer, String, Text

revision = "0001"
down_revision = None

_NUMBER = BigInteger().with_variant(Integer, "sqlite")


def upgrade() -> None:
    """Make them all."""
    op.create_table(
        "journal_plan",
        Column("number", _NUMBER, primary_key=True, autoincrement=True),
        Column("id", String(16), nullable=False, unique=True),
        Column("cluster", String(255), nullable=False),
        Column("epoch", String(255), nullable=False),
        Column("started_at", Float(53), nullable=False),
        Column("plan", Text, nullable=False),
        Column("state", String(32), nullable=False),
        Column("detail", Text, nullable=False),
        Column("ended_at", Float(53)),
    )
    op.create_index("journal_plan_cluster", "journal_plan", ["cluster", "number"])
    op.create_table(
        "journal_entry",
        Column("number", _NUMBER, primary_key=True, autoincrement=True),
        Column("plan", String(16), nullable=False),
        Column("at", Float(53), nullable=False),
        Column("what", String(16), nullable=False),
        Column("step", Integer, nullable=False),
        Column("undo", Integer, nullable=False),
        Column("seconds", Float(53), nullable=False),
        Column("text", Text, nullable=False),
    )
    op.create_index("journal_entry_plan", "journal_entry", ["plan", "number"])
    op.create_table(
        "journal_memory",
        Column("cluster", String(255), primary_key=True),
        Column("boot", String(64), nullable=False),
        Column("saved_at", Float(53), nullable=False),
        Column("memory", Text, nullable=False),
    )
