"""The served resource: who comes in, and what he is told, whatever he asks."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import requests
from bson import ObjectId, Timestamp
from requests.auth import HTTPDigestAuth
from resource_stand import CLUSTER, COPY, GROUP, OTHER_GROUP, Resource, served

from repman.checkpoints.catalogue import place_of_download
from repman.checkpoints.model import Checkpoint, Download, RestoreJob, RestoreRequest, RestoreStatus, Snapshot
from repman.checkpoints.resource.digest import Claim, password_equivalent, response
from repman.state.keys import Dialect

TOP = "/api/public/v1.0/groups"
PATH = f"{TOP}/{GROUP}/clusters/{CLUSTER}"
NOW = datetime(2026, 7, 31, 12, tzinfo=UTC)
CHECKPOINTS = [
    Checkpoint(
        ObjectId(f"55bc0658e4b097a3ef{minute:06x}"),
        GROUP,
        CLUSTER,
        NOW + timedelta(minutes=minute),
        NOW,
        Timestamp(5, 1),
    )
    for minute in range(25)
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Resource]:
    with served(tmp_path_factory.mktemp("resource")) as made:
        for each in CHECKPOINTS:
            made.catalogue.checkpoints.save(each)
        yield made


@pytest.fixture
def resource(filled: Resource) -> Resource:
    filled.session.cookies.clear()
    return filled


@pytest.fixture(scope="module")
def everything(filled: Resource) -> HTTPDigestAuth:
    """A key that may everything."""
    return filled.auth()


def error_of(answer: requests.Response) -> tuple[int, str]:
    document = answer.json()
    assert set(document) == {"detail", "error", "errorCode", "parameters", "reason"}
    assert document["error"] == answer.status_code
    assert document["detail"]
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.status_code, document["errorCode"]


def test_without_a_key_there_is_a_challenge(resource: Resource) -> None:
    answer = resource.ask("GET", f"{PATH}/checkpoints", None)
    assert error_of(answer) == (401, "USER_UNAUTHORIZED")
    assert answer.reason == "Unauthorized"
    assert answer.headers["Content-Type"] == "application/json;charset=ISO-8859-1"
    assert answer.headers["WWW-Authenticate"].startswith('Digest realm="MMS Public API", domain="", nonce="')
    assert answer.headers["WWW-Authenticate"].endswith('", algorithm=MD5, op="auth", stale=false')
    assert {"Date", "Content-Length", "Connection"} < set(answer.headers)
    assert answer.headers["Connection"] == "keep-alive"
    assert "Server" not in answer.headers


def test_with_a_key_there_are_the_headers_of_the_page(resource: Resource, everything: HTTPDigestAuth) -> None:
    answer = resource.ask("GET", f"{PATH}/checkpoints", everything)
    assert answer.status_code == 200
    shown = {name: answer.headers[name] for name in ("Vary", "Content-Type", "Strict-Transport-Security", "Connection")}
    assert shown == {
        "Vary": "Accept-Encoding",
        "Content-Type": "application/json",
        "Strict-Transport-Security": "max-age=300",
        "Connection": "keep-alive",
    }
    told = dict(part.split("=") for part in answer.headers["X-MongoDB-Service-Version"].split("; "))
    assert set(told) == {"gitHash", "versionString"}
    assert len(told["gitHash"]) == 40


def signed(resource: Resource, path: str, method: str = "GET", **changes: str) -> requests.Response:
    """Sent with a header of our own making."""
    key = resource.auth()
    nonce = changes.pop("nonce", "") or nonce_of(resource)
    asked = Claim(key.username, "MMS Public API", nonce, changes.pop("uri", path), "", **changes)
    ha1 = password_equivalent(key.username, key.password)
    given = f'username="{asked.user}", realm="{asked.realm}", nonce="{nonce}", uri="{asked.uri}"'
    if asked.qop:
        given += f', qop={asked.qop}, nc={asked.count}, cnonce="{asked.cnonce}"'
    header = f'Digest {given}, response="{response(ha1, asked, method)}"'
    return resource.ask(method, path, None, headers={"Authorization": header})


def nonce_of(resource: Resource) -> str:
    return resource.ask("GET", "/", None).headers["WWW-Authenticate"].split('nonce="')[1].split('"')[0]


def test_both_forms_of_digest_are_taken(resource: Resource) -> None:
    assert signed(resource, f"{PATH}/checkpoints?pretty=true").status_code == 200
    assert signed(resource, f"{PATH}/checkpoints", qop="auth", count="00000001", cnonce="x").status_code == 200


def test_a_signature_is_good_for_its_own_address_only(resource: Resource) -> None:
    assert signed(resource, f"{PATH}/checkpoints?pageNum=2", uri=f"{PATH}/checkpoints").status_code == 401


def test_a_nonce_grows_old_and_the_client_is_told_so(resource: Resource) -> None:
    nonce = nonce_of(resource)
    assert signed(resource, f"{PATH}/checkpoints", nonce=nonce).status_code == 200
    resource.clock.now += 301
    late = signed(resource, f"{PATH}/checkpoints", nonce=nonce)
    assert late.status_code == 401
    assert "stale=true" in late.headers["WWW-Authenticate"]
    forged = signed(resource, f"{PATH}/checkpoints", nonce="A" * 43)
    assert "stale=false" in forged.headers["WWW-Authenticate"]


def test_what_was_overheard_changes_nothing(resource: Resource) -> None:
    """What a request without body sends is all that a listener needs to send it again."""
    key = resource.auth()
    extra = replace(CHECKPOINTS[0], id=ObjectId())
    path = f"{PATH}/checkpoints/{extra.id}"
    resource.catalogue.checkpoints.save(extra)
    sent = resource.ask("DELETE", path, key)
    assert sent.status_code == 204
    again = {"Authorization": str(sent.request.headers["Authorization"])}
    resource.catalogue.checkpoints.save(extra)
    refused = resource.ask("DELETE", path, None, headers=again)
    assert refused.status_code == 401
    assert "stale=true" in refused.headers["WWW-Authenticate"]
    assert resource.catalogue.checkpoints.get(GROUP, CLUSTER, extra.id) is not None
    assert resource.ask("DELETE", path, key).status_code == 204, "its owner signs anew by himself"
    seen = resource.ask("GET", f"{PATH}/checkpoints", key)
    assert (
        resource.ask(
            "GET", f"{PATH}/checkpoints", None, headers={"Authorization": str(seen.request.headers["Authorization"])}
        ).status_code
        == 200
    ), "what changes nothing may be sent again"


def test_a_wrong_password_and_an_unknown_name_are_not_told_apart(resource: Resource) -> None:
    key = resource.auth()
    wrong = resource.ask("GET", f"{PATH}/checkpoints", HTTPDigestAuth(key.username, "wrong"))
    unknown = resource.ask("GET", f"{PATH}/checkpoints", HTTPDigestAuth("nobody", "wrong"))
    assert wrong.text == unknown.text
    assert wrong.status_code == unknown.status_code == 401


def test_a_revoked_key_opens_nothing_from_the_next_request_on(resource: Resource) -> None:
    key = resource.auth()
    assert resource.ask("GET", f"{PATH}/checkpoints", key).status_code == 200
    resource.keys.revoke(Dialect.CHECKPOINTS, key.username)
    assert resource.ask("GET", f"{PATH}/checkpoints", key).status_code == 401


def test_a_key_that_was_sealed_with_another_key_opens_nothing(resource: Resource) -> None:
    key = resource.auth()
    found = resource.keys.get(Dialect.CHECKPOINTS, key.username)
    assert found is not None
    resource.keys.add(replace(found, public="damaged", proof=found.proof[:-4] + "AAAA"))
    assert resource.ask("GET", f"{PATH}/checkpoints", HTTPDigestAuth("damaged", key.password)).status_code == 401


def test_a_key_opens_its_group_and_no_other(resource: Resource) -> None:
    key = resource.auth(scope=OTHER_GROUP)
    assert error_of(resource.ask("GET", f"{PATH}/checkpoints", key)) == (403, "USER_ACCESS_DENIED")
    there = f"{TOP}/{OTHER_GROUP}/clusters/{COPY}/checkpoints"
    assert resource.ask("GET", there, key).json() == {"links": [], "results": [], "totalCount": 0}
    nowhere = f"{TOP}/{'9' * 24}/clusters/{COPY}/checkpoints"
    assert resource.ask("GET", nowhere, key).status_code == 403, "whether there is such a group is not told"


@pytest.mark.parametrize(
    ("method", "rest", "role"),
    [
        ("POST", "/checkpoints", "write"),
        ("DELETE", f"/checkpoints/{CHECKPOINTS[0].id}", "write"),
        ("POST", "/snapshots", "write"),
        ("PATCH", f"/snapshots/{'1' * 24}", "write"),
        ("DELETE", f"/snapshots/{'1' * 24}", "write"),
        ("PATCH", "/snapshotSchedule", "write"),
        ("POST", "/restoreJobs", "restore"),
        ("DELETE", f"/restoreJobs/{'1' * 24}", "restore"),
    ],
)
def test_what_changes_something_needs_its_role(resource: Resource, method: str, rest: str, role: str) -> None:
    others = {"read", "write", "restore"} - {role}
    answer = resource.ask(method, PATH + rest, resource.auth(*others))
    assert error_of(answer) == (403, "USER_ACCESS_DENIED")
    assert f"--role {role}" in answer.json()["detail"]


def test_pages(resource: Resource, everything: HTTPDigestAuth) -> None:
    url: str = f"{resource.base}{PATH}/checkpoints?itemsPerPage=10"
    seen = []
    while url:
        answer = resource.session.get(url, auth=everything, timeout=10).json()
        assert answer["totalCount"] == 25
        seen += [each["id"] for each in answer["results"]]
        url = next((link["href"] for link in answer["links"] if link["rel"] == "next"), "")
    assert seen == [str(each.id) for each in reversed(CHECKPOINTS)]
    alone = resource.ask("GET", f"{PATH}/checkpoints?includeCount=false", everything).json()
    assert set(alone) == {"links", "results"}
    behind = resource.ask("GET", f"{PATH}/checkpoints?pageNum=2147483647&itemsPerPage=500", everything).json()
    assert behind["results"] == []


def test_envelopes(resource: Resource, everything: HTTPDigestAuth) -> None:
    one = resource.ask("GET", f"{PATH}/checkpoints/{CHECKPOINTS[3].id}?envelope=true", everything).json()
    assert (one["status"], one["content"]["id"]) == (200, str(CHECKPOINTS[3].id))
    many = resource.ask("GET", f"{PATH}/checkpoints?envelope=true", everything).json()
    assert (many["status"], many["totalCount"]) == (200, 25)
    lost = resource.ask("GET", f"{PATH}/checkpoints/{'0' * 24}?envelope=true", everything)
    assert (lost.status_code, lost.json()["status"]) == (404, 404)
    assert lost.json()["content"]["errorCode"] == "CHECKPOINT_NOT_FOUND"


BAD_IDS = [
    "x",
    "1" * 23,
    "1" * 25,
    "g" * 24,
    "%00" * 24,
    "..%2f..%2f",
    "'%20OR%201=1--",
    "é" * 24,
    "%ff" * 24,
    "1" * 5000,
]


@pytest.mark.parametrize("text", BAD_IDS)
def test_ids_that_are_none(resource: Resource, everything: HTTPDigestAuth, text: str) -> None:
    codes = []
    for path in (
        f"{TOP}/{text}/clusters/{CLUSTER}/checkpoints",
        f"{TOP}/{GROUP}/clusters/{text}/checkpoints",
        f"{PATH}/checkpoints/{text}",
        f"{PATH}/snapshots/{text}",
        f"{PATH}/restoreJobs/{text}",
    ):
        status, code = error_of(resource.ask("GET", path, everything))
        assert status in (400, 404)
        codes.append(code)
    kinds = ["GROUP", "CLUSTER", "CHECKPOINT", "SNAPSHOT", "RESTORE_JOB"]
    assert codes in ([f"INVALID_{kind}_ID" for kind in kinds], ["RESOURCE_NOT_FOUND"] * 5)


def test_what_is_not_there(resource: Resource, everything: HTTPDigestAuth) -> None:
    lost = "0" * 24
    for path, code in (
        (f"{TOP}/{lost}/clusters/{CLUSTER}/checkpoints", "GROUP_NOT_FOUND"),
        (f"{TOP}/{OTHER_GROUP}/clusters/{CLUSTER}/checkpoints", "CLUSTER_NOT_FOUND"),
        (f"{PATH}/checkpoints/{lost}", "CHECKPOINT_NOT_FOUND"),
        (f"{PATH}/snapshots/{lost}", "SNAPSHOT_NOT_FOUND"),
        (f"{PATH}/restoreJobs/{lost}", "RESTORE_JOB_NOT_FOUND"),
        (f"{PATH}/nothing", "RESOURCE_NOT_FOUND"),
        ("/", "RESOURCE_NOT_FOUND"),
    ):
        assert error_of(resource.ask("GET", path, everything)) == (404, code)


@pytest.mark.parametrize(
    ("rest", "allowed"),
    [
        ("/checkpoints", "GET, HEAD, POST"),
        (f"/checkpoints/{'1' * 24}", "DELETE, GET, HEAD"),
        ("/snapshots", "GET, HEAD, POST"),
        (f"/snapshots/{'1' * 24}", "DELETE, GET, HEAD, PATCH"),
        ("/snapshotSchedule", "GET, HEAD, PATCH"),
        ("/restoreJobs", "GET, HEAD, POST"),
        (f"/restoreJobs/{'1' * 24}", "DELETE, GET, HEAD"),
    ],
)
@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "PROPFIND"])
def test_methods_that_are_not_taken(
    resource: Resource, everything: HTTPDigestAuth, method: str, rest: str, allowed: str
) -> None:
    answer = resource.ask(method, PATH + rest, everything)
    assert error_of(answer) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["Allow"] == allowed


@pytest.mark.parametrize(
    "query", ["pretty=x", "envelope=", "pageNum=0", "itemsPerPage=501", "includeCount=1", "pageNum=%00"]
)
def test_query_parameters_that_cannot_be_used(resource: Resource, everything: HTTPDigestAuth, query: str) -> None:
    answer = resource.ask("GET", f"{PATH}/checkpoints?{query}", everything)
    assert error_of(answer) == (400, "INVALID_QUERY_PARAMETER")
    assert answer.json()["parameters"] == [query.partition("=")[0]]


def test_the_schedule_is_changed_and_kept(resource: Resource, everything: HTTPDigestAuth) -> None:
    change = {"clusterCheckpointIntervalMin": 30, "snapshotIntervalHours": 6}
    changed = resource.ask("PATCH", f"{PATH}/snapshotSchedule", everything, json=change).json()
    assert change.items() <= changed.items()
    assert resource.ask("GET", f"{PATH}/snapshotSchedule", everything).json() == changed
    refused = resource.ask("PATCH", f"{PATH}/snapshotSchedule", everything, json={"clusterCheckpointIntervalMin": 5})
    assert error_of(refused) == (400, "INVALID_ATTRIBUTE")
    assert refused.json()["parameters"] == ["clusterCheckpointIntervalMin"]
    assert resource.ask("GET", f"{PATH}/snapshotSchedule", everything).json() == changed


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "headers", "wanted"),
    [
        (b"{", JSON, (400, "INVALID_JSON")),
        (b"[]", JSON, (400, "INVALID_JSON")),
        (b"[" * 100_000, JSON, (400, "INVALID_JSON")),
        (b"{}", {"Content-Type": "text/plain"}, (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b"{}", {}, (415, "UNSUPPORTED_MEDIA_TYPE")),
        (b" " * (1 << 20) + b"{}", JSON, (413, "REQUEST_TOO_LARGE")),
        (b"{}", JSON | {"Origin": "https://evil.example"}, (403, "USER_ACCESS_DENIED")),
    ],
)
def test_bodies_that_cannot_be_used(
    resource: Resource, everything: HTTPDigestAuth, body: bytes, headers: dict[str, str], wanted: tuple[int, str]
) -> None:
    answer = resource.ask("PATCH", f"{PATH}/snapshotSchedule", everything, data=body, headers=headers)
    assert error_of(answer) == wanted


def test_snapshots_are_shown_and_changed(resource: Resource, everything: HTTPDigestAuth) -> None:
    taken = Snapshot(ObjectId(), GROUP, CLUSTER, Timestamp(1438384787, 1), complete=True, expires=NOW)
    resource.catalogue.snapshots.save(taken)
    place = f"{PATH}/snapshots/{taken.id}"
    changed = resource.ask("PATCH", place, everything, json={"doNotDelete": True, "expires": None}).json()
    assert (changed["doNotDelete"], changed["expires"]) == (True, None)
    assert resource.ask("GET", place, everything).json() == changed
    assert error_of(resource.ask("DELETE", place, everything)) == (409, "CONFLICT")


def posted(resource: Resource, everything: HTTPDigestAuth, body: dict[str, Any]) -> requests.Response:
    return resource.ask("POST", f"{PATH}/restoreJobs", everything, json=body)


def test_restores_that_cannot_be(resource: Resource, everything: HTTPDigestAuth) -> None:
    broken = replace(CHECKPOINTS[0], id=ObjectId(), reasons=("A slice is missing.",))
    resource.catalogue.checkpoints.save(broken)
    refused = posted(resource, everything, {"checkpointId": str(broken.id)})
    assert error_of(refused) == (409, "CHECKPOINT_NOT_RESTORABLE")
    assert "A slice is missing." in refused.json()["detail"]
    resource.catalogue.checkpoints.remove(GROUP, CLUSTER, broken.id)
    early = posted(resource, everything, {"oplogTs": 1, "oplogInc": 1})
    assert error_of(early) == (409, "NO_SNAPSHOT_BEFORE")
    half = Snapshot(ObjectId(), GROUP, CLUSTER, Timestamp(5, 1))
    resource.catalogue.snapshots.save(half)
    assert error_of(posted(resource, everything, {"snapshotId": str(half.id)})) == (409, "SNAPSHOT_NOT_COMPLETE")
    assert error_of(posted(resource, everything, {"snapshotId": "0" * 24})) == (404, "SNAPSHOT_NOT_FOUND")
    whole = replace(half, id=ObjectId(), complete=True)
    resource.catalogue.snapshots.save(whole)
    for target, wanted in (
        ({"targetClusterId": "0" * 24}, (404, "CLUSTER_NOT_FOUND")),
        ({"targetClusterName": "mongodb://evil.example"}, (404, "CLUSTER_NOT_FOUND")),
        ({"targetClusterName": "copy"}, (404, "CLUSTER_NOT_FOUND")),
        ({"targetClusterId": CLUSTER}, (409, "TARGET_NOT_EMPTY")),
        ({"targetClusterId": CLUSTER, "overwrite": True}, (409, "CONFLICT")),
    ):
        delivery = {"methodName": "AUTOMATED_RESTORE", **target}
        answer = posted(resource, everything, {"snapshotId": str(whole.id), "delivery": delivery})
        assert error_of(answer) == wanted, "a snapshot without parts goes nowhere"
    mine = resource.auth(scope=GROUP)
    delivery = {"methodName": "AUTOMATED_RESTORE", "targetGroupId": OTHER_GROUP, "targetClusterName": "copy"}
    answer = posted(resource, mine, {"snapshotId": str(whole.id), "delivery": delivery})
    assert error_of(answer) == (403, "USER_ACCESS_DENIED")
    assert resource.ask("GET", f"{PATH}/restoreJobs", everything).json()["totalCount"] == 0


@pytest.fixture
def delivered(resource: Resource) -> Iterator[tuple[RestoreJob, Path]]:
    """A restore that has ended, and the directory of its two files."""
    request = RestoreRequest(GROUP, CLUSTER, at=Timestamp(5, 0))
    now = datetime.fromtimestamp(resource.clock.now, UTC)
    job = RestoreJob(ObjectId(), request, now, RestoreStatus.FINISHED)
    place = place_of_download(resource.datadir, job.id)
    place.mkdir(parents=True)
    for name, content in (("shard_0.tar", b"first"), ("config.tar", b"second"), ("half.part", b"x")):
        (place / name).write_bytes(content)
    sums = (("shard_0.tar", sha256(b"first").hexdigest()), ("config.tar", sha256(b"second").hexdigest()))
    job = replace(job, hashes=sums)
    resource.catalogue.restores.save(job)
    resource.catalogue.save_download(Download(job.id, now + timedelta(hours=1), 2))
    yield job, place
    resource.catalogue.restores.remove(GROUP, CLUSTER, job.id)


def url_of(resource: Resource, key: HTTPDigestAuth, job: RestoreJob) -> str:
    shown = resource.ask("GET", f"{PATH}/restoreJobs/{job.id}", key).json()
    return str(shown["delivery"].get("url", "")).removeprefix(resource.base)


def test_a_download_needs_no_key_and_is_counted(
    resource: Resource, everything: HTTPDigestAuth, delivered: tuple[RestoreJob, Path]
) -> None:
    job, _ = delivered
    url = url_of(resource, everything, job)
    listing = resource.ask("GET", url, None).json()["results"]
    assert [each["fileName"] for each in listing] == ["shard_0.tar", "config.tar"]
    for each in listing:
        found = resource.session.get(each["url"], timeout=10)
        assert (each["fileName"], sha256(found.content).hexdigest()) in job.hashes
    part = resource.ask("GET", f"{url}/shard_0.tar", None, headers={"Range": "bytes=1-2"})
    assert (part.status_code, part.content) == (206, b"ir")
    spent = resource.ask("GET", f"{url}/shard_0.tar", None)
    assert error_of(spent) == (404, "RESOURCE_NOT_FOUND")
    assert resource.ask("GET", f"{url}/config.tar", None).content == b"second"
    shown = resource.ask("GET", f"{PATH}/restoreJobs/{job.id}", everything).json()
    assert shown["delivery"]["statusName"] == "MAX_DOWNLOADS_EXCEEDED"


def test_a_download_ends_with_its_time(
    resource: Resource, everything: HTTPDigestAuth, delivered: tuple[RestoreJob, Path]
) -> None:
    url = url_of(resource, everything, delivered[0])
    resource.clock.now += 3601
    assert resource.ask("GET", f"{url}/config.tar", None).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url[:-1],
        lambda url: url + "/half.part",
        lambda url: url + "/..%2f..%2fkeys.db",
        lambda url: url + "/%2e%2e",
        lambda url: url + "/config.tar%00",
        lambda url: url.replace("/restores/", "/restores/0"),
        lambda url: "/backup/restores/x/y",
    ],
)
def test_another_address_fetches_nothing(
    resource: Resource, everything: HTTPDigestAuth, delivered: tuple[RestoreJob, Path], change: Any
) -> None:
    url = url_of(resource, everything, delivered[0])
    assert url.startswith("/backup/restores/")
    assert error_of(resource.ask("GET", change(url), everything)) == (404, "RESOURCE_NOT_FOUND")


def test_who_may_not_restore_is_not_told_the_address(resource: Resource, delivered: tuple[RestoreJob, Path]) -> None:
    assert url_of(resource, resource.auth("read"), delivered[0]) == ""


def test_what_is_not_finished_is_not_given_away(
    resource: Resource, everything: HTTPDigestAuth, delivered: tuple[RestoreJob, Path]
) -> None:
    job, _ = delivered
    url = url_of(resource, everything, job)
    resource.catalogue.restores.save(replace(job, status=RestoreStatus.IN_PROGRESS))
    assert url_of(resource, everything, job) == ""
    assert resource.ask("GET", f"{url}/config.tar", None).status_code == 404


def test_a_restore_is_ended_on_request_once(
    resource: Resource, everything: HTTPDigestAuth, delivered: tuple[RestoreJob, Path]
) -> None:
    job, _ = delivered
    place = f"{PATH}/restoreJobs/{job.id}"
    assert error_of(resource.ask("DELETE", place, everything)) == (409, "CONFLICT")
    resource.catalogue.restores.save(replace(job, status=RestoreStatus.IN_PROGRESS))
    assert resource.ask("DELETE", place, everything).json()["statusName"] == "KILLED"


def test_a_checkpoint_is_forgotten(resource: Resource, everything: HTTPDigestAuth) -> None:
    extra = replace(CHECKPOINTS[0], id=ObjectId())
    resource.catalogue.checkpoints.save(extra)
    place = f"{PATH}/checkpoints/{extra.id}"
    assert resource.ask("DELETE", place, everything).status_code == 204
    assert resource.ask("DELETE", place, everything).status_code == 404


def test_head_and_packed_answers(resource: Resource, everything: HTTPDigestAuth) -> None:
    assert resource.ask("HEAD", f"{PATH}/checkpoints", everything).status_code == 200
    plain = resource.ask("GET", f"{PATH}/checkpoints", everything, headers={"Accept-Encoding": "identity"})
    packed = resource.ask("GET", f"{PATH}/checkpoints", everything, headers={"Accept-Encoding": "gzip"}, stream=True)
    assert packed.headers["Content-Encoding"] == "gzip"
    content = packed.raw.read()
    assert len(content) < len(plain.content)
    assert gzip.decompress(content) == plain.content


@pytest.mark.parametrize(
    "line",
    [
        b"GET //%2f.. HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/public/v1.0/groups HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /api HTTP/1.1\r\nHost: x\r\nAuthorization: Digest \xff\xfe\r\n\r\n",
        b"GET /api HTTP/1.1\r\n\r\n",
        b"GET http://other/api HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_odd_requests_are_answered(resource: Resource, line: bytes) -> None:
    host, port = resource.base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as raw:
        raw.sendall(line)
        answer = raw.recv(65536)
    assert answer.startswith(b"HTTP/1.1 4")


def test_a_store_that_is_gone_is_no_stack_trace(tmp_path: Path) -> None:
    with served(tmp_path) as own:
        key = own.auth()
        own.catalogue.close()
        (tmp_path / "checkpoints.db").write_bytes(b"nothing" * 1000)
        answer = own.ask("GET", f"{PATH}/checkpoints", key)
        assert error_of(answer) == (503, "UNEXPECTED_ERROR")
        assert str(tmp_path) not in json.dumps(answer.json())
