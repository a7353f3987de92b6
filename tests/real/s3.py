"""A store of objects as holdouts lie in: a real server of the S3 protocol that checks signatures and rights."""

from __future__ import annotations

import json
import os
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from real.process import DidNotStart, free_port, running

REGION = "eu-west-1"

_ALL_OF_S3 = {"Effect": "Allow", "Action": ["s3:*"], "Resource": "*"}


@dataclass(frozen=True, slots=True)
class Login:
    """A key pair of the store."""

    key: str
    secret: str

    @property
    def variables(self) -> dict[str, str]:
        """As every client of AWS reads them."""
        return {"AWS_ACCESS_KEY_ID": self.key, "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_DEFAULT_REGION": REGION}


@dataclass(frozen=True, slots=True)
class ObjectStore:
    """uri: of the server. reader may do everything with objects; stranger is known and may do nothing."""

    uri: str
    reader: Login
    stranger: Login

    def put(self, folder: Path, bucket: str) -> None:
        """Uploads every file of a folder into a new bucket, by its path below the folder."""
        client = _client("s3", self.uri, self.reader)
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        for file in (f for f in folder.rglob("*") if f.is_file()):
            client.upload_file(str(file), bucket, file.relative_to(folder).as_posix())


@contextmanager
def object_store(folder: Path) -> Iterator[ObjectStore]:
    """Such a server on 127.0.0.1. Everything before its last step is done unasked, nothing after."""
    for _ in range(3):
        port = free_port()
        uri = f"http://127.0.0.1:{port}"
        try:
            with running(
                [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
                ready=lambda uri=uri: _answers(uri),  # type: ignore[misc]
                log=folder / f"s3-{port}.log",
                env={k: v for k, v in os.environ.items() if not k.startswith("AWS_")},
                cwd=folder,
            ):
                reader, stranger = _login(uri, "reader", _ALL_OF_S3), _login(uri, "stranger", None)
                _post(f"{uri}/moto-api/reset-auth", b"0")
                yield ObjectStore(uri, reader, stranger)
                return
        except DidNotStart as reason:
            if "address already in use" not in str(reason).lower():
                raise
    raise DidNotStart("three ports in a row were taken by somebody else")


def _login(uri: str, name: str, may: Mapping[str, Any] | None) -> Login:
    iam = _client("iam", uri, Login("nobody", "yet"))
    iam.create_user(UserName=name)
    if may:
        document = json.dumps({"Version": "2012-10-17", "Statement": [may]})
        iam.put_user_policy(UserName=name, PolicyName="may", PolicyDocument=document)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return Login(made["AccessKeyId"], made["SecretAccessKey"])


def _client(service: str, uri: str, login: Login) -> Any:
    import boto3

    return boto3.client(
        service,
        endpoint_url=uri,
        region_name=REGION,
        aws_access_key_id=login.key,
        aws_secret_access_key=login.secret,
    )


def _post(uri: str, body: bytes) -> None:
    request = urllib.request.Request(uri, data=body, headers={"Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def _answers(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/moto-api/data.json", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
