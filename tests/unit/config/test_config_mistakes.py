from __future__ import annotations

import os
import re
from contextlib import contextmanager

import pytest

from repman.config import load
from repman.errors import ConfigError


def test_every_mistake_is_told_at_once_with_file_and_line(configured):
    configured.write(
        """[Default]
http-port = 10002
api-credentials = "admin"
failovr-mode = "manual"
[c1]
db-servers-hosts = "db1,db1:3306"
db-servers-credential = "u:p"
failover-limit = "many"
monitoring-ticker = 0
[c2]
db-servers-hosts = "db1"
db-servers-credential = "u:p"
replication-credential = 17
failover-drain-timeout = 500
"""
    )
    told = configured.mistakes()
    lines = [int(re.fullmatch(rf"{configured.main}:(\d+): .*", mistake)[1]) for mistake in told]
    assert lines == [2, 3, 4, 5, 6, 8, 9, 11, 13, 14]


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ('failovr-mode = "manual"', "failovr-mode is no option; did you mean failover-mode?"),
        ("Failover_Limit = 3", "did you mean failover-limit?"),
        ("xyzzy = 3", "xyzzy is no option; `repman config show` lists the options"),
        ('failover-limit = "many"', "failover-limit: 'many' is not a number"),
        ("failover-limit = true", "failover-limit: True is not a number"),
        ("failover-limit = 1.5", "failover-limit: 1.5 is not a whole number"),
        ("failover-limit = -1", "failover-limit: -1 is out of range; allowed: at least 0"),
        ("haproxy = 3", "haproxy: 3 is not true or false"),
        ('failover-mode = "sometimes"', "failover-mode: 'sometimes' is none of automatic, manual"),
        ("failover-mode = true", "failover-mode: True is none of automatic, manual"),
        ("db-servers-prefered-master = 3", "is neither a string with commas nor an array of strings"),
        ("db-servers-names = [1]", "is neither a string with commas nor an array of strings"),
        ("haproxy-api-write-backend = 3", "haproxy-api-write-backend: 3 is not a string"),
        ("monitoring-ticker = 0", "monitoring-ticker: 0 is out of range; allowed: 0.05..3600"),
        ("monitoring-ticker = -1", "monitoring-ticker: -1 is out of range"),
        ("monitoring-ticker = nan", "monitoring-ticker: nan is not a number"),
        ("monitoring-ticker = inf", "monitoring-ticker: inf is not a number"),
        ("monitoring-ticker = 2020-01-01", "is not a number"),
        ("haproxy-write-port = 65536", "haproxy-write-port: 65536 is out of range; allowed: 1..65535"),
        ('interactive = "perhaps"', "interactive: 'perhaps' is not true or false; better use failover-mode"),
        ("interactive = true\nfailover-mode = 'manual'", "failover-mode gives failover-mode a second time, after line"),
        ('include = "x"', "include is one for the whole installation"),
        ("http-port = 8000", "http-port is one for the whole installation; move it from [c1] to [Default]"),
        ("[c1.deep]\nx = 1", "[c1.deep]: a section holds no tables"),
        ('db-servers-prefered-master = "db9"', "db-servers-prefered-master: 'db9' is not among db-servers-hosts"),
        ('db-servers-prefered-master = "db1,db1:3306"', "db-servers-prefered-master names db1 twice"),
        ('db-servers-ignored-hosts = "db9"', "db-servers-ignored-hosts: 'db9' is not among"),
        ('db-servers-ignored-hosts = "db1,db2,db3"', "names every server, so none could ever be the writer"),
        ('db-servers-ignored-readonly = "db1:3307"', "'db1:3307' is not among db-servers-hosts"),
        (
            'db-servers-prefered-master = "db1"\ndb-servers-ignored-hosts = "db1"',
            "db1 is both preferred and ignored as a writer",
        ),
        ('db-servers-hosts = ""', "cluster c1 has no servers; set db-servers-hosts"),
        ('db-servers-hosts = " , ,"', "cluster c1 has no servers; set db-servers-hosts"),
        ('db-servers-hosts = "db1, DB1:3306"', "db-servers-hosts names db1:3306 twice"),
        ('db-servers-hosts = "db1:x"', "'db1:x' has no port between 1 and 65535"),
        ('db-servers-hosts = "db 1"', "'db 1' is no address"),
        ('db-servers-names = "a,b"', "db-servers-names has 2 names for 3 servers"),
        ('db-servers-names = "a,b,a"', "db-servers-names has 'a' twice"),
        ('db-servers-names = "a,b,c/d"', "'c/d' may hold letters"),
        ("failover-drain-timeout = 121", "failover-drain-timeout (121 s) is longer than failover-timeout (120 s)"),
        ("fence-timeout = 11", "fence-timeout (11 s) is longer than switchover-timeout (10 s)"),
        (
            'semi-sync-unacked-policy = "degrade"\nfailover-semisync-state = false',
            'semi-sync-unacked-policy = "degrade" needs semi-sync',
        ),
        ("probes-stale-max = 1", "probes-stale-max must be longer than two monitoring-tickers"),
        ('prov-orchestrator = "local"', 'prov-orchestrator = "local" needs sandbox-directory'),
        ('haproxy = true\nhaproxy-servers = ""', "haproxy = true and haproxy-servers is empty"),
        ('haproxy = true\nhaproxy-servers = "a,a"', "haproxy-servers names a host twice"),
        ("haproxy = true\nhaproxy-read-port = 3306", "haproxy-write-port and haproxy-read-port are the same"),
        ('haproxy = true\nhaproxy-api-write-backend = "w; shutdown sessions server w/a"', "is no name of a backend"),
        ('haproxy = true\nhaproxy-api-read-backend = ""', "'' is no name of a backend"),
        ('haproxy = true\nhaproxy-runtime-socket = "x.sock"', "'x.sock' is not an absolute path"),
        (
            'haproxy = true\nhaproxy-servers = "a,b"\nhaproxy-runtime-socket = "/x"',
            "haproxy-runtime-socket names 1 and haproxy-servers 2",
        ),
    ],
)
def test_wrong_lines(mistakes_of, lines, told):
    assert told in mistakes_of(lines)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("http-port = 10002", "http-port and probes-port are both 10002"),
        ('http-port = 10002\nhttp-bind-address = "0.0.0.0"', "http-port and probes-port are both 10002"),
        ('monitoring-rundir = "data"', "monitoring-datadir and monitoring-rundir are the same directory"),
        ('api-credentials = "admin:"', "the account admin has no password"),
        ('monitoring-key-path = "none"\napi-credentials = "admin:hash_00ff"', "/none; make one with `repman keygen`"),
        ('api-credentials = "a:x,a:y"', "the account a is given twice"),
        ('api-credentials-acl-allow = "admin"', "'admin' is not of the form user:grant"),
        ('log-level = "loud"', "log-level: 'loud' is none of ERROR, WARNING, INFO, DEBUG"),
        ('include = "missing"', "include: cannot list"),
        ('include = "a\\u0000b"', "include: cannot list"),
        ("include = 3", "include: 3 is not a string"),
    ],
)
def test_wrong_lines_of_the_installation(configured, lines, told):
    configured.cluster(default=lines + "\n")
    assert told in "\n".join(configured.mistakes())


def test_the_same_port_on_two_addresses_is_no_contradiction(configured):
    configured.cluster(default='probes-port = 10001\nprobes-bind-address = "10.0.0.1"\n')
    assert configured.load()[0].service.probes_port == 10001


@pytest.mark.parametrize("name", ["db-servers-credential", "replication-credential"])
@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "set {name} = "),
        ("tops3cret", "{name}: write user:password"),
        (":tops3cret", "{name}: write user:password"),
        ("root:hash_tops3cret", "there is no key at /etc/repman/.repman.key"),
        ("hash_tops3cret", "there is no key at /etc/repman/.repman.key"),
        ("path/to/tops3cret", "{name}: secrets from a vault are not supported yet"),
    ],
)
def test_wrong_accounts_are_told_without_the_secret(configured, name, written, told):
    configured.cluster()
    text = configured.main.read_text()
    configured.main.write_text(re.sub(f'{name} = ".*"', f'{name} = "{written}"', text))
    (mistake,) = configured.mistakes()
    assert told.format(name=name) in mistake
    assert "tops3cret" not in mistake


def test_a_secret_of_the_wrong_type_is_not_shown(configured):
    configured.cluster(default="state-url = 987654321\n")
    (mistake,) = configured.mistakes()
    assert "state-url: the value is not a string" in mistake
    assert "987654321" not in mistake


def test_a_server_in_two_clusters(configured):
    configured.cluster()
    text = '[c2]\ndb-servers-hosts = "x,DB2"\ndb-servers-credential = "u:p"\nreplication-credential = "u:p"\n'
    configured.main.write_text(configured.main.read_text() + text)
    (mistake,) = configured.mistakes()
    assert mistake.endswith("the server db2:3306 is in two clusters, c1 and c2; leave it in one")


def test_an_invalid_value_is_told_once_and_not_compared(configured):
    configured.cluster('db-servers-prefered-master = "db9"\ndb-servers-hosts = 3\nfailover-timeout = "x"\n')
    assert len(configured.mistakes()) == 2


def test_no_cluster(configured):
    configured.write('[Default]\nmonitoring-datadir = "data"\n')
    (mistake,) = configured.mistakes()
    assert "no cluster is configured; add a section" in mistake


def test_an_empty_file(configured):
    configured.write("")
    assert "no cluster is configured" in configured.mistakes()[0]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[c1\nx = 1\n", "main.toml:1: is not valid TOML"),
        ("[c1]\nx = \n", "main.toml:2: is not valid TOML: Invalid value"),
        ("[c1]\nx = 1\nx = 2\n", "main.toml:3: is not valid TOML: the same name is given twice"),
        ("[c1]\n[c1]\n", "is not valid TOML: Cannot declare"),
        ("x = " + "[" * 5000, "is "),
        ("x = " + "1" * 5000, "is not valid TOML: Exceeds the limit"),
    ],
)
def test_broken_toml(configured, text, told):
    configured.write(text)
    (mistake,) = configured.mistakes()
    assert told in mistake


def test_a_binary_file(configured):
    configured.main.write_bytes(b"\x7fELF\x00\xff\xfe")
    (mistake,) = configured.mistakes()
    assert "is not a text file in UTF-8" in mistake


def test_a_missing_file_and_a_directory(configured):
    (mistake,) = configured.mistakes()
    assert f"{configured.main}: cannot be read: No such file or directory" in mistake
    configured.main.mkdir()
    (mistake,) = configured.mistakes()
    assert "cannot be read: Is a directory" in mistake


@contextmanager
def ordinary_user():
    """Without root's right to read everything."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_an_unreadable_file(configured, monkeypatch):
    configured.cluster()
    configured.main.chmod(0)
    monkeypatch.setattr("repman.config.DEFAULT_PATHS", (configured.main,))
    with ordinary_user():
        (mistake,) = configured.mistakes()
        with pytest.raises(ConfigError, match=r"main\.toml: cannot be read: Permission denied"):
            load(None, (), {})
    assert "main.toml: cannot be read: Permission denied" in mistake


def test_a_data_directory_that_cannot_be_read(configured):
    configured.cluster(default=f'monitoring-datadir = "{"x" * 300}"\n')
    assert "cannot be read: File name too long" in "\n".join(configured.mistakes())


def test_a_broken_included_file_does_not_hide_other_mistakes(configured):
    configured.cluster("failover-limit = 'x'\n", default='include = "inc"\n')
    configured.write("[c1\n", "inc/a.toml")
    told = configured.mistakes()
    assert len(told) == 2
    assert "inc/a.toml:1: is not valid TOML" in told[0] + told[1]


def test_a_broken_saved_file_is_told(configured):
    configured.cluster()
    configured.write("[c1\n", "data/c1/c1.toml")
    (mistake,) = configured.mistakes()
    assert "c1.toml:1: is not valid TOML" in mistake


def test_options_before_the_first_section(configured):
    configured.cluster()
    configured.main.write_text("http-port = 3\n" + configured.main.read_text())
    (mistake,) = configured.mistakes()
    assert "main.toml:1: http-port stands before any section; put it under [Default]" in mistake


@pytest.mark.parametrize("name", ['"a b"', '"a/b"', '".."', '"é"'])
def test_names_that_no_cluster_can_have(configured, name):
    configured.cluster(name=name)
    assert "a cluster's name consists of letters" in "\n".join(configured.mistakes())


def test_line_numbers_survive_long_strings_and_comments(configured):
    configured.cluster(
        'db-servers-names = """\nfailover-limit = 3\na,b,c"""\n# it\'s """ not a string\nfailover-limit = "x"\n'
    )
    told = configured.mistakes()
    assert any(mistake.startswith(f"{configured.main}:11: failover-limit") for mistake in told), told


def test_line_numbers_of_dotted_names(configured):
    configured.cluster()
    configured.main.write_text("c2.failover-limit = 1\nc2.failover-mode = 3\n" + configured.main.read_text())
    assert any(mistake.startswith(f"{configured.main}:2: failover-mode") for mistake in configured.mistakes())
