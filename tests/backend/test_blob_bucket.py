"""Blobs in a bucket: what only a bucket does, and how its failures are told."""

from __future__ import annotations

import hashlib
import io
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest
from fastapi.testclient import TestClient
from safetensors.numpy import save

from backend import blob_bucket
from backend.app import create_app
from backend.blob_writing import ONE_REQUEST
from backend.blobs import BlobStore
from backend.diagnosis.examining import examine
from backend.diagnosis.finding import Finding
from backend.errors import InvalidInput, SetupError, Unavailable
from backend.registry.artefacts import Artefacts
from backend.runtime import Runtime, open_runtime
from backend.settings import Settings
from tests.buckets import REGION, new_bucket, s3_server
from tests.workers.workshop import photo

MEGABYTE = bytes(range(256)) * 4096


def parts(count: int) -> Iterator[bytes]:
    return (bytes([number]) + MEGABYTE[1:] for number in range(count))


def sha256_of(chunks: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    return digest.hexdigest()


def unfinished(s3_url: str, bucket: str) -> list[object]:
    client = boto3.client("s3", endpoint_url=s3_url, region_name=REGION)
    answer = client.list_multipart_uploads(Bucket=bucket.split("/")[2])
    client.close()
    return list(answer.get("Uploads", []))


def test_a_large_file_goes_in_parts_and_can_be_sought_in(s3_blobs: BlobStore) -> None:
    count = 2 * ONE_REQUEST // len(MEGABYTE) + 3
    sha256 = sha256_of(parts(count))
    s3_blobs.put_artefact(sha256, parts(count))
    with s3_blobs.open_artefact(sha256) as file:
        file.seek((count - 1) * len(MEGABYTE))
        assert file.read(1) == bytes([count - 1])
        file.seek(0)
        assert hashlib.sha256(file.read()).hexdigest() == sha256


@pytest.mark.parametrize("count", [1, 20])
def test_of_bytes_that_are_others_no_object_and_no_part_is_left(
    s3_blobs: BlobStore, s3_url: str, bucket: str, count: int
) -> None:
    wrong = "0" * 64
    with pytest.raises(InvalidInput, match="send the file again"):
        s3_blobs.stage(wrong, parts(count), 10**9)
    assert not s3_blobs.staged(wrong)
    assert unfinished(s3_url, bucket) == []


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.long
@pytest.mark.usefixtures("s3_credentials")
def test_a_bucket_that_goes_away_amid_an_upload_is_told_and_works_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(blob_bucket, "ATTEMPTS", 1)  # of which each call takes a second
    count, port = 40, free_port()
    server = s3_server(port)
    url = server.__enter__()
    blobs = BlobStore(new_bucket(url), url)
    kept = blobs.put(b"kept")
    sha256 = sha256_of(parts(count))

    def interrupted() -> Iterator[bytes]:
        for number, part in enumerate(parts(count)):
            if number == count // 2:
                server.__exit__(None, None, None)
            yield part

    with pytest.raises(Unavailable, match=r"The bucket akin-\w+ cannot be reached .*try again"):
        blobs.stage(sha256, interrupted(), 10**9)
    with pytest.raises(Unavailable, match="cannot be reached"):
        blobs.read(kept)

    with s3_server(port):
        assert not blobs.staged(sha256)
        assert blobs.read(kept) == b"kept"
        blobs.stage(sha256, parts(count), 10**9)
        assert blobs.staged(sha256)


@pytest.mark.usefixtures("s3_credentials")
def test_a_missing_bucket_is_told_at_start_and_is_not_made(s3_url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, blob_url="s3://nowhere/at-all", s3_endpoint_url=s3_url)
    with pytest.raises(SetupError, match="There is no bucket nowhere: make it, or correct AKIN_BL"):
        open_runtime(settings)
    blobs = BlobStore("s3://nowhere/at-all", s3_url)
    with pytest.raises(Unavailable, match="There is no bucket nowhere"):
        blobs.put(b"hello")
    with pytest.raises(Unavailable, match="There is no bucket nowhere"):
        blobs.read(hashlib.sha256(b"hello").hexdigest())
    with pytest.raises(Unavailable, match="There is no bucket nowhere"):
        list(blobs.files("originals"))


def test_a_bucket_that_refuses_is_told_at_start(
    s3_url: str, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    httpx.post(f"{s3_url}/moto-api/reset-auth", content=b"0")
    try:
        with pytest.raises(SetupError, match=r"refuses Akin's credentials .*AWS_ACCESS_KEY_ID"):
            BlobStore(bucket, s3_url).check()
        with pytest.raises(Unavailable, match="refuses Akin's credentials"):
            BlobStore(bucket, s3_url).put(b"hello")
    finally:
        httpx.post(f"{s3_url}/moto-api/reset-auth", content=b"inf")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(SetupError, match="refuses Akin's credentials"):
        BlobStore(bucket, s3_url).check()


@pytest.mark.usefixtures("s3_credentials")
def test_nobody_at_the_endpoint_is_told_at_start() -> None:
    with pytest.raises(SetupError, match=r"cannot be reached .*AKIN_S3_ENDPOINT_URL"):
        BlobStore("s3://bucket", f"http://127.0.0.1:{free_port()}").check()


def test_what_a_half_answer_was_meant_to_say_is_asked_again(
    s3_blobs: BlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    import aiohttp

    read = aiohttp.StreamReader.read
    failures = [aiohttp.ClientPayloadError("cut short")]

    async def once(self: aiohttp.StreamReader, n: int = -1) -> bytes:
        if failures and n == -1:
            raise failures.pop()
        return await read(self, n)

    sha256 = s3_blobs.put(b"hello")
    monkeypatch.setattr(aiohttp.StreamReader, "read", once)
    assert s3_blobs.read(sha256) == b"hello"
    assert not failures


def test_models_live_in_a_bucket(s3_blobs: BlobStore, tmp_path: Path) -> None:
    import numpy as np

    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps({"name": "one"}))
    (folder / "composer.safetensors").write_bytes(save({"w": np.ones(3_000_000, np.float32)}))
    sha256 = Artefacts(s3_blobs, tmp_path / "here").keep(folder)
    elsewhere = Artefacts(s3_blobs, tmp_path / "there").folder(sha256)
    for name in ("model.json", "composer.safetensors"):
        assert (elsewhere / name).read_bytes() == (folder / name).read_bytes()


def test_doctor_says_where_blobs_are(s3_url: str, bucket: str, tmp_path: Path) -> None:
    def told(part: str, **changed: str) -> Finding:
        urls = {"blob_url": bucket, "s3_endpoint_url": s3_url, **changed}
        found = examine(Settings(home=tmp_path, **urls))  # type: ignore[arg-type]
        return next(finding for finding in found if finding.part == part)

    server = {
        "broker_url": "redis://127.0.0.1:1",
        "database_url": "postgresql://127.0.0.1:1/akin",
        "gallery_url": "http://127.0.0.1:1",
    }
    assert f"blobs (at {bucket})" in told("data").sentence
    assert told("blobs", **server).sentence == f"{bucket} can be written and read."
    missing = told("blobs", **server, blob_url="s3://nowhere")
    assert not missing.good
    assert missing.sentence.startswith("There is no bucket nowhere")


def test_browsers_are_sent_to_the_bucket_where_that_is_set(
    runtime: Runtime, s3_blobs: BlobStore
) -> None:
    runtime.blobs = s3_blobs
    sha256 = s3_blobs.put(photo("red"))
    app = create_app(runtime)
    app.state.serving = None
    client = TestClient(app, base_url="http://127.0.0.1:8000", follow_redirects=False)
    path = f"/v1/pictures/{sha256}/thumbnail"
    through = client.get(path)
    assert through.status_code == 200
    s3_blobs.discard("thumbnails", f"{sha256}.webp")

    runtime.settings.picture_link_seconds = 60
    sent = client.get(path)
    assert sent.status_code == 307
    assert sent.headers["cache-control"] == "private, max-age=30"
    assert "X-Amz-Expires=60" in sent.headers["location"]
    shown = httpx.get(sent.headers["location"])
    assert shown.status_code == 200
    assert shown.content == through.content
    assert shown.headers["content-type"] == "image/webp"
    assert client.get(f"/v1/pictures/{'0' * 64}/thumbnail").status_code == 404


def test_reading_in_blocks_keeps_few_of_them(s3_blobs: BlobStore) -> None:
    sha256 = sha256_of(parts(20))
    s3_blobs.stage(sha256, parts(20), 10**9)
    with s3_blobs.open_staged(sha256) as file:
        reader = io.BufferedReader(file)  # type: ignore[type-var]
        assert reader.read(1) == b"\0"
        assert len(file.cache.cache) <= 2 * ONE_REQUEST  # type: ignore[attr-defined]
