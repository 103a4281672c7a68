"""The tables of the first stores."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Float, Integer, String, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them all."""
    op.create_table(
        "checkpoint",
        Column("id", String(24), primary_key=True),
        Column("project", String(64), nullable=False),
        Column("cluster", String(64), nullable=False),
        Column("at", Float(53), nullable=False),
        Column("document", Text, nullable=False),
    )
    op.create_index("checkpoint_place", "checkpoint", ["project", "cluster", "at"])
    op.create_table(
        "checkpoint_download",
        Column("job", String(24), primary_key=True),
        Column("expires", Float(53), nullable=False),
        Column("most", Integer, nullable=False),
    )
    op.create_table(
        "checkpoint_fetched",
        Column("job", String(24), primary_key=True),
        Column("file", String(255), primary_key=True),
        Column("number", Integer, nullable=False),
    )
    op.create_table(
        "checkpoint_restore",
        Column("id", String(24), primary_key=True),
        Column("project", String(64), nullable=False),
        Column("cluster", String(64), nullable=False),
        Column("at", Float(53), nullable=False),
        Column("document", Text, nullable=False),
    )
    op.create_index("checkpoint_restore_place", "checkpoint_restore", ["project", "cluster", "at"])
    op.create_table(
        "checkpoint_schedule",
        Column("project", String(64), primary_key=True),
        Column("cluster", String(64), primary_key=True),
        Column("document", Text, nullable=False),
    )
    op.create_table(
        "checkpoint_snapshot",
        Column("id", String(24), primary_key=True),
        Column("project", String(64), nullable=False),
        Column("cluster", String(64), nullable=False),
        Column("at", Float(53), nullable=False),
        Column("document", Text, nullable=False),
    )
    op.create_index("checkpoint_snapshot_place", "checkpoint_snapshot", ["project", "cluster", "at"])
