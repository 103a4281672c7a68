"""Snapshots and oplogs in an S3-compatible store: moto's, over HTTP."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
import requests
from bson import ObjectId
from checkpoint_stand import CLUSTER, GROUP, state
from mongo_stand import ReplicaSet, free_port, wait_until

from repman.checkpoints.buckets import Bucket
from repman.checkpoints.catalogue import Catalogue
from repman.checkpoints.engine import Engine
from repman.checkpoints.model import RestoreJob, RestoreRequest
from repman.checkpoints.parts import Access
from repman.checkpoints.repository import store
from repman.errors import RepositoryError


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in {"ACCESS_KEY_ID": "k", "SECRET_ACCESS_KEY": "s", "DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    url = f"http://127.0.0.1:{(port := free_port())}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def answers() -> bool:
        try:
            return requests.get(f"{url}/moto-api/", timeout=2).ok
        except requests.ConnectionError:
            return False

    try:
        wait_until(answers, 40, "the store to answer")
        client = boto3.client("s3", endpoint_url=url)
        client.create_bucket(Bucket="kept")
        client.close()
        yield url
    finally:
        server.terminate()
        server.wait(10)


def test_a_checkpoint_in_a_bucket(source: ReplicaSet, target: ReplicaSet, tmp_path: Path, endpoint: str) -> None:
    catalogue = Catalogue.below(tmp_path)
    bucket = Bucket("kept", "some/where", endpoint)
    engine = Engine(GROUP, CLUSTER, Access(source.uri), bucket, catalogue, tmp_path)
    source.client.shop.orders.insert_many([{"_id": number, "pad": "x" * 1000} for number in range(3000)])
    engine.checkpoint()
    source.client.shop.orders.delete_many({"_id": {"$lt": 100}})
    made = engine.checkpoint()
    assert made.restorable, made.reasons
    request = RestoreRequest(GROUP, CLUSTER, checkpoint=made.id, targets=(("rs0", target.uri),))
    engine.restore(RestoreJob(ObjectId(), request, made.started))
    assert state(target) == state(source)
    (slice_,) = [name for name in bucket.listed(f"{GROUP}/{CLUSTER}/slices/") if name.endswith("00000001.bson.zst")]
    bucket.delete(slice_)
    (told,) = engine.review()
    assert Path(slice_).name in told
    catalogue.close()


def test_a_file_is_there_whole_or_not_at_all(endpoint: str) -> None:
    bucket = Bucket("kept", endpoint=endpoint)

    def breaks() -> Iterator[bytes]:
        yield b"some"
        raise ValueError("broken off")

    with pytest.raises(ValueError, match="broken off"):
        store(bucket, "half", breaks(), len)
    assert bucket.listed("") == {}
    bucket.put("a/b", [b"one", b"two"])
    assert b"".join(bucket.read("a/b")) == b"onetwo"
    assert [(name, each.size) for name, each in bucket.listed("a/").items()] == [("a/b", 6)]
    with pytest.raises(RepositoryError, match="missing from the bucket kept"):
        b"".join(bucket.read("a/c"))
    with pytest.raises(RepositoryError, match="Cannot list s3://other"):
        Bucket("other", endpoint=endpoint).listed("")
