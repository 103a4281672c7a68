import pytest

from repman.errors import StepFailed
from repman.proxies.haproxy_runtime import Row, RuntimeSocket, read_rows, read_sessions

ANSWER = """1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight and_more
2 service_write 1 db1 127.0.0.1 2 0 1 1 7 6 3 2 6 22 0 0 - 24101 - 0 0 - 127.0.0.1 24100
2 service_write 2 db2 127.0.0.1 0 0 1 1 2 8 2 0 6 23 0 0 - 24102 - 0 0 - 127.0.0.1 24100

1
3 service_read 1 db1 - 0 1 0 1 2 8 2 0 14 0 0 0 name.example 24102 - 0 0 - - 0

"""


def test_rows_of_several_backends() -> None:
    first, second, third = read_rows(ANSWER)
    assert first.key == ("service_write", "db1")
    assert first.path == "service_write/db1"
    assert (first.takes_sessions, first.agent, first.asking, first.check_failed) == (True, True, False, False)
    assert (second.takes_sessions, second.asking, second.check_failed) == (False, True, True)
    assert (third.agent, third.ours, third.by_hand) == (False, True, False)


@pytest.mark.parametrize("answer", ["Can't find backend.\n\n", "Permission denied\n", "Unknown command: x\n"])
def test_complaints_are_passed_on(answer: str) -> None:
    with pytest.raises(StepFailed, match=answer.split("\n")[0]):
        read_rows(answer)


def row(operational: int = 2, administrative: int = 0, weight: int = 1, status: int = 6, check: int = 6) -> Row:
    return Row("w", "a", operational, administrative, weight, 1, status, 3, check, 0)


@pytest.mark.parametrize(
    ("given", "takes", "ours", "by_hand"),
    [
        (row(), True, False, False),
        (row(operational=1), True, False, False),
        (row(operational=0), False, False, False),
        (row(operational=3), False, False, False),
        (row(operational=0, administrative=0x01), False, False, True),
        (row(operational=0, administrative=0x05), False, False, True),
        (row(administrative=0x08), False, False, True),
        (row(weight=0), False, False, True),
        (row(operational=0, administrative=0x01, weight=0), False, True, False),
        (row(operational=0, administrative=0x20), False, False, False),
    ],
)
def test_whose_maintenance(given: Row, takes: bool, ours: bool, by_hand: bool) -> None:
    assert (given.takes_sessions, given.ours, given.by_hand) == (takes, ours, by_hand)


def test_only_an_answer_above_tcp_can_tell_a_role() -> None:
    assert [row(status=status).probed for status in (6, 8, 15, 17)] == [False, False, True, True]
    assert not row(status=15, check=0).probed
    assert [row(status=status).lever for status in (6, 17)] == ["", "health"]
    assert [row(status=17, check=check).asking for check in (6, 7)] == [False, True]


def test_sessions() -> None:
    answer = "# pxname,svname,qcur,qmax,scur,smax\nw,a,0,0,3,9\nw,b,0,0,,\n\n"
    assert read_sessions(answer) == {("w", "a"): 3, ("w", "b"): 0}
    with pytest.raises(StepFailed, match="Permission denied"):
        read_sessions("Permission denied\n")


@pytest.mark.parametrize(
    ("address", "tcp"),
    [
        ("/run/haproxy.sock", None),
        ("/run/a:1", None),
        ("haproxy.sock", None),
        ("10.0.0.1:9999", ("10.0.0.1", 9999)),
        ("[::1]:9999", ("::1", 9999)),
    ],
)
def test_addresses(address: str, tcp: tuple[str, int] | None) -> None:
    assert RuntimeSocket(address)._tcp == tcp
