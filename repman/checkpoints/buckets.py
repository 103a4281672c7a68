"""A repository in a bucket of an S3-compatible store, by boto3: the extra `s3`.

A store shows an object when all of it was received, and not before.  Credentials are found as boto3 finds them: the
environment, `~/.aws`, or the machine's role; they are no part of our configuration.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from repman.checkpoints.repository import Stored
from repman.errors import RepositoryError

try:
    import boto3
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError
except ImportError as error:
    raise RepositoryError("To keep snapshots in S3 install boto3: pip install 'repman[s3]'") from error

_ERRORS = (Boto3Error, BotoCoreError, ClientError)
_CHUNK = 1 << 20
_IN_MEMORY = 32 << 20
"""Bytes of a file that are collected in memory before it is sent; more go to the disk."""


class Bucket:
    """The files below a prefix of a bucket; methods raise RepositoryError."""

    def __init__(self, bucket: str, prefix: str = "", endpoint: str = "", region: str = "") -> None:
        """`endpoint`: URL of the store; empty: Amazon's."""
        self._bucket = bucket
        self._prefix = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
        try:
            self._client: Any = boto3.client("s3", endpoint_url=endpoint or None, region_name=region or None)
        except (*_ERRORS, ValueError) as error:
            self._raise("use", "", error)

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        """Collect the file, then send it; large ones in parts, which become one when all are there."""
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            try:
                for chunk in chunks:
                    file.write(chunk)
                file.seek(0)
            except OSError as error:
                raise RepositoryError(f"{name} cannot be collected on the disk: {error.strerror}") from error
            try:
                self._client.upload_fileobj(file, self._bucket, self._prefix + name)
            except _ERRORS as error:
                self._raise("write", name, error)

    def read(self, name: str) -> Iterator[bytes]:
        """Its bytes, a MiB at once."""
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)["Body"]
            try:
                yield from body.iter_chunks(_CHUNK)
            finally:
                body.close()
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in ("NoSuchKey", "404"):
                raise RepositoryError(f"{name} is missing from the bucket {self._bucket}") from error
            self._raise("read", name, error)
        except _ERRORS as error:
            self._raise("read", name, error)

    def listed(self, below: str) -> dict[str, Stored]:
        """The objects; their mark is the ETag."""
        found = {}
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix + below
            )
            for page in pages:
                for each in page.get("Contents", ()):
                    found[each["Key"].removeprefix(self._prefix)] = Stored(each["Size"], each["ETag"])
        except _ERRORS as error:
            self._raise("list", below, error)
        return found

    def delete(self, name: str) -> None:
        """Delete the object; there need not be one."""
        try:
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)
        except _ERRORS as error:
            self._raise("delete", name, error)

    def _raise(self, verb: str, name: str, error: Exception) -> NoReturn:
        where = f"s3://{self._bucket}/{self._prefix}{name}"
        raise RepositoryError(
            f"Cannot {verb} {where}: {error}; check the bucket, its rights and the network"
        ) from error
