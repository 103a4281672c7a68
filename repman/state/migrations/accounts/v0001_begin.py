"""The tables of the first stores, which had no number."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, Float, String, Text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make them all."""
    op.create_table(
        "account",
        Column("name", String(128), primary_key=True),
        Column("password", Text, nullable=False),
        Column("created_by", String(128), nullable=False),
        Column("created_at", Float(53), nullable=False),
        Column("changed_by", String(128), nullable=False),
        Column("changed_at", Float(53), nullable=False),
    )
    op.create_table(
        "account_grants",
        Column("name", String(128), primary_key=True),
        Column("cluster", String(255), primary_key=True),
        Column("grants", Text, nullable=False),
    )
    op.create_table(
        "token_round",
        Column("name", String(128), primary_key=True),
        Column("round", BigInteger, nullable=False),
    )
    op.create_table(
        "token_revoked",
        Column("id", String(64), primary_key=True),
        Column("until", Float(53), nullable=False),
    )
    op.create_table(
        "account_changes",
        Column("only", BigInteger, primary_key=True, autoincrement=False),
        Column("number", BigInteger, nullable=False),
    )
