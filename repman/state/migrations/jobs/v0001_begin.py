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
        "job",
        Column("number", _NUMBER, primary_key=True, autoincrement=True),
        Column("id", String(32), nullable=False, unique=True),
        Column("kind", String(32), nullable=False),
        Column("cluster", String(255), nullable=False),
        Column("server", String(255), nullable=False),
        Column("created_at", Float(53), nullable=False),
        Column("arguments", Text, nullable=False),
        Column("user", String(255), nullable=False),
        Column("state", String(16), nullable=False),
        Column("step", Text, nullable=False),
        Column("bytes_done", BigInteger, nullable=False),
        Column("bytes_total", BigInteger, nullable=False),
        Column("result", Text, nullable=False),
        Column("error", Text, nullable=False),
        Column("started_at", Float(53)),
        Column("ended_at", Float(53)),
    )
    op.create_index("job_cluster", "job", ["cluster", "number"])
    op.create_index("job_state", "job", ["state"])
