"""What Alembic runs for each upgrade: the connection is the caller's, who holds the lock and ends the transaction."""

from __future__ import annotations

from alembic import context

_GIVEN = context.config.attributes
context.configure(connection=_GIVEN["connection"], version_table=_GIVEN["version_table"])
context.run_migrations()
