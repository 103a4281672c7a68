"""Bodies of connections and configurations: defaults, ranges, and every field with what cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from repman.streams.api.bodies import BadField, document_of
from repman.streams.configs import base_name, check_ends, name_of, settings_of
from repman.streams.connections import MASK, Connection, connection_of
from repman.streams.ids import CONFIG, SOURCE_NODE, STREAM, TARGET_NODE, made_at, new_id
from repman.streams.job import ALL_OPERATIONS, Creation, Family, Mode, OnError, Operation, TlsMode, WriteMode
from repman.streams.registry import Stream
from repman.streams.settings import config_of, read
from repman.streams.states import State

MYSQL = {
    "type": "MySQL",
    "name": "mysql-source",
    "host": "mysql-host",
    "port": 3306,
    "database": "source_db",
    "username": "user",
    "password": "password",
}
POSTGRESQL = {**MYSQL, "type": "PostgreSQL", "name": "postgres-target", "host": "postgres-host", "port": 5432}
CONFIG_BODY: dict[str, Any] = {
    "name": "my-stream",
    "source": "conn_a",
    "target": "conn_b",
    "mode": "convert",
    "tables": [{"name": "table_name"}],
}
KNOWN = {"conn_a": connection_of(MYSQL), "conn_b": connection_of({**POSTGRESQL, "database": "target_db"})}
LONG = "x" * 100_001


def find(field: str, identifier: str) -> Connection:
    return KNOWN[identifier]


def put(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The document with that value at a path such as ``limits.elapsedTime`` or ``tables[0].name``."""
    changed = json.loads(json.dumps(document))
    place: Any = changed
    *outer, last = path.replace("[", ".").replace("]", "").split(".")
    for key in outer:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    if isinstance(place, list):
        place.append(value)
    else:
        place[last] = value
    return changed


def stream(document: dict[str, Any]) -> Stream:
    return Stream(
        new_id(STREAM, 1739572516),
        new_id(CONFIG, 1739572516),
        1739572516,
        State.READY,
        document,
        new_id(SOURCE_NODE, 1739572516),
        new_id(TARGET_NODE, 1739572516),
        1739572516.0,
    )


def test_ids_hold_when_they_were_made() -> None:
    # The page's own example: its id and its `created` agree.
    assert made_at("conn_2t3EmXcvcg2J6I9mJ02UaiMVxfb") == 1739572516
    made = new_id("conn_", 1739572516)
    assert made_at(made) == 1739572516
    assert len(made) == len("conn_2t3EmXcvcg2J6I9mJ02UaiMVxfb")
    assert made != new_id("conn_", 1739572516)
    with pytest.raises(ValueError, match="is no id"):
        made_at("conn_short")


def test_defaults_of_a_configuration() -> None:
    kept, said = config_of(CONFIG_BODY)
    assert kept["dataBundleSize"] == 500
    assert kept["reportingIntervals"] == {"source": 3, "target": 3}
    assert kept["limits"] == {"numberOfEvents": 0, "elapsedTime": 0}
    assert kept["createStructure"] is True
    assert kept["tables"] == [{"name": "table_name"}]
    assert said.mode == "convert"


def test_keys_that_we_do_not_know_are_kept() -> None:
    kept, _ = config_of({**CONFIG_BODY, "colour": {"deep": [1, None]}, "description": None})
    assert kept["colour"] == {"deep": [1, None]}
    assert "description" not in kept


@pytest.mark.parametrize("size", [10, 500, 1000])
def test_bundles_in_range(size: int) -> None:
    assert config_of({**CONFIG_BODY, "dataBundleSize": size})[0]["dataBundleSize"] == size


WRONG: list[tuple[str, Any]] = [
    *(("dataBundleSize", value) for value in (9, 1001, "500", 500.5, 500.0, True, -1, 10**30, [], {})),
    *(("name", value) for value in (5, [], " ", "a\nb", "\0", LONG)),
    *(("source", value) for value in (5, "", [], "a\0")),
    *(("target", value) for value in (5, "", {})),
    *(("mode", value) for value in ("CDC", "", "copy", 1, [])),
    *(("tables", value) for value in ([], {}, "t", [5], ["t"], [{"name": "t", "selected": False}])),
    *(("tables[0].name", value) for value in (5, "", "a\nb", LONG, [])),
    *(("tables[0].columns", value) for value in ("a", [1], [""], ["a\0"])),
    *(("tables[0].where", value) for value in (1, "a\0b", LONG, "  ")),
    *(("tables[0].query", value) for value in (1, "a\0b", LONG, "  ")),
    *(("tables[0].operations", value) for value in ("insert", ["upsert"], [1])),
    ("tables[0].skipIndexCreation", "yes"),
    *(("operations", value) for value in (["upsert"], "insert", [None])),
    *(("reportingIntervals", value) for value in (3, [], {"source": "3"}, {"source": -1}, {"target": 10**9})),
    *(("limits", value) for value in (5, [], {"numberOfEvents": -1}, {"elapsedTime": -1}, {"elapsedTime": 1.5})),
    *(("limits.numberOfEvents", value) for value in ("1", 2**60, True)),
    *(("createStructure", value) for value in ("true", 1, [])),
    *(("skipData", value) for value in ("true", 0)),
    *(("structureOptions", value) for value in (True, {"tables": "maybe"}, {"indexes": 1})),
    *(("writeMode", value) for value in ("replace", 1)),
    *(("onError", value) for value in ("ignore", 1)),
    *(("maxErrors", value) for value in (-1, "1")),
    *(("snapshot", value) for value in ("always", True)),
    *(("zeroDates", value) for value in ("zero", 0)),
    *(("typeOverrides", value) for value in ({}, [{}], [{"to": ""}], [{"to": 1}])),
    *(("parallel", value) for value in (-1, 65, "2")),
    *(("sourceSchema", value) for value in (1, "a\nb", LONG)),
    *(("replicationSlot", value) for value in (1, "a\0")),
    *(("sourceMembers", value) for value in ("conn_a", [1], ["conn_a"] * 17)),
    ("description", LONG),
    ("resumeFrom", "\n"),
]


@pytest.mark.parametrize(("field", "value"), WRONG)
def test_a_value_that_cannot_be_used_is_refused_by_its_field(field: str, value: Any) -> None:
    with pytest.raises(BadField) as wrong:
        config_of(put(CONFIG_BODY, field, value))
    assert wrong.value.field.startswith(field.removesuffix("]"))
    assert field in str(wrong.value)


@pytest.mark.parametrize("field", ["name", "source", "target", "mode", "tables"])
def test_what_is_required(field: str) -> None:
    for missing in (
        {name: value for name, value in CONFIG_BODY.items() if name != field},
        {**CONFIG_BODY, field: None},
    ):
        with pytest.raises(BadField, match="is required") as wrong:
            config_of(missing)
        assert wrong.value.field == field


@pytest.mark.parametrize("field", ["query", "where"])
def test_sql_is_for_convert_only(field: str) -> None:
    body = {**CONFIG_BODY, "tables": [{"name": "t", field: "SELECT 1"}]}
    config_of(body)
    with pytest.raises(BadField, match="mode convert only"):
        config_of({**body, "mode": "cdc"})


def test_a_table_is_named_once() -> None:
    with pytest.raises(BadField, match="is there twice") as wrong:
        config_of({**CONFIG_BODY, "tables": [{"name": "t"}, {"name": "T"}, {"name": "t"}]})
    assert wrong.value.field == "tables[2].name"


def test_cdc_writes_by_key() -> None:
    with pytest.raises(BadField, match="upsert"):
        config_of({**CONFIG_BODY, "mode": "cdc", "writeMode": "truncate_and_load"})


def test_old_and_new_words_are_understood() -> None:
    kept, _ = config_of({**CONFIG_BODY, "mode": "load", "limits": {"numberOfevents": 7}})
    assert kept["mode"] == "convert"
    assert kept["limits"]["numberOfEvents"] == 7


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"{", b'"x"', b"\xff", b'{"a":NaN}', b"[" * 100_000])
def test_bodies_that_are_no_object(body: bytes) -> None:
    with pytest.raises(BadField) as wrong:
        document_of(body)
    assert wrong.value.field == ""


def test_a_name_gets_its_suffix_once() -> None:
    identifier = "config_2t3HO553pbKiTFEk77OaghU45qA"
    _, said = config_of(CONFIG_BODY)
    source, target = KNOWN["conn_a"], KNOWN["conn_b"]
    named = name_of("my-stream", identifier, said, source, target)
    assert named == "my-stream_U45qA"
    assert name_of(named, identifier, said, source, target) == named
    assert base_name(named, identifier) == "my-stream"
    assert name_of("", identifier, said, source, target) == "MySQL_to_PostgreSQL_table_name_U45qA"


def test_source_and_target_must_differ() -> None:
    with pytest.raises(BadField) as wrong:
        check_ends(config_of({**CONFIG_BODY, "target": "conn_a"})[1], find)
    assert wrong.value.field == "target"
    check_ends(config_of({**CONFIG_BODY, "target": "conn_a", "targetDatabase": "other"})[1], find)


def test_what_a_mover_is_told() -> None:
    kept, _ = config_of(
        {
            **CONFIG_BODY,
            "dataBundleSize": 10,
            "tables": [
                {"name": "a", "where": "x > 1", "columns": ["x"], "skipIndexCreation": True},
                {"name": "b", "selected": False},
            ],
            "limits": {"numberOfEvents": 5, "elapsedTime": 6},
            "operations": ["insert"],
            "structureOptions": {"tables": "drop_and_recreate", "foreignKeys": False},
            "writeMode": "upsert",
            "onError": "skip",
            "typeOverrides": [{"to": "text", "column": "x"}],
            "targetSchema": "s",
        }
    )
    told = settings_of(stream(kept), Path("/data"), find, 1.5)
    assert (told.mode, told.spent) == (Mode.CONVERT, 1.5)
    assert (told.limits.events, told.limits.seconds) == (5, 6)
    (table,) = told.tables
    assert (table.name, table.where, table.columns, table.indexes) == ("a", "x > 1", ("x",), False)
    assert table.operations == {Operation.INSERT}
    assert told.options.bundle_rows == 10
    assert told.options.structure.tables is Creation.ANEW
    assert told.options.structure.foreign_keys is Creation.DISABLED
    assert told.options.structure.indexes is Creation.IF_MISSING
    assert (told.options.write_mode, told.options.on_error) == (WriteMode.UPSERT, OnError.SKIP)
    assert told.options.type_overrides[0].column == "x"
    assert (told.source.family, told.source.schema) == (Family.MYSQL, "")
    assert (told.target.database, told.target.schema) == ("target_db", "s")
    assert "password" not in repr(told).replace("password=", "")


def test_without_structure_nothing_is_made() -> None:
    kept, _ = config_of({**CONFIG_BODY, "createStructure": False})
    structure = settings_of(stream(kept), Path("/data"), find).options.structure
    assert {structure.tables, structure.indexes, structure.foreign_keys, structure.checks} == {Creation.DISABLED}


def test_operations_that_are_not_given_are_all() -> None:
    kept, _ = config_of({**CONFIG_BODY, "operations": [], "tables": [{"name": "t", "operations": []}]})
    assert settings_of(stream(kept), Path("/data"), find).tables[0].operations == ALL_OPERATIONS
    assert read(kept).operations == []


CONNECTION_WRONG: list[tuple[str, Any]] = [
    *(("type", value) for value in ("Oracle", "", 1, [])),
    *(("name", value) for value in ("", "  ", 1, "a\nb", "x" * 256)),
    *(("host", value) for value in ("", 1, "a b", "/var/run/x", "a,b", "u@h", "-h", "a\nb", "x" * 256, "h/db")),
    *(("port", value) for value in (0, 65536, "3306", 3306.5, -1, True)),
    *(("username", value) for value in ("", 1, "a\0b", "x" * 129)),
    *(("database", value) for value in ("", 1, "a\0b", "x" * 65)),
    *(("password", value) for value in (1, "a\0b", [], "x" * 5000)),
    *(("ssl", value) for value in (1, "require", {"mode": "maybe"}, {"mode": "verify-ca"})),
    ("ssl.ca", "not PEM"),
    ("ssl.client_cert", "-----BEGIN CERTIFICATE-----"),
    ("spec", {"s3": {}}),
    ("spec.database", 5),
    *(("schema", value) for value in (1, "a\nb", "x" * 65)),
]


@pytest.mark.parametrize(("field", "value"), CONNECTION_WRONG)
def test_a_connection_that_cannot_be_used_is_refused_by_its_field(field: str, value: Any) -> None:
    with pytest.raises(BadField) as wrong:
        connection_of(put(MYSQL, field, value))
    assert wrong.value.field.split(".")[0] == field.split(".")[0]
    assert "password" not in str(wrong.value) or field == "password"


@pytest.mark.parametrize("field", ["type", "name", "host", "username", "database"])
def test_what_a_connection_requires(field: str) -> None:
    with pytest.raises(BadField, match="is required") as wrong:
        connection_of({name: value for name, value in MYSQL.items() if name != field})
    assert wrong.value.field == field


def test_a_connection_of_either_generation() -> None:
    place = {name: MYSQL[name] for name in ("host", "port", "username", "password", "database")}
    nested = {"name": "mysql-source", "type": "MySQL", "spec": {"database": place}}
    assert connection_of(nested) == connection_of(MYSQL)


@pytest.mark.parametrize(
    ("word", "family", "port"), [("mariadb", Family.MYSQL, 3306), ("Postgres", Family.POSTGRESQL, 5432)]
)
def test_usual_ports(word: str, family: Family, port: int) -> None:
    made = connection_of({name: value for name, value in {**MYSQL, "type": word}.items() if name != "port"})
    assert (made.family, made.port, made.type) == (family, port, word)


@pytest.mark.parametrize("sent", [None, "", MASK])
def test_a_password_that_is_not_sent_stays(sent: str | None) -> None:
    before = connection_of(MYSQL)
    after = connection_of({**MYSQL, "host": "other", "password": sent}, before)
    assert (after.host, after.secrets.password) == ("other", "password")
    assert connection_of({**MYSQL, "password": "new"}, before).secrets.password == "new"


def test_a_mask_is_no_password() -> None:
    assert connection_of({**MYSQL, "password": MASK}).secrets.password == ""


def test_tls_of_a_connection() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
    ssl = {"mode": "verify-full", "ca": pem, "client_cert": pem, "client_key": pem}
    made = connection_of({**MYSQL, "ssl": ssl})
    assert made.endpoint().tls.mode is TlsMode.VERIFY_FULL
    assert made.endpoint().tls.key == pem
    assert pem not in repr(made.secrets)
    kept = connection_of({**MYSQL, "ssl": {**ssl, "client_key": MASK}}, made)
    assert kept.secrets.client_key == pem
