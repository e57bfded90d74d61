"""An S3 server of the tests' own, spoken to over HTTP as any other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import boto3
import pytest
from moto.server import ThreadedMotoServer

from backend.blobs import BlobStore

REGION = "us-east-1"


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """Where an S3 server answers, for the whole session."""
    with s3_server() as url:
        yield url


@contextmanager
def s3_server(port: int = 0) -> Iterator[str]:
    """An S3 server on loopback. What it holds lives in this process, so that it outlives it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def s3_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any will do: the server does not look at them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def bucket(s3_url: str, s3_credentials: None) -> str:
    """The URL of a folder in an empty bucket."""
    return new_bucket(s3_url)


@pytest.fixture
def s3_blobs(s3_url: str, bucket: str) -> BlobStore:
    """An empty blob store in a bucket."""
    return BlobStore(bucket, s3_url)


def new_bucket(s3_url: str) -> str:
    """The URL of a folder in a bucket just made."""
    name = f"akin-{uuid4().hex[:12]}"
    client = boto3.client("s3", endpoint_url=s3_url, region_name=REGION)
    client.create_bucket(Bucket=name)
    client.close()
    return f"s3://{name}/shop"
