"""Real MariaDB and PostgreSQL servers, made once and emptied before each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from mariadb_source import Mariadb
from postgres_stand import Postgres

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def kept_postgres() -> Iterator[Postgres]:
    made = Postgres()
    yield made
    made.remove()


@pytest.fixture(scope="session")
def kept_mariadb() -> Iterator[Mariadb]:
    made = Mariadb()
    yield made
    made.remove()


@pytest.fixture
def postgres(kept_postgres: Postgres) -> Postgres:
    """A server with an empty database ``d``; start it again if you stop it."""
    kept_postgres.fresh()
    return kept_postgres


@pytest.fixture
def mariadb(kept_mariadb: Mariadb) -> Mariadb:
    """A server with an empty database ``d``; start it again if you stop it."""
    kept_mariadb.fresh()
    return kept_mariadb
