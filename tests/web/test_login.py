"""Login, tokens, and the limit on failed attempts."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import jwt
import pytest
from flask.testing import FlaskClient
from flask_jwt_extended import create_access_token

from repman.config.settings import Credential, ServiceSettings
from repman.web.acl import GRANTS, grants_of, users_of
from repman.web.app import create_app
from repman.web.throttle import LoginThrottle
from repman.web.tokens import signing_key
from repman.web.views.login import source_of

from . import shop
from .conftest import Installation

READ = "/api/clusters/shop/topology/servers"


def attempt(client: FlaskClient, user: str, password: str, source: str = "127.0.0.1") -> int:
    body = {"username": user, "password": password}
    return client.post("/api/login", json=body, environ_base={"REMOTE_ADDR": source}).status_code


@pytest.mark.parametrize(
    ("user", "password"), [("admin", "wrong"), ("nobody", "right-horse"), ("admin", ""), ("", ""), ("ädmin", "ü")]
)
def test_wrong_credentials(client: FlaskClient, user: str, password: str) -> None:
    answer = client.post("/api/login", json={"username": user, "password": password})
    assert (answer.status_code, answer.text) == (403, "Invalid credentials")


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", "[" * 60000, '{"username": "admin"}', '{"username": 1, "password": 2}']
)
def test_a_body_that_is_no_login(client: FlaskClient, body: str) -> None:
    answer = client.post("/api/login", data=body)
    assert (answer.status_code, answer.text) == (403, "Error in request")


def test_the_content_type_does_not_matter(client: FlaskClient) -> None:
    body = '{"username": "admin", "password": "right-horse"}'
    assert set(client.post("/api/login", data=body, content_type="text/plain").json) == {"token"}
    assert client.post("/api/login", data=body, headers={"Accept": "text/html"}).text.count(".") == 2


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "{}", "BEARER  {}"])
def test_a_token_opens_with_and_without_the_word_bearer(
    installation: Installation, client: FlaskClient, form: str
) -> None:
    header = form.format(installation.token())
    assert client.get(READ, headers={"Authorization": header}).status_code == 200


def test_the_password_is_not_in_the_token(installation: Installation) -> None:
    claims = jwt.decode(installation.token(), options={"verify_signature": False})
    assert claims["sub"] == "admin"
    assert shop.ADMIN.password not in str(claims)


def refusal(client: FlaskClient, token: str) -> tuple[int, str]:
    answer = client.get(READ, headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.text.removeprefix("Unauthorised access to this resource: ")


def test_tokens_that_do_not_open(installation: Installation, client: FlaskClient) -> None:
    good = installation.token()
    with installation.app.app_context():
        old = create_access_token("admin", expires_delta=timedelta(seconds=-1))
    forged = jwt.encode({"sub": "admin", "type": "access"}, "x" * 64, algorithm="HS256")
    unsigned = jwt.encode({"sub": "admin", "type": "access"}, "", algorithm="none")
    assert refusal(client, old) == (401, "Token is expired")
    assert refusal(client, "nonsense") == (401, "token contains an invalid number of segments")
    assert refusal(client, forged) == (401, "signature is invalid")
    assert refusal(client, unsigned)[0] == 401
    assert refusal(client, good[:-4] + "AAAA") == (401, "signature is invalid")
    assert refusal(client, "a.b.c") == (401, "Token is not valid")
    assert refusal(client, good + " and more") == (401, "no token present in request")
    assert refusal(client, "") == (401, "no token present in request")


def test_a_removed_user_and_a_changed_password_close_old_tokens(installation: Installation) -> None:
    token = installation.token()
    service = installation.settings.service
    for users in ((shop.GUEST,), (Credential("admin", "another"), shop.GUEST)):
        settings = replace(installation.settings, service=replace(service, api_users=users))
        app = create_app(settings)
        assert refusal(app.test_client(), token) == (401, "user or password has changed, log in again")


def test_a_token_outlives_a_restart(installation: Installation) -> None:
    token = installation.token()
    again = create_app(installation.settings).test_client()
    assert again.get(READ, headers={"Authorization": token}).status_code == 200


def test_who_keeps_failing_locks_out_himself_only(client: FlaskClient) -> None:
    stranger, home = "203.0.113.9", "198.51.100.7"
    assert [attempt(client, "admin", "guess", stranger) for _ in range(7)] == [403] * 5 + [429] * 2
    assert attempt(client, "admin", shop.ADMIN.password, stranger) == 429
    assert attempt(client, "admin", shop.ADMIN.password, home) == 200
    assert attempt(client, "guest", shop.GUEST.password, stranger) == 200


def test_a_locked_login_says_how_long_to_wait(client: FlaskClient) -> None:
    for _ in range(5):
        attempt(client, "admin", "guess")
    answer = client.post("/api/login", json={"username": "admin", "password": "guess"})
    assert answer.status_code == 429
    assert 170 <= int(answer.headers["Retry-After"]) <= 181


def test_a_success_forgets_the_failures_before_it(client: FlaskClient) -> None:
    for _ in range(3):
        assert [attempt(client, "admin", "guess") for _ in range(4)] == [403] * 4
        assert attempt(client, "admin", shop.ADMIN.password) == 200


def test_a_source_may_not_try_every_name(client: FlaskClient) -> None:
    codes = [attempt(client, f"user{number}", "guess") for number in range(32)]
    assert codes == [403] * 30 + [429] * 2


def test_the_counts_are_shared_between_processes_end_and_stay_small(tmp_path: Path) -> None:
    path = tmp_path / "run" / "logins.json"
    one, other = LoginThrottle(path, entries=10), LoginThrottle(path, entries=10)
    for _ in range(5):
        one.failed("admin", "a", 100.0)
    assert other.wait("admin", "a", 101.0) == pytest.approx(179.0)
    assert other.wait("admin", "a", 280.0) == 0.0
    for number in range(50):
        one.failed("u", f"s{number}", 110.0 + number)
    assert path.read_text().count("[") <= 10
    path.write_text("damaged")
    assert one.wait("admin", "a", 101.0) == 0.0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (None, "unknown"),
    ],
)
def test_what_counts_as_one_source(address: str | None, source: str) -> None:
    assert source_of(address) == source


def test_the_key_is_made_once_by_whoever_is_first(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: signing_key(tmp_path / "data"), range(64)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 32
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["jwt.key"]
    assert stat.S_IMODE((tmp_path / "data" / "jwt.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("allow", "discard", "some", "none"),
    [
        (("db",), (), "db-start", "cluster-failover"),
        (("prov-cluster",), (), "prov-cluster-unprovision", "prov-settings"),
        (("cluster",), ("cluster-failover",), "cluster-switchover", "cluster-failover"),
        (("cluster-failover",), (), "cluster-failover", "cluster-switchover"),
        (("cluster",), ("cluster",), "cluster-failover", "db-start"),
    ],
)
def test_grants_are_given_by_prefix_and_taken_by_name(
    allow: tuple[str, ...], discard: tuple[str, ...], some: str, none: str
) -> None:
    held = grants_of(allow, discard)
    assert some in held
    assert none not in held


def test_the_grants_are_those_of_the_reference() -> None:
    # 65 that replication-manager lists, cluster-delete, which it asks for and does not list, and six of ours for links.
    ours = [grant for grant in GRANTS if grant.startswith("cluster-link-")]
    assert len(ours) == 6
    assert len(GRANTS) == len(set(GRANTS)) == 66 + len(ours)
    assert grants_of(("",), ()) == grants_of((), ()) == frozenset()


def test_an_account_without_a_password_cannot_be_used(tmp_path: Path) -> None:
    service = ServiceSettings(tmp_path, tmp_path, api_users=(Credential("admin", ""), Credential("", "x")))
    assert users_of(service) == {}
