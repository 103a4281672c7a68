"""The configuration of checkpoints: what it becomes, and every mistake at once with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from repman.config.checkpoints_file import CheckpointFile, parse_checkpoints, read_checkpoints
from repman.config.secrets import seal
from repman.errors import ConfigError
from repman.model.checkpoint import ManagedCluster

KEY = b"0123456789abcdef"
G, C = "5c8100bcf2a30b12ff88258f", "5db9c8b1ff7a25dfad1ea7d1"

GOOD = f"""
public-url = "https://backup.example.com/"

[groups]
{G} = "Production"

[clusters.orders]
group = "{G}"
id = "{C}"
uri = "mongodb://u:p@config1,config2/?replicaSet=config"
repository = "s3://backups/orders/"
s3-endpoint = "https://s3.example.com"
s3-region = "eu-1"
quota-gb = 5
[clusters.orders.parts]
shard_0 = "mongodb://other:q@shard0/"
"""


def no_key() -> bytes:
    raise AssertionError("no secret is encrypted here")


def parsed(text: str) -> CheckpointFile:
    return parse_checkpoints(text, "site.toml", lambda: KEY)


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parsed(text)
    assert "se/secret" not in str(caught.value)
    return list(caught.value.mistakes)


def test_everything_that_can_be_said() -> None:
    file = parse_checkpoints(GOOD, "site.toml", no_key)
    assert file.public_url == "https://backup.example.com"
    assert file.site.groups == {G: "Production"}
    assert file.site.cluster(G, "orders") == file.site.cluster(G, C)
    assert file.site.clusters == (
        ManagedCluster(
            G, C, "orders", "mongodb://u:p@config1,config2/?replicaSet=config", "s3://backups/orders",
            "https://s3.example.com", "eu-1", 5_000_000_000, {"shard_0": "mongodb://other:q@shard0/"},
        ),
    )  # fmt: skip
    assert "u:p@" not in repr(file)


def test_encrypted_secrets_are_opened() -> None:
    whole = seal("mongodb://u:whole@h1/", KEY)
    half = f"mongodb://u:{seal('p@ss', KEY)}@h2/"
    text = GOOD.replace("mongodb://u:p@config1,config2/?replicaSet=config", whole).replace(
        "mongodb://other:q@shard0/", half
    )
    cluster = parsed(text).site.clusters[0]
    assert (cluster.uri, cluster.parts["shard_0"]) == ("mongodb://u:whole@h1/", "mongodb://u:p%40ss@h2/")


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    found = mistakes(
        f"""
public-url = "backup.example.com"
unknown = 1
[groups]
{G} = ""
"5C" = "x"
[clusters.orders]
grop = "{G}"
group = "{"0" * 24}"
id = "x"
uri = "mongodb://u:se/secret@h"
repository = "relative"
quota-gb = -1
s3-endpoint = 5
parts = 5
[clusters.bare]
[clusters."a b"]
group = ""
"""
    )
    lines = [int(each.split(":")[1]) for each in found]
    assert lines == sorted(lines)
    told = "\n".join(found)
    for line, word in (
        (2, "public-url begins with"), (3, "no option unknown"), (5, "has no name"), (6, "'5C' is no id"),
        (8, "did you mean group?"), (9, "no group"), (10, "24 lower-case hex"), (11, "an @ is %40"),
        (12, "no absolute path"), (13, "quota-gb"), (14, "s3-endpoint is a text"), (15, "parts is a table"),
        (16, "[clusters.bare] has no uri"), (17, "a cluster's name"), (18, "group is empty"),
    ):  # fmt: skip
        assert any(each.startswith(f"site.toml:{line}: ") and word in each for each in found), (line, word, told)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "there is no cluster"),
        ("= 1", "not valid TOML"),
        ("a = " + "[" * 5000, "not valid TOML"),
        ("groups = 5", "write [groups]"),
        ("[clusters]\norders = 5", "such as [clusters.orders]"),
        (GOOD.replace("s3://backups", "s3:backups"), "s3://bucket/prefix"),
        (GOOD.replace("https://s3", "ftp://s3"), "the store's URL"),
        (GOOD.replace('uri = "mongodb://u:p', f'uri = "{seal("x", b"f" * 16)}" #'), "another key"),
        (GOOD + GOOD[GOOD.index("[clusters.orders]") :].replace("orders", "again"), "has the id of orders"),
    ],
)
def test_a_mistake(text: str, word: str) -> None:
    assert any(word in each for each in mistakes(text))


def test_two_clusters_at_one_host_are_one_too_many() -> None:
    again = GOOD[GOOD.index("[clusters.orders]") :].replace("orders", "again").replace(C, "f" * 24)
    found = mistakes(GOOD + again)
    assert len(found) == 1
    assert "a host in common with orders" in found[0]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_checkpoints(tmp_path / "nothing", no_key)
    (tmp_path / "latin").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="UTF-8"):
        read_checkpoints(tmp_path / "latin", no_key)
