"""Links in the configuration: sections, origins, relations, and what is shown of their addresses."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from repman.cli.config import app
from repman.config import read
from repman.config.live import Live
from repman.config.mongo_uri import hosts, without_secrets
from repman.config.secrets import make_key, read_key, seal

SOURCE = "mongodb://copier:pw-of-source@a1:27017,a2/?replicaSet=rs0"
TARGET = "mongodb+srv://copier:pw-of-target@b.example.net/?tlsCertificateKeyFilePassword=pw-of-key"


def link(configured, *lines, name="shop", default=""):
    """A main file with one link, whose section begins in line 2 (or later)."""
    text = "\n".join([f"[links.{name}]", f'link-source = "{SOURCE}"', f'link-target = "{TARGET}"', *lines])
    configured.write(f'[Default]\nmonitoring-datadir = "data"\n{default}{text}\n')


def test_links_need_no_cluster_and_have_the_ports_that_clients_expect(configured):
    link(configured)
    settings, _ = configured.load()
    assert settings.clusters == ()
    (shop,) = settings.links
    assert (shop.name, shop.source, shop.target) == ("shop", SOURCE, TARGET)
    assert (shop.dialect, shop.bind, shop.port, shop.enabled, shop.automatic) == (
        "percona",
        "127.0.0.1",
        2242,
        True,
        False,
    )
    assert (shop.source_hosts, shop.target_hosts) == ("a1:27017,a2", "b.example.net")
    assert settings.link("shop") is shop
    assert settings.link("other") is None
    link(configured, 'link-dialect = "mongosync"')
    assert configured.load()[0].links[0].port == 27182


def test_each_layer_wins_over_those_below(configured):
    def port(*flags, **environ):
        return configured.load(*flags, environ=environ)[0].links[0].port

    link(configured, default="link-port = 1\n")
    assert port() == 1
    assert port(REPMAN_LINK_PORT="2") == 2
    link(configured, "link-port = 3", default="link-port = 1\n")
    assert port() == 3
    assert port(REPMAN_LINKS_SHOP_LINK_PORT="4", REPMAN_LINK_PORT="2") == 4
    assert port("link-port=5", REPMAN_LINKS_SHOP_LINK_PORT="4") == 5
    assert port("links.shop.link-port=6", "link-port=5") == 6


def test_links_may_be_in_included_files_and_in_inline_tables(configured):
    configured.write('[links]\nfirst = {link-source = "mongodb://a", link-target = "mongodb://b"}\n', "inc/a.toml")
    configured.write('[links."second"]\nlink-source = "mongodb://c"\nlink-target = "mongodb://d"\n', "inc/b.toml")
    link(configured, "link-port = 1", default='include = "inc"\nlink-dialect = "mongosync"\n')
    configured.main.write_text(configured.main.read_text() + "[links.first]\nlink-port = 2\n")
    links = configured.load()[0].links
    assert sorted((each.name, each.port) for each in links) == [("first", 2), ("second", 27182), ("shop", 1)]


def test_where_each_value_comes_from(configured):
    link(configured, "link-port = 7", default='link-token = "x"\n')
    merged, findings = read(configured.main, ["links.shop.link-start=automatic"], {"REPMAN_LINK_BIND": "::1"})
    assert findings.mistakes == ()
    told = {name: str(setting.origin) for name, setting in merged.links["shop"].items()}
    assert told["link-port"] == f"{configured.main}:7"
    assert told["link-token"] == f"{configured.main}:3"
    assert told["link-start"] == "--set links.shop.link-start"
    assert told["link-bind"] == "environment variable REPMAN_LINK_BIND"
    assert told["link-dialect"] == "default"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('link-sorce = "x"', "link-sorce is no option; did you mean link-source?"),
        ('link-dialect = "plm"', "link-dialect: 'plm' is none of percona, mongosync"),
        ("link-port = 65536", "link-port: 65536 is out of range; allowed: 0..65535"),
        ('link-bind = "0.0.0.0"', "link shop: '0.0.0.0' can be reached from other machines; set link-token"),
        ('link-bind = "db.example.net"', "link shop: 'db.example.net' can be reached from other machines"),
        ('link-include-namespaces = "shop"', "link-include-namespaces has 'shop'; write database.* or"),
        ('link-exclude-namespaces = "*.x"', "link-exclude-namespaces has '*.x'; write database.* or"),
        ("link-reversible = true", 'link shop: link-reversible needs link-write-blocking = "both"'),
        ("http-port = 1", "http-port is one for the whole installation; move it from [links.shop] to [Default]"),
        ("haproxy = true", "haproxy is one of a cluster; move it from [links.shop] to a cluster's section"),
        ("[links.shop.deep]\nx = 1", "[links.shop.deep]: a section holds no tables"),
    ],
)
def test_wrong_lines_are_told_with_their_place(configured, line, told):
    link(configured, line)
    (mistake,) = configured.mistakes()
    assert told in mistake
    assert re.match(rf"{configured.main}:\d+: ", mistake)


def test_every_mistake_is_told_at_once(configured):
    configured.write(
        """[Default]
monitoring-datadir = "data"
[links.empty]
[links.same]
link-source = "mongodb://a,b"
link-target = "mongodb://u:p@B:27017"
link-port = "x"
[links.bad]
link-source = "mongodb://u:secret@word@host"
link-target = "host:27017"
[c1]
link-port = 5
"""
    )
    told = configured.mistakes()
    for part in (
        ":3: link empty has no source; set link-source",
        ":3: link empty has no target; set link-target",
        ":6: link same: link-source and link-target name the same host",
        ":7: link-port: 'x' is not a number",
        ":9: link-source: write mongodb://user:password@host1",
        ":10: link-target: write mongodb://user:password@host1",
        ":12: link-port is one of a link; move it from [c1] to a section such as [links.shop]",
    ):
        assert any(part in mistake for mistake in told), part
    assert "secret" not in "".join(told)


def test_two_links_or_a_link_and_a_process_of_repman_at_one_port(configured):
    other = '[links.other]\nlink-source = "mongodb://c"\nlink-target = "mongodb://d"\n'
    link(configured, other)
    (mistake,) = configured.mistakes()
    assert "link other and link shop both listen on port 2242; give the link another link-port" in mistake
    link(configured, other + "link-enabled = false")
    configured.load()
    link(configured, "link-port = 10001")
    assert "link shop and http-port both listen on port 10001" in configured.mistakes()[0]


@pytest.mark.parametrize("name", ['"a b"', '"a.b"', "-a", '"é"'])
def test_names_that_no_link_can_have(configured, name):
    link(configured, name=name)
    assert "a link's name consists of" in "\n".join(configured.mistakes())


def test_a_cluster_cannot_look_like_a_link(configured):
    configured.cluster(name='"links.shop"')
    assert "names that begin with 'links.' are those of links; rename the cluster" in "\n".join(configured.mistakes())
    configured.write('[links]\nlink-source = "mongodb://a"\n')
    told = "\n".join(configured.mistakes())
    assert "main.toml:2: [links] holds a section for each link, such as [links.shop]; move link-source there" in told


def test_a_flag_for_a_link_that_is_not_there(configured):
    link(configured)
    assert "there is no link other" in "\n".join(configured.mistakes("links.other.link-port=1"))


@pytest.mark.parametrize(
    ("uri", "shown", "names"),
    [
        ("mongodb://a", "mongodb://a", {"a:27017"}),
        ("mongodb://a:1,B:2/db?x=y@z", "mongodb://a:1,B:2", {"a:1", "b:2"}),
        ("mongodb://u:p%40@[::1]:5,[fe80::1]", "mongodb://[::1]:5,[fe80::1]", {"[::1]:5", "[fe80::1]:27017"}),
        ("mongodb://%2Ftmp%2Fmongodb-27017.sock", "mongodb://%2Ftmp%2Fmongodb-27017.sock", None),
        ("mongodb+srv://u:p@db.example.net/?a=b", "mongodb+srv://db.example.net", {"db.example.net"}),
    ],
)
def test_only_hosts_are_shown_of_an_address(uri, shown, names):
    assert without_secrets(uri) == shown
    assert names is None or hosts(uri) == names


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "a:27017",
        "mysql://a",
        "mongodb://",
        "mongodb://u:p/w@h",
        "mongodb://u:p@w@h",
        "mongodb://u:p?w@h",
        "mongodb://u:p#w@h",
        "mongodb://u:p:w@h",
        "mongodb://h/pw@x",
        "mongodb://a,,b",
        "mongodb://a b",
    ],
)
def test_what_might_show_a_password_is_no_address(uri):
    assert without_secrets(uri) is None
    assert hosts(uri) == frozenset()


@pytest.mark.parametrize("whole", [True, False])
def test_an_address_or_its_password_may_be_sealed(configured, whole):
    make_key(configured.directory / "key")
    key = read_key(configured.directory / "key")
    written = seal(SOURCE, key) if whole else SOURCE.replace("pw-of-source", seal("p@ss/w:rd", key))
    default = 'monitoring-key-path = "key"\n'
    link(configured, default=default)
    configured.main.write_text(configured.main.read_text().replace(SOURCE, written))
    source = configured.load()[0].links[0].source
    assert source == (SOURCE if whole else SOURCE.replace("pw-of-source", "p%40ss%2Fw%3Ard"))


def test_a_sealed_address_that_is_none_is_told_without_being_shown(configured):
    make_key(configured.directory / "key")
    sealed = seal("not-an-address-pw", read_key(configured.directory / "key"))
    link(configured, default='monitoring-key-path = "key"\n')
    configured.main.write_text(configured.main.read_text().replace(SOURCE, sealed))
    (mistake,) = configured.mistakes()
    assert "link-source: write mongodb://" in mistake
    assert "not-an-address" not in mistake


@pytest.mark.parametrize("arguments", [["show", "--origin"], ["show", "--json"], ["show", "--link", "shop"], ["check"]])
def test_the_command_shows_hosts_and_no_secret(configured, arguments):
    link(configured, 'link-token = "pw-of-api"')
    result = CliRunner().invoke(app, [arguments[0], "--config", str(configured.main), *arguments[1:]])
    assert result.exit_code == 0
    assert "pw-of" not in result.output
    assert ("mongodb://a1:27017,a2" in result.output) == (arguments[0] == "show")
    assert "links: 1, " in result.output or arguments[0] == "show"


def test_show_as_json_and_of_an_unknown_link(configured):
    link(configured)

    def show(*arguments):
        return CliRunner().invoke(app, ["show", "--config", str(configured.main), "--json", *arguments])

    document = json.loads(show().stdout)
    assert document["links"]["shop"]["link-target"] == "mongodb+srv://b.example.net"
    assert set(json.loads(show("--link", "shop").stdout)["links"]) == {"shop"}
    result = show("--link", "other")
    assert (result.exit_code, "there is no link other; configured: shop" in result.stderr) == (2, True)


def test_settings_never_show_an_account(configured):
    link(configured, 'link-token = "pw-of-api"')
    settings, _ = configured.load()
    assert "pw-of" not in repr(settings)
    assert "pw-of" not in repr(settings.merged)
    assert "pw-of" not in str(settings.links[0].options)


def test_a_reload_goes_on_with_other_links(configured):
    link(configured)
    live = Live(configured.load()[0])
    link(configured, "link-port = 9")
    assert live.reload().links[0].port == 9
    configured.cluster()
    assert live.reload().links == ()
