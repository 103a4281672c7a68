"""The tables of the first stores."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Float, String, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them all."""
    op.create_table(
        "connections",
        Column("id", String(64), primary_key=True),
        Column("created", BigInteger, nullable=False),
        Column("document", Text, nullable=False),
        Column("sealed", Text, nullable=False),
    )
    op.create_table(
        "stream_configs",
        Column("id", String(64), primary_key=True),
        Column("created", BigInteger, nullable=False),
        Column("name", Text, nullable=False),
        Column("document", Text, nullable=False),
    )
    op.create_table(
        "streams",
        Column("id", String(64), primary_key=True),
        Column("config", String(64), nullable=False),
        Column("created", BigInteger, nullable=False),
        Column("status", String(16), nullable=False),
        Column("document", Text, nullable=False),
        Column("source_node", String(64), nullable=False),
        Column("target_node", String(64), nullable=False),
        Column("started", Float(53), nullable=False),
        Column("ended", Float(53), nullable=True),
        Column("error", Text, nullable=False),
        Column("code", String(64), nullable=False),
        Column("holding", Boolean, nullable=False),
    )
    op.create_index("ix_streams_config", "streams", ["config"])
    op.create_index("ix_streams_status", "streams", ["status"])
