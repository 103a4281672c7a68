"""Stores of older releases get their present form, once, whole, and with a copy of what was before."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from repman.errors import StateError
from repman.state import schema as schemas
from repman.state.accounts import AccountStore
from repman.state.database import open_engine
from repman.state.jobs import JobStore
from repman.state.schema import FIRST, Schema, bring_up_to_date

ROOT = Path(__file__).parents[3]
STEPS = ROOT / "repman" / "state" / "migrations"
STORES = sorted(path.name for path in STEPS.iterdir() if (path / "v0001_begin.py").exists())
ELSEWHERE = {"streams": "repman.streams.registry", "checkpoints": "repman.checkpoints.catalogue"}

FOREVER = 4e9
OLD_ACCOUNTS = """
CREATE TABLE account (name VARCHAR(128) NOT NULL PRIMARY KEY, password TEXT NOT NULL, created_by VARCHAR(128) NOT NULL,
    created_at FLOAT NOT NULL, changed_by VARCHAR(128) NOT NULL, changed_at FLOAT NOT NULL);
CREATE TABLE account_grants (name VARCHAR(128) NOT NULL, cluster VARCHAR(255) NOT NULL, grants TEXT NOT NULL,
    PRIMARY KEY (name, cluster));
CREATE TABLE token_round (name VARCHAR(128) NOT NULL PRIMARY KEY, round BIGINT NOT NULL);
CREATE TABLE token_revoked (id VARCHAR(64) NOT NULL PRIMARY KEY, until FLOAT NOT NULL);
CREATE TABLE account_changes ("only" BIGINT NOT NULL PRIMARY KEY, number BIGINT NOT NULL);
INSERT INTO account VALUES ('ann', 'hash', 'root', 1.0, 'root', 1.0);
INSERT INTO account_grants VALUES ('ann', '', 'db-show');
INSERT INTO token_revoked VALUES ('t1', 4e9);
INSERT INTO account_changes VALUES (0, 7);
"""
"""The accounts' store as it was made before it was written down whose tokens were revoked."""


def schema_of(store: str) -> Schema:
    found = import_module(ELSEWHERE.get(store, f"repman.state.{store}")).SCHEMA
    assert isinstance(found, Schema)
    return found


def made(path: Path, script: str) -> str:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(script)
    return f"sqlite:///{path}"


def columns(path: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return [row[1] for row in database.execute(f"PRAGMA table_info({table})")]


def number(path: Path, store: str) -> list[tuple[str]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(f"SELECT version_num FROM {store}_schema").fetchall()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = open_engine(f"sqlite:///{tmp_path / 'store.db'}", durable=False)
    yield found
    found.dispose()


def test_there_are_stores() -> None:
    assert {"accounts", "audit", "history", "jobs", "journal"} <= set(STORES)


@pytest.mark.parametrize("store", STORES)
def test_the_steps_make_what_the_store_expects(store: str, engine: Engine) -> None:
    schema = schema_of(store)
    steps = ScriptDirectory(str(STEPS), version_locations=[str(STEPS / store)])
    assert steps.get_current_head() == schema.revision, "raise the number in SCHEMA together with the new step"
    _take_all(engine, schema)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"version_table": schema.number.name, "compare_type": True, "compare_server_default": True},
        )
        assert compare_metadata(context, schema.tables) == []


def _take_all(engine: Engine, schema: Schema) -> None:
    with schemas._locked(engine) as connection:
        schemas._take_steps(connection, schema)


def test_a_missing_step_would_be_seen(engine: Engine) -> None:
    schema = schema_of("accounts")
    _take_all(engine, Schema("accounts", FIRST, schema.tables))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.number.name})
        assert "token_revoked" in str(compare_metadata(context, schema.tables))


def test_a_new_store_is_made_as_it_is_now_and_needs_no_copy(tmp_path: Path) -> None:
    store = AccountStore(f"sqlite:///{tmp_path / 'accounts.db'}")
    store.revoke("t1", "ann", FOREVER)
    store.close()
    assert number(tmp_path / "accounts.db", "accounts") == [(schema_of("accounts").revision,)]
    assert not list(tmp_path.glob("accounts.db.*"))


def test_an_old_store_is_migrated_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    url = made(path, OLD_ACCOUNTS)
    for _ in range(2):  # opened again, nothing happens
        store = AccountStore(url)
        known = store.read()
        store.close()
        assert known.accounts["ann"].grants == {"": frozenset({"db-show"})}
        assert known.revoked == {"t1"}
    store = AccountStore(url, most_revoked=1)
    store.revoke("t2", "ann", FOREVER)
    assert store.read().revoked == {"t1", "t2"}
    store.close()
    assert number(path, "accounts") == [("0002",)]
    copies = list(tmp_path.glob("accounts.db.0*"))
    assert copies == [tmp_path / "accounts.db.0001"]
    assert columns(copies[0], "token_revoked") == ["id", "until"]
    with closing(sqlite3.connect(copies[0])) as copy:
        assert copy.execute("SELECT id FROM token_revoked").fetchall() == [("t1",)]
    assert copies[0].stat().st_mode & 0o007 == 0


def test_a_store_made_after_the_change_and_before_numbers_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    url = made(path, OLD_ACCOUNTS)
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            "ALTER TABLE token_revoked ADD COLUMN name VARCHAR(128) NOT NULL DEFAULT 'ann';"
            "CREATE INDEX ix_token_revoked_name ON token_revoked (name)"
        )
    store = AccountStore(url)
    assert store.read().revoked == {"t1"}
    store.close()
    assert number(path, "accounts") == [("0002",)]


def test_a_step_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    # The last statement of the step finds its name taken.
    url = made(path, OLD_ACCOUNTS + "CREATE INDEX ix_token_revoked_name ON account (name);")
    before = path.read_bytes()
    store = AccountStore(url)
    with pytest.raises(StateError, match="already exists"):
        store.read()
    store.close()
    assert columns(path, "token_revoked") == ["id", "until"]
    with closing(sqlite3.connect(path)) as database:
        assert (
            database.execute("SELECT name FROM sqlite_master WHERE name LIKE '%schema' OR name LIKE '%tmp%'").fetchall()
            == []
        )
    assert len(path.read_bytes()) == len(before)
    # When what was in the way is gone, the next attempt gets through.
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP INDEX ix_token_revoked_name")
    store = AccountStore(url)
    assert store.read().revoked == {"t1"}
    store.close()


def test_without_a_copy_nothing_is_migrated(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    url = made(path, OLD_ACCOUNTS)
    (tmp_path / "accounts.db.0001.partial").mkdir()  # a copy can't be written
    store = AccountStore(url)
    with pytest.raises(StateError):
        store.read()
    store.close()
    assert columns(path, "token_revoked") == ["id", "until"]


def test_a_store_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "jobs.db"
    store = JobStore(f"sqlite:///{path}")
    assert store.latest("shop") == ()
    store.close()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE jobs_schema SET version_num = '9999'")
    store = JobStore(f"sqlite:///{path}")
    with pytest.raises(StateError, match="a newer repman has migrated it"):
        store.latest("shop")
    store.close()
    assert number(path, "jobs") == [("9999",)]


def test_many_threads_migrate_once(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    url = made(path, OLD_ACCOUNTS)

    def read(_: int) -> frozenset[str]:
        store = AccountStore(url)
        try:
            return store.read().revoked
        finally:
            store.close()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == [{"t1"}] * 8


def test_many_processes_migrate_once(tmp_path: Path) -> None:
    url = made(tmp_path / "accounts.db", OLD_ACCOUNTS)
    program = (
        "import sys, logging; logging.basicConfig(level=logging.INFO)\n"
        "from repman.state.accounts import AccountStore\n"
        "print('ready', flush=True); sys.stdin.read()\n"
        "print(sorted(AccountStore(sys.argv[1]).read().revoked))"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", program, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    told = [process.communicate() for process in running]
    assert [out for out, _ in told] == ["['t1']\n"] * len(running)
    assert sum("was migrated from form 0001 to 0002" in errors for _, errors in told) == 1


def test_stores_of_one_database_have_a_number_each(engine: Engine) -> None:
    for store in STORES:
        bring_up_to_date(engine, schema_of(store))
    with engine.connect() as connection:
        for store in STORES:
            found = connection.execute(text(f"SELECT version_num FROM {store}_schema")).scalars().all()
            assert found == [schema_of(store).revision]


@pytest.mark.slow
def test_stores_of_the_previous_commit_can_be_opened(tmp_path: Path) -> None:
    """Made by the program that was committed before this one, filled, and read with the present one."""
    packed = subprocess.run(["git", "archive", "HEAD~1", "repman"], cwd=ROOT, capture_output=True, check=False)
    if packed.returncode:
        pytest.skip("the commit before this one is not here (no repository, or a shallow one)")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(tmp_path / "before", filter="data")
    program = (
        "import sys\n"
        "import repman; assert repman.__file__.startswith(sys.argv[2]), repman.__file__\n"
        "from repman.state.accounts import AccountStore\n"
        "from repman.state.audit import AuditTrail, Entry\n"
        "from repman.state.jobs import JobStore\n"
        "from repman.state.journal import Journal\n"
        "accounts = AccountStore(f'sqlite:///{sys.argv[1]}/accounts.db')\n"
        "accounts.revoke('t1', 'ann', 4e9)\n"
        "trail = AuditTrail(f'sqlite:///{sys.argv[1]}/audit.db')\n"
        "trail.append(Entry(1.0, 'ann', True, '127.0.0.1', 'POST', '/api/x'))\n"
        "jobs = JobStore(f'sqlite:///{sys.argv[1]}/jobs.db'); jobs.latest('shop')\n"
        "Journal(f'sqlite:///{sys.argv[1]}/journal.db')\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "before"), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), str(tmp_path / "before")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    store = AccountStore(f"sqlite:///{tmp_path / 'accounts.db'}")
    assert store.read().revoked == {"t1"}
    store.close()
    for name in ("audit", "jobs", "journal", "accounts"):
        engine = open_engine(f"sqlite:///{tmp_path / f'{name}.db'}", durable=False)
        bring_up_to_date(engine, schema_of(name))
        engine.dispose()
        assert number(tmp_path / f"{name}.db", name) == [(schema_of(name).revision,)]
