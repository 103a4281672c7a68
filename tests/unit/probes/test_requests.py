import pytest

from repman.probes.answers import Check
from repman.probes.requests import BadRequest, Question, parse, question


@pytest.mark.parametrize("prefix", ["", "/api"])
@pytest.mark.parametrize(
    ("tail", "check"),
    [
        ("master-status", Check.MASTER),
        ("is-master", Check.MASTER),
        ("slave-status", Check.SLAVE),
        ("is-slave", Check.SLAVE),
    ],
)
def test_every_path(prefix: str, tail: str, check: Check) -> None:
    assert question(f"{prefix}/clusters/c1/servers/db1/{tail}") == Question("c1", "db1", check)
    assert question(f"{prefix}/clusters/c1/servers/h/3306/{tail}") == Question("c1", "h:3306", check)


@pytest.mark.parametrize(
    ("path", "cluster", "server"),
    [
        ("/clusters/my%20c/servers/d%2Fb/is-master", "my c", "d/b"),
        ("/clusters/c%C3%A9/servers/h%3A3306/is-master", "cé", "h:3306"),
        ("/clusters/c/servers/::1/3306/is-master", "c", "[::1]:3306"),
        ("/clusters/c/servers/[::1]/3306/is-master", "c", "[::1]:3306"),
        ("/clusters/c/servers/%5B::1%5D/3306/is-master", "c", "[::1]:3306"),
    ],
)
def test_parts_are_decoded(path: str, cluster: str, server: str) -> None:
    assert question(path) == Question(cluster, server, Check.MASTER)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/clusters/c/servers/db1",
        "/clusters/c/servers/db1/variables",
        "/clusters/c/servers/db1/is-master/",
        "/api/api/clusters/c/servers/db1/is-master",
        "/cluster/c/servers/db1/is-master",
        "clusters/c/servers/db1/is-master",
        "/clusters/c/server/db1/is-master",
        "/clusters/c/servers/a/b/c/is-master",
    ],
)
def test_other_paths_are_no_probes(path: str) -> None:
    assert question(path) is None


@pytest.mark.parametrize(
    ("head", "keep", "head_only", "old"),
    [
        (b"GET / HTTP/1.1\r\nHost: x", True, False, False),
        (b"HEAD / HTTP/1.1\r\nConnection: Close", False, True, False),
        (b"OPTIONS / HTTP/1.0", False, False, True),
        (b"GET / HTTP/1.0\r\nCONNECTION: TE, keep-alive", True, False, True),
    ],
)
def test_connection_and_method(head: bytes, keep: bool, head_only: bool, old: bool) -> None:
    request = parse(head)
    assert (request.keep, request.head_only, request.old) == (keep, head_only, old)


def test_query_and_absolute_form_are_understood() -> None:
    request = parse(b"GET http://h:1/clusters/c/servers/d/is-slave?a=/b HTTP/1.1")
    assert request.question == Question("c", "d", Check.SLAVE)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", 400),
        (b"GET /", 400),
        (b"GET / HTTP/2.0", 400),
        (b"GET  / HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r\nno colon", 400),
        (b"GET / HTTP/1.1\r\nHost : x", 400),
        (b"GET / HTTP/1.1\r\n folded: x", 400),
        (b"GET / HTTP/1.1\r\nContent-Length: 3", 400),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked", 400),
        (b"POST / HTTP/1.1", 405),
        (b"\xff\xfe\x00", 400),
    ],
)
def test_bad_requests(head: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(head)
    assert caught.value.status == status
