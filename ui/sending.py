"""Sending dropped files to the server, with the rate and the time left."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.client import AkinClient
from ui.connection import client
from ui.text import amount, bytes_of, duration

_CLAIMS_AT_ONCE = 1000
_SENDERS = 4


@dataclass(frozen=True)
class Sent:
    """An import that was started, and what was sent for it."""

    job_id: str
    files: int
    size: int
    seconds: float


def send(files: Sequence[UploadedFile], request: ImportCreate) -> Sent:
    """Send what the server lacks and start the import."""
    bar = st.progress(0.0, "Looking at the files")
    hashed = [(hashlib.sha256(file.getbuffer()).hexdigest(), file) for file in files]
    job = client().open_import(request)
    wanted = [sha for batch in _claims(hashed) for sha in client().claim_files(job.id, batch)]
    by_hash = dict(hashed)
    missing = {sha: by_hash[sha] for sha in wanted}
    begun = time.monotonic()
    for done, size in _send_all(client(), job.id, missing):
        bar.progress(*_progress(missing, done, size, time.monotonic() - begun))
    client().start_import(job.id)
    total = sum(file.size for file in missing.values())
    return Sent(job.id, len(missing), total, time.monotonic() - begun)


def _claims(files: Sequence[tuple[str, UploadedFile]]) -> Iterator[list[FileClaim]]:
    for start in range(0, len(files), _CLAIMS_AT_ONCE):
        yield [
            FileClaim(name=file.name, sha256=sha, size=file.size)
            for sha, file in files[start : start + _CLAIMS_AT_ONCE]
        ]


def _send_all(
    api: AkinClient, job_id: str, missing: Mapping[str, UploadedFile]
) -> Iterator[tuple[int, int]]:
    """How many files and bytes are sent, after each file."""
    pool = ThreadPoolExecutor(_SENDERS, "sending")

    def send_one(sha: str, file: UploadedFile) -> int:
        api.send_file(job_id, sha, file.getvalue())
        return file.size

    try:
        size = 0
        sending = [pool.submit(send_one, sha, file) for sha, file in missing.items()]
        for done, sent in enumerate(as_completed(sending), start=1):
            size += sent.result()
            yield done, size
    finally:
        pool.shutdown(cancel_futures=True)


def _progress(
    missing: Mapping[str, UploadedFile], done: int, size: int, seconds: float
) -> tuple[float, str]:
    total = sum(file.size for file in missing.values())
    rate = size / seconds if seconds > 0 else 0.0
    words = f"Sending · {done:,} of {amount(len(missing), 'file')} · {bytes_of(rate)} a second"
    left = f" · about {duration((total - size) / rate)} left" if rate and size < total else ""
    return (size / total if total else 1.0), words + left
