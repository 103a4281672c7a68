"""What stands against following a source: its settings, grants, slots, and the tables themselves."""

from __future__ import annotations

from typing import Any

from repman.errors import StreamFailed, StreamUnreachable
from repman.streams.cdc import known as cdc_known
from repman.streams.cdc import slot
from repman.streams.cdc import source as cdc_source
from repman.streams.job import Family, StreamSettings
from repman.streams.structure.table import Engine, Version

_WANTED = {
    "log_bin": ("ON", "switch it on in the server's configuration and restart it"),
    "binlog_format": ("ROW", "SET GLOBAL binlog_format = 'ROW'"),
    "binlog_row_image": ("FULL", "SET GLOBAL binlog_row_image = 'FULL'"),
    "binlog_row_value_options": ("", "SET GLOBAL binlog_row_value_options = ''"),
    "binlog_transaction_compression": ("OFF", "SET GLOBAL binlog_transaction_compression = OFF"),
}


def problems(settings: StreamSettings) -> tuple[str, ...]:
    """Every reason against the stream, in sentences that say what to do.  Raises StreamUnreachable."""
    member = cdc_source.choose((settings.source, *settings.options.writers))
    found: list[str] = []
    with cdc_source.session(member) as opened:
        version = cdc_source.version_of(opened, member)
        found += (
            _of_binlog(opened, version, bool(settings.options.writers))
            if version.engine.is_mysql
            else _of_slots(opened, settings)
        )
    try:
        known = cdc_known.look(settings, member, cdc_known.structures(settings))
        found += cdc_known.planned(settings, known).problems
    except StreamUnreachable:
        raise
    except StreamFailed as error:
        found.append(str(error))
    found += _of_target(settings)
    return tuple(found)


def _variables(opened: Any, names: tuple[str, ...]) -> dict[str, str]:
    listed = ", ".join(f"'{name}'" for name in names)
    rows = cdc_source.ask(opened, f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({listed})")
    return {str(name).lower(): str(value) for name, value in rows}


def _of_binlog(opened: Any, version: Version, cluster: bool) -> list[str]:
    values = _variables(opened, (*_WANTED, "server_id", "gtid_strict_mode"))
    found = [
        f"{name} of the source is {values[name] or 'empty'}, and must be {wanted or 'empty'}: {remedy}"
        for name, (wanted, remedy) in _WANTED.items()
        if name in values and values[name].upper() != wanted
    ]
    if values.get("server_id") == "0":
        found.append("server_id of the source is 0: give it a number in the server's configuration")
    if cluster and version.engine is Engine.MARIADB and values.get("gtid_strict_mode", "ON").upper() != "ON":
        found.append(
            "gtid_strict_mode of the source is OFF, without which another member cannot prove that it has a position: SET GLOBAL gtid_strict_mode = ON"
        )
    grants = " ".join(str(row[0]) for row in cdc_source.ask(opened, "SHOW GRANTS")).upper()
    if not any(grant in grants for grant in ("ALL PRIVILEGES ON *.*", "REPLICATION SLAVE", "REPLICATION REPLICA")):
        found.append("the source's account may not read the binary log: GRANT REPLICATION SLAVE ON *.* to it")
    return found


def _of_slots(opened: Any, settings: StreamSettings) -> list[str]:
    found = []
    level, slots, used, senders = cdc_source.ask(
        opened,
        "SELECT current_setting('wal_level'), current_setting('max_replication_slots')::int, "
        "(SELECT count(*) FROM pg_replication_slots), current_setting('max_wal_senders')::int",
    )[0]
    if level != "logical":
        found.append(
            f"wal_level of the source is {level}, and must be logical: ALTER SYSTEM SET wal_level, and restart it"
        )
    name = settings.options.slot or slot.own_name(settings.config)
    if slot.find(opened, name) is None and used >= slots:
        found.append(f"all {slots} replication slots of the source are used: raise max_replication_slots, or drop one")
    if not senders:
        found.append("max_wal_senders of the source is 0: raise it, and restart the server")
    may, owns = cdc_source.ask(
        opened,
        "SELECT rolreplication OR rolsuper, rolsuper OR has_database_privilege(current_database(), 'CREATE') "
        "FROM pg_roles WHERE rolname = current_user",
    )[0]
    if not may:
        found.append("the source's account may not replicate: ALTER ROLE ... REPLICATION")
    if not owns:
        found.append("the source's account may not make a publication: GRANT CREATE ON DATABASE ... to it")
    return found


def _of_target(settings: StreamSettings) -> list[str]:
    if settings.target.family is Family.MYSQL:
        return []
    with cdc_source.session(settings.target) as opened:
        may = cdc_source.ask(opened, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user")[0][0]
        if not may and cdc_source.version_of(opened, settings.target).number >= (15,):
            statement = "SELECT has_parameter_privilege(current_user, 'session_replication_role', 'SET')"
            may = cdc_source.ask(opened, statement)[0][0]
    if may:
        return []
    return [
        "the target's account may not set session_replication_role, without which triggers and foreign keys would act twice: "
        "GRANT SET ON PARAMETER session_replication_role to it (PostgreSQL 15 and later), or make it a superuser"
    ]
