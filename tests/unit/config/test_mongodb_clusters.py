"""Clusters of MongoDB in the configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from repman.config import load
from repman.config.settings import ClusterSettings
from repman.errors import ConfigError
from repman.model.nature import Nature


def read(tmp_path: Path, *lines: str) -> tuple[ClusterSettings, list[str]]:
    path = tmp_path / "repman.toml"
    written = {line.partition(" = ")[0]: line for line in ('cluster-type = "mongodb"', *lines)}
    if "db-servers-hosts" not in written:
        written["db-servers-hosts"] = 'db-servers-hosts = ["a:27017", "b:27018"]'
    path.write_text(
        f'[Default]\nmonitoring-datadir = "{tmp_path}/d"\nmonitoring-rundir = "{tmp_path}/r"\n'
        'api-credentials = "admin:x"\n[docs]\n' + "\n".join(written.values()) + "\n"
    )
    settings, findings = load(path, (), {})
    return settings.clusters[0], [str(each) for each in findings]


def test_members_need_no_replication_account(tmp_path: Path) -> None:
    cluster, warnings = read(tmp_path, 'db-servers-credential = "repman:secret"')
    assert cluster.policy.nature is Nature.ELECTING
    assert cluster.policy.addresses == ("a:27017", "b:27018")
    assert not cluster.policy.semi_sync
    assert (cluster.database.user, cluster.replication.user) == ("repman", "")
    assert not [text for text in warnings if "credential" in text or "semi" in text]


def test_a_set_without_accounts_is_warned_of(tmp_path: Path) -> None:
    cluster, warnings = read(tmp_path)
    assert cluster.database.user == ""
    assert [text for text in warnings if "without an account" in text]


def test_options_of_connections_are_read(tmp_path: Path) -> None:
    cluster, _ = read(
        tmp_path,
        'mongodb-uri-options = "authSource=ops&compressors=zlib"',
        'mongodb-replica-set = "docs0"',
        'cluster-group = "shop"',
    )
    assert cluster.mongodb is not None
    assert cluster.mongodb.group == "shop"
    assert {key.lower(): value for key, value in cluster.mongodb.options.items()}["authsource"] == "ops"
    assert cluster.policy.replica_set == "docs0"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('mongodb-uri-options = "directConnection=false"', "cannot be set"),
        ('mongodb-uri-options = "readPreference=primary"', "cannot be set"),
        ('mongodb-uri-options = "tls=perhaps"', "mongodb-uri-options"),
        ('db-servers-hosts = ["a"]', "27017"),
        ('cluster-type = "oracle"', "cluster-type"),
    ],
)
def test_mistakes(tmp_path: Path, line: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, line)
    assert any(told in mistake for mistake in caught.value.mistakes), caught.value.mistakes


def test_options_of_members_are_of_no_use_elsewhere(tmp_path: Path) -> None:
    cluster, warnings = read(
        tmp_path,
        'cluster-type = "mariadb"',
        'mongodb-replica-set = "docs0"',
        'db-servers-credential = "u:p1"',
        'replication-credential = "r:p2"',
    )
    assert cluster.mongodb is None
    assert cluster.policy.nature is Nature.STEERED
    assert [text for text in warnings if "mongodb-replica-set is not used" in text]
