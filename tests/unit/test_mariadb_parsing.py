"""What answers of a MariaDB server mean."""

import json

import pytest

from repman.engines.mariadb_inventory import READ_ONLY_ADMIN_BIT, SUPER_BIT, bypassing
from repman.engines.mariadb_observe import _LINK_COLUMNS, Identity, LookReader, look_query, vote_name
from repman.engines.mysqldial import Target, reach_of_number, reach_of_oserror
from repman.engines.mysqlwire import Result
from repman.model.observation import Reach, Receiver

LINK = {
    "Connection_name": "",
    "Master_Host": "10.0.0.1",
    "Master_Port": "3306",
    "Master_Server_Id": "1",
    "Slave_IO_Running": "Yes",
    "Slave_SQL_Running": "Yes",
    "Gtid_IO_Pos": "0-1-12",
    "Slave_received_heartbeats": "7",
    "Slave_heartbeat_period": "0.500",
    "Seconds_Behind_Master": "0",
    "Using_Gtid": "Slave_Pos",
    "Last_IO_Errno": "0",
    "Last_IO_Error": "",
    "Last_SQL_Errno": "0",
    "Last_SQL_Error": "",
}


def as_bytes(values):
    return tuple(None if value is None else str(value).encode() for value in values)


def answer(link=None, status=(), **changes):
    values = {
        "read_only": 1,
        "server_id": 2,
        "binlog_pos": "0-1-10",
        "slave_pos": "0-1-10",
        "state": "0-2-4,0-1-10",
        "strict": 1,
        "format": "ROW",
        "master": 0,
        "slave": 1,
        "timeout": 10000,
        "no_slave": 1,
        "vote": 1,
        "holder": 5,
    }
    values.update(changes)
    columns = ("Replicate_Something", *_LINK_COLUMNS)
    rows = () if link is None else (as_bytes(["junk", *({**LINK, **link}[name] for name in _LINK_COLUMNS)]),)
    return [
        Result(tuple(values), (as_bytes(values.values()),)),
        Result(columns, rows),
        Result(("Variable_name", "Value"), tuple(as_bytes(pair) for pair in status)),
    ]


def test_a_replica():
    look = LookReader().read(answer({}))
    assert look.read_only
    assert str(look.executed) == "0-1-10"
    assert look.executed.seen == ((0, 1, 10), (0, 2, 4))
    assert str(look.received) == "0-1-12"
    assert not look.drained
    assert look.links[0].source == "10.0.0.1:3306"
    assert look.links[0].heartbeats == 7
    assert look.links[0].lag == 0.0


@pytest.mark.parametrize(
    ("changes", "name", "expected"),
    [
        ({"Slave_IO_Running": "Connecting"}, "receiver", Receiver.CONNECTING),
        ({"Slave_IO_Running": "Preparing"}, "receiver", Receiver.CONNECTING),
        ({"Slave_IO_Running": "No"}, "receiver", Receiver.STOPPED),
        ({"Seconds_Behind_Master": None}, "lag", None),
        ({"Using_Gtid": "No"}, "uses_gtid", False),
        ({"Using_Gtid": "Current_Pos"}, "uses_gtid", True),
        ({"Slave_SQL_Running": "No"}, "applier_running", False),
        ({"Last_SQL_Errno": "1062", "Last_SQL_Error": "Duplicate"}, "applier_errno", 1062),
    ],
)
def test_a_link(changes, name, expected):
    assert getattr(LookReader().read(answer(changes)).links[0], name) == expected


def test_an_old_writer_that_follows_keeps_what_it_wrote_itself():
    look = LookReader().read(answer({"Gtid_IO_Pos": ""}, binlog_pos="0-1-9", slave_pos="0-2-12,1-1-3"))
    assert str(look.executed) == "0-2-12,1-1-3"
    assert (0, 1, 10) in look.executed.seen
    assert look.drained


def test_a_gtid_received_twice_changes_nothing():
    assert LookReader().read(answer({"Gtid_IO_Pos": "0-1-8"})).drained


def test_semi_sync():
    status = [("Rpl_semi_sync_master_clients", 2), ("Rpl_semi_sync_master_status", "ON")]
    semi = LookReader().read(answer(status=status, master=1, timeout=315360000000)).semi_sync
    assert semi.lossless
    assert semi.ackers == 2
    assert not LookReader().read(answer(status=status, master=1)).semi_sync.lossless


def test_commits_that_wait():
    status = [("Rpl_semi_sync_master_wait_sessions", 3), ("Rpl_semi_sync_master_tx_waits", 70)]
    semi = LookReader().read(answer(status=status, master=1)).semi_sync
    assert (semi.waiting, semi.waits_ended) == (3, 70)


def test_the_same_reader_sees_changes():
    reader = LookReader()
    assert reader.read(answer({})).links[0].heartbeats == 7
    assert reader.read(answer({"Slave_received_heartbeats": "8"})).links[0].heartbeats == 8
    assert str(reader.read(answer({"Gtid_IO_Pos": "0-1-13"})).received) == "0-1-13"
    assert reader.read(answer()).links == ()


def test_votes():
    assert LookReader().read(answer()).leased
    other = LookReader().read(answer(vote=0, holder=77))
    assert (other.leased, other.holder) == (False, 77)
    assert LookReader().read(answer(vote=None, holder=None)).holder == 0


def test_an_answer_that_is_none_is_a_value_error():
    with pytest.raises(ValueError):
        LookReader().read([Result(("a",), ((b"1",),)), Result(), Result()])


def test_identity():
    identity = Identity.read((b"10.11.6-MariaDB-log", b"Debian", b"1", b"0", b"1700000000", b"77"))
    assert identity.version.at_least(10, 11)
    assert identity.binlog
    assert not identity.log_replica_updates


def test_long_cluster_names_have_different_votes_that_servers_accept():
    one, two = vote_name("c" * 100 + "1"), vote_name("c" * 100 + "2")
    assert one != two
    assert len(one) <= 64
    assert "GET_LOCK" in look_query("it's", True)
    assert "GET_LOCK" not in look_query("it's", False)
    assert "'repman.it''s'" in look_query("it's", True)


@pytest.mark.parametrize(
    ("number", "reach"),
    [
        (1045, Reach.DENIED),
        (1044, Reach.DENIED),
        (1698, Reach.DENIED),
        (1130, Reach.DENIED),
        (1227, Reach.DENIED),
        (4151, Reach.DENIED),
        (1040, Reach.BUSY),
        (1203, Reach.BUSY),
        (1129, Reach.BUSY),
        (1053, Reach.BUSY),
        (1226, Reach.BUSY),
    ],
)
def test_what_an_error_number_says(number, reach):
    assert reach_of_number(number) is reach


@pytest.mark.parametrize(
    ("error", "reach"),
    [
        (ConnectionRefusedError(111, ""), Reach.REFUSED),
        (OSError(113, ""), Reach.UNREACHABLE),
        (OSError(101, ""), Reach.UNREACHABLE),
        (TimeoutError("timed out"), Reach.SILENT),
        (OSError(110, ""), Reach.SILENT),
        (ConnectionResetError(104, ""), Reach.CLOSED),
        (OSError(24, ""), Reach.UNRESOLVED),
        (OSError(99, ""), Reach.UNRESOLVED),
    ],
)
def test_what_an_error_of_the_network_says(error, reach):
    assert reach_of_oserror(error) is reach


def test_targets():
    assert Target("127.0.0.1:3306").ways[0][1] == ("127.0.0.1", 3306)
    assert Target("[::1]:3306").ways[0][1][:2] == ("::1", 3306)
    assert Target("some.host:3306").ways == ()


SOCKET_ROOT = {
    "access": READ_ONLY_ADMIN_BIT,
    "plugin": "mysql_native_password",
    "authentication_string": "invalid",
    "auth_or": [{}, {"plugin": "unix_socket"}],
}


@pytest.mark.parametrize(
    ("user", "host", "about", "counts"),
    [
        ("app", "%", {"access": READ_ONLY_ADMIN_BIT}, True),
        ("app", "%", {"access": 3}, False),
        ("app", "localhost", {"access": READ_ONLY_ADMIN_BIT, "plugin": "mysql_native_password"}, True),
        ("repman", "%", {"access": READ_ONLY_ADMIN_BIT}, False),
        ("app", "%", {"access": READ_ONLY_ADMIN_BIT, "account_locked": True}, False),
        ("root", "localhost", SOCKET_ROOT, False),
        ("root", "localhost", {"access": READ_ONLY_ADMIN_BIT, "plugin": "unix_socket"}, False),
        ("root", "localhost", {**SOCKET_ROOT, "authentication_string": "*ABC"}, True),
        ("root", "%", SOCKET_ROOT, True),
        ("app", "%", {"access": SUPER_BIT}, False),
    ],
)
def test_who_bypasses_read_only(user, host, about, counts):
    found = bypassing([(user, host, json.dumps(about))], [], ["repman"], super_suffices=False)
    assert found == ((f"{user}@{host}",) if counts else ())


def test_super_suffices_before_10_11():
    accounts = [("app", "%", json.dumps({"access": SUPER_BIT}))]
    assert bypassing(accounts, [], [], super_suffices=True) == ("app@%",)


def test_a_role_that_bypasses_read_only_counts_for_those_who_may_take_it():
    accounts = [
        ("dba", "", json.dumps({"access": READ_ONLY_ADMIN_BIT, "is_role": True})),
        ("staff", "", json.dumps({"access": 0, "is_role": True})),
        ("ann", "%", json.dumps({"access": 0})),
        ("bob", "%", json.dumps({"access": 0})),
    ]
    roles = [("staff", "", "dba"), ("ann", "%", "staff")]
    assert bypassing(accounts, roles, [], super_suffices=False) == ("ann@%",)
