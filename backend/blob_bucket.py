"""An S3 bucket as fsspec sees it, its failures told as ours.

Credentials are those that every AWS program reads: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY,
AWS_PROFILE, or the role of the machine.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError
from fsspec.asyn import sync_wrapper
from s3fs import S3FileSystem

from backend.errors import AkinError, SetupError, Unavailable

PART_BYTES = 8 * 2**20
"""What is in memory of a file that is written or read; S3 takes 10,000 parts, so 80 GB a file."""
ATTEMPTS = 3
_PAUSE = 0.3  # seconds
_KEY_MISSING = frozenset({"404", "NoSuchKey"})
_LEFT_ALONE = frozenset({"416", "InvalidRange", "412", "PreconditionFailed"})
_REFUSED = frozenset({"403", "401", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"})
_CUT_SHORT = (aiohttp.ClientError, asyncio.TimeoutError, BotoCoreError)
_FAILURES = (OSError, *_CUT_SHORT)


class Bucket(S3FileSystem):  # type: ignore[misc]
    """Every call raises `Unavailable` with one sentence where the bucket cannot be reached or
    refuses, and FileNotFoundError only where it is the object that is missing."""

    cachable = False  # another installation may have other credentials for the same URL

    def __init__(self, endpoint_url: str | None = None) -> None:
        """endpoint_url: of an S3 that is not Amazon's."""
        super().__init__(
            endpoint_url=endpoint_url,
            use_listings_cache=False,
            default_block_size=PART_BYTES,
            config_kwargs={
                "signature_version": "s3v4",  # of links too, where older ones are refused by now
                "connect_timeout": 5,
                "read_timeout": 30,
                "max_pool_connections": 32,
                "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
                # Others than Amazon know no trailing checksums; every blob is named by its SHA-256.
                "request_checksum_calculation": "when_required",
                "response_checksum_validation": "when_required",
            },
        )
        self.retries = 1  # botocore's own, above

    async def _call_s3(self, method: str, *options: Any, **asked: Any) -> Any:
        name = str(asked.get("Bucket", ""))
        try:
            if method == "get_object":
                return await self._whole(*options, **asked)
            return await super()._call_s3(method, *options, **asked)
        except _FAILURES as error:
            failure = _told(error, name)
            if failure is None:
                raise
            raise failure from error

    call_s3 = sync_wrapper(_call_s3)

    async def _whole(self, *options: Any, **asked: Any) -> Any:
        """An answer with its body read: a connection that breaks off in it is tried again too."""
        for attempt in range(1, ATTEMPTS + 1):
            answer = await super()._call_s3("get_object", *options, **asked)
            try:
                return {**answer, "Body": _Body(await answer["Body"].read())}
            except _CUT_SHORT:
                if attempt == ATTEMPTS:
                    raise
                await asyncio.sleep(_PAUSE * attempt)
        return None

    def check(self, root: str) -> None:
        """Raises `SetupError` for a bucket that is missing, refuses us, or cannot be reached."""
        bucket, _, _ = self.split_path(f"{root}/x")
        try:
            self.call_s3("head_bucket", Bucket=bucket)
        except FileNotFoundError as error:
            raise SetupError(_missing(bucket)) from error
        except AkinError as error:
            raise SetupError(error.sentence) from error


class _Body:
    def __init__(self, data: bytes) -> None:
        self._data = data

    async def read(self, size: int = -1) -> bytes:
        end = len(self._data) if size < 0 else size
        data, self._data = self._data[:end], self._data[end:]
        return data

    def close(self) -> None:
        """Nothing: it is read."""


def _told(error: Exception, bucket: str) -> Unavailable | None:
    """The failure to tell; None where it says something about one object."""
    cause = error if isinstance(error, ClientError) else error.__cause__
    code = cause.response["Error"].get("Code", "") if isinstance(cause, ClientError) else ""
    if code == "NoSuchBucket":
        return Unavailable(_missing(bucket))
    if code in _KEY_MISSING or code in _LEFT_ALONE:
        return None
    if code in _REFUSED or isinstance(error, NoCredentialsError | PermissionError):
        return Unavailable(
            f"The bucket {bucket} refuses Akin's credentials ({code or 'none were found'}): "
            "correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or what they may do there."
        )
    return Unavailable(
        f"The bucket {bucket} cannot be reached ({code or type(error).__name__}): check "
        "AKIN_BLOB_URL, AKIN_S3_ENDPOINT_URL and the network, then try again."
    )


def _missing(bucket: str) -> str:
    return f"There is no bucket {bucket}: make it, or correct AKIN_BLOB_URL."
