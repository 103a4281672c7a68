"""No secret shows anywhere: not in an answer, a log, the history, the audit trail, a token or a store."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from repman import cli
from repman.config import load
from repman.config.option import Kind
from repman.config.options import OPTIONS
from repman.config.secrets import make_key, read_key, seal
from repman.model.probe import probe_table
from repman.model.snapshot import Event
from repman.state.bus import monitor_server
from repman.state.snapshots import Publisher
from repman.web import passwords
from repman.web.app import create_app
from repman.web.routes import ROUTES

from . import shop
from .conftest import Monitor
from .test_routes import url

pytestmark = pytest.mark.slow

MARK = "tops3cret"
"""In every secret of these tests."""

_NAMES = (
    "api-credentials api-credentials-external db-servers-credential monitoring-write-heartbeat-credential "
    "onpremise-ssh-credential replication-credential shardproxy-credential haproxy-password maxscale-pass "
    "myproxy-password proxysql-password proxyjanitor-password vault-secret-id opensvc-p12-secret "
    "backup-restic-aws-access-secret backup-streaming-aws-access-secret backup-restic-password "
    "arbitration-external-secret alert-pushover-user-token alert-pushover-app-token git-acces-token "
    "mail-smtp-password cloud18-gitlab-password vault-token api-oauth-client-secret"
)
KNOWN_SECRETS = _NAMES.split()
"""The options that replication-manager masks."""


def written(name: str, kind: Kind, sealed: str) -> str:
    """A value for that option with secrets in it, one of them encrypted."""
    if kind is Kind.LIST:
        return f'["u-{name}:{MARK}-{name}", "v-{name}:{sealed}"]'
    if kind is Kind.CREDENTIAL:
        return f'"u:{MARK}-{name}"'
    if kind is Kind.URI:
        return f'"mongodb://u:{MARK}-{name}@host-of-{name}:27017/?tlsCertificateKeyFilePassword={MARK}-option"'
    return f'"{MARK}-{name}"'


@pytest.fixture(params=["", f"postgresql://repman:{MARK}-store@127.0.0.1:1/repman"], ids=["store", "no store"])
def config(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A configuration with something in every secret option, ours and replication-manager's."""
    key = tmp_path / "key"
    make_key(key)
    sealed = seal(f"{MARK}-sealed", read_key(key))
    kinds = {option.name: option.kind for option in OPTIONS if option.secret} | {
        name: Kind.TEXT for name in KNOWN_SECRETS if name not in {option.name for option in OPTIONS}
    }
    lines = [f"{name} = {written(name, kind, sealed)}" for name, kind in kinds.items() if name != "state-url"]
    path = tmp_path / "repman.toml"
    path.write_text(
        "[Default]\n"
        + f'state-url = "{request.param}"\n'
        + 'monitoring-datadir = "data"\nmonitoring-rundir = "run"\nmonitoring-key-path = "key"\n'
        + "\n".join(lines)
        + '\napi-credentials-acl-allow = ["u-api-credentials:global cluster proxy db prov"]\n'
        + '[shop]\ndb-servers-hosts = ["127.0.0.1:3301", "127.0.0.1:3302", "127.0.0.1:3303"]\n'
        + "[links.link]\n"
    )
    return path


@pytest.fixture
def caught() -> Iterator[list[str]]:
    """Everything that is logged, at every level."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(logging.Formatter().format(record))

    handler, root = Keep(logging.DEBUG), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield lines
    root.setLevel(before)
    root.removeHandler(handler)


def test_the_secrets_that_replication_manager_masks_are_secrets_here() -> None:
    assert [option.name for option in OPTIONS if option.name in KNOWN_SECRETS and not option.secret] == []
    assert len(KNOWN_SECRETS) == 25


def test_no_secret_is_shown(config: Path, caught: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    settings, warnings = load(config, (), {})
    assert MARK in str(settings.service.api_users[0].password), "the secrets are there"
    assert MARK in settings.links[0].source
    assert MARK in settings.links[0].token
    service = settings.service
    publisher = Publisher(service.rundir)
    publisher.publish(shop.snapshot(), probe_table(shop.snapshot(), "keep", 60.0))
    monitor = monitor_server(service.monitor_socket, Monitor())
    monitor.start()
    app = create_app(settings)
    house, client = app.extensions["repman"], app.test_client()
    house.history.append(Event(1.0, "INFO", "an event"), "shop")

    seen: dict[str, str] = {"warnings": "\n".join(warnings)}
    admin = {"username": "u-api-credentials", "password": f"{MARK}-api-credentials"}
    answer = client.post("/api/login", json=admin)
    if service.state_url:
        assert answer.status_code == 503
        seen["login"] = answer.text
        headers = {}
    else:
        assert answer.status_code == 200
        headers = {"Authorization": f"Bearer {answer.json['token']}"}
        made = {"username": "ann", "password": f"{MARK}-ann", "grants": "db"}
        for path, body in (
            ("/api/clusters/shop/users/add", made),
            (f"/api/clusters/shop/users/add?password={MARK}-query&value={MARK}-query", made),
            ("/api/clusters/shop/users/update", {**made, "password": f"{MARK}-update"}),
            ("/api/users/password", {"password": f"{MARK}-old", "newPassword": f"{MARK}-new"}),
        ):
            seen[path] = client.post(path, json=body, headers=headers).text
        seen["token"] = client.post("/api/login", json={**made, "password": f"{MARK}-update"}).json["token"]
        house.directory.revoke_all("ann")
    client.post("/api/login", json={**admin, "password": f"{MARK}-guess"})
    for route in ROUTES:
        if route.path == "/api/logout":
            continue
        for method in {"GET", "POST"} & set(route.methods):
            found = client.open(url(route), method=method, headers={**headers, "Accept-Encoding": "identity"})
            seen[f"{method} {route.path}"] = f"{found.headers}\n{found.text}"
            if headers and route.safe and method == "GET":
                assert found.status_code not in (401, 403), route.path
    house.history.close()
    house.audit.close()
    house.directory.store.close()
    monitor.close()

    for words in (["config", "show", "--origin"], ["config", "show", "--json"], ["config", "check"]):
        cli.main([*words, "--config", str(config)])
    seen["commands"] = "".join(capsys.readouterr())
    seen["log"] = "\n".join(caught)
    seen["repr"] = repr(settings) + repr(house)
    for path in [*service.datadir.rglob("*"), *service.rundir.rglob("*")]:
        if path.is_file():
            seen[str(path)] = path.read_bytes().decode("latin-1")
    mark = service.rundir / "configuration"
    if mark.exists():
        # A copy of the operator's own files, for nobody else: what is sealed there is sealed here.
        assert mark.stat().st_mode & 0o777 == 0o600
        assert f"{MARK}-sealed" not in seen.pop(str(mark))
    assert [where for where, text in seen.items() if MARK in text] == []
    assert not headers or "host-of-link-source:27017" in seen["GET /api/links"]
    assert "host-of-link-target:27017" in seen["commands"]
    assert len(seen) > 60


def test_a_setting_s_value_is_in_the_audit_trail_only_when_it_is_no_secret() -> None:
    from repman.web.trail import shown_path

    rule = "/api/clusters/<cluster>/settings/actions/set/<name>/<path:value>"

    def shown(name: str) -> str:
        return shown_path(rule, {"cluster": "shop", "name": name, "value": "v4lue"})

    assert shown("failover-limit").endswith("/failover-limit/v4lue")
    assert shown("maxdelay").endswith("/maxdelay/v4lue")
    for name in ("db-servers-credential", "user", "haproxy-password", "nonsense"):
        assert "v4lue" not in shown(name), name


def test_a_password_is_kept_as_a_hash() -> None:
    hashed = passwords.hashed(MARK)
    assert MARK not in hashed
    assert hashed.startswith("$argon2id$")
