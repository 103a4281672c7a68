from __future__ import annotations

import pytest

from repman.config.servers import find_server, parse_address, server_id, server_names


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("db1", "db1", 3306),
        ("db1:3307", "db1", 3307),
        ("db-1.example.net:1", "db-1.example.net", 1),
        ("127.0.0.1:65535", "127.0.0.1", 65535),
        ("[::1]:3306", "::1", 3306),
        ("[fe80::1%eth0]", "fe80::1%eth0", 3306),
    ],
)
def test_addresses(text, host, port):
    assert parse_address(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["", ":3306", "db1:", "db1:0", "db1:65536", "db1:-1", "db1:٣", "::1", "[::1", "[::1]3306", "[db1]:1", "a b", "u@h"],
)
def test_what_is_no_address(text):
    with pytest.raises(ValueError):
        parse_address(text)


def test_the_identifier_is_the_crc_64_that_go_calls_ecma():
    # Check values of CRC-64/ECMA as Go computes it (elsewhere named CRC-64/XZ).
    assert server_id("123456789") == f"db{0x995DC9BBDF1939FA}"
    assert server_id("a") == f"db{0x330284772E652B05}"


def test_names_are_hosts_where_these_tell_servers_apart():
    hosts = [("a", 1), ("b", 1), ("b", 2), ("::1", 3)]
    assert server_names(hosts, ()) == ("a", "b:1", "b:2", "::1")
    assert server_names(hosts, ("w", "x", "y", "z")) == ("w", "x", "y", "z")


def test_servers_are_found_by_name_address_and_single_host():
    hosts = [("a", 3306), ("b", 3306), ("b", 3307), ("c", 3307)]
    names = ("one", "two", "three", "four")
    found = [find_server(text, hosts, names) for text in ("three", "a", "b", "b:3307", "c", "c:3307")]
    assert found == [2, 0, 1, 2, 3, 3]
    for text in ("c:3306", "d", "b:9"):
        with pytest.raises(ValueError, match="not among"):
            find_server(text, hosts, names)
    with pytest.raises(ValueError, match="several servers"):
        find_server("b", [("b", 1), ("b", 2)], ("x", "y"))


def test_whitespace_around_hosts(configured):
    configured.cluster('db-servers-hosts = "  db1 , db2:3307 ,\t[::1]:3306 "\n')
    servers = configured.load()[0].clusters[0].policy.servers
    assert [server.address for server in servers] == ["db1:3306", "db2:3307", "[::1]:3306"]
    assert servers[2].host == "::1"
