"""Revoked tokens are counted by user.  Of those revoked before nobody wrote down whose they were: the name is empty."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, String, inspect

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the name, unless the store was made between this change and the first numbers."""
    if any(column["name"] == "name" for column in inspect(op.get_bind()).get_columns("token_revoked")):
        return
    with op.batch_alter_table("token_revoked") as table:
        table.add_column(Column("name", String(128), nullable=False, server_default=""))
    with op.batch_alter_table("token_revoked") as table:
        table.alter_column("name", server_default=None)
    op.create_index("ix_token_revoked_name", "token_revoked", ["name"])
