"""The tables of the first stores, which had no number."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Float, String, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them all."""
    op.create_table(
        "api_keys",
        Column("public", String(64), primary_key=True),
        Column("dialect", String(32), nullable=False),
        Column("proof", Text, nullable=False),
        Column("scope", Text, nullable=False),
        Column("roles", Text, nullable=False),
        Column("note", Text, nullable=False),
        Column("created", Float(53), nullable=False),
        Column("revoked", Float(53), nullable=True),
    )
    op.create_index("ix_api_keys_proof", "api_keys", ["proof"])
