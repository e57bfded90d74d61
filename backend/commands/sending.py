"""Sending an import's files, and watching what becomes of them, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from rich.progress import Progress, TaskID

from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.catalogue.sources import Source, sha256_of
from backend.client import AkinClient
from backend.jobs.schemas import JobOut

CLAIMS = 1000
POLL_SECONDS = 0.3
SENDERS = 4
"""Files on their way at the same time: of small ones, most of the time is waiting for the disk."""
STAGES = {
    "checking": "Reading and checking",
    "importing": "Importing",
    "embedding": "Making searchable",
    "training": "Training",
    "evaluating": "Measuring",
}


def send(
    client: AkinClient, sources: Sequence[Source], request: ImportCreate, bars: Progress
) -> JobOut:
    """Open an import, send the files the server lacks, and start it."""
    job = client.open_import(request)
    reading = bars.add_task("Reading files", total=len(sources))
    missing: dict[str, Source] = {}
    for start in range(0, len(sources), CLAIMS):
        by_hash: dict[str, Source] = {}
        claims = []
        for source in sources[start : start + CLAIMS]:
            sha256 = sha256_of(source.path)
            by_hash[sha256] = source
            claims.append(FileClaim(name=source.name, sha256=sha256, size=source.size))
            bars.advance(reading)
        missing |= {sha256: by_hash[sha256] for sha256 in client.claim_files(job.id, claims)}
    if missing:
        _send_all(client, job.id, missing, bars)
    return client.start_import(job.id)


def watch(client: AkinClient, job_id: str, bars: Progress, label: str) -> JobOut:
    """Show a job's progress until it is finished, with a bar for each of its stages.

    label: until it has a stage.
    """
    bar = bars.add_task(label, total=None)
    stage: str | None = None
    loss = Loss(client)
    while True:
        job = client.job(job_id)
        if job.stage and job.stage != stage:
            if stage is not None:
                _complete(bars, bar)
                bar = bars.add_task(label, total=None)
            stage = job.stage
            bars.update(bar, description=STAGES.get(stage, stage.capitalize()))
        bars.update(bar, completed=job.done, total=job.total, rate=job.rate, left=job.seconds_left)
        if job.stage == "training":
            bars.update(bar, description=f"{STAGES['training']}{loss.of(job)}")
        if job.finished:
            return job
        time.sleep(POLL_SECONDS)


class Loss:
    """The newest loss of a training job, as it is shown beside its bar."""

    def __init__(self, client: AkinClient) -> None:
        self._client = client
        self._step, self._told = 0, ""

    def of(self, job: JobOut) -> str:
        """`, loss 2.31`; nothing before there is one."""
        found = self._client.curves(job.id, after=self._step, limit=2)
        self._step = found.last_step
        losses = [one.loss for one in found.points if one.loss is not None]
        if losses:
            self._told = f", loss {losses[-1]:.4g}"
        return self._told


def watch_embedding(client: AkinClient, bars: Progress) -> None:
    """Show how many images search can find, until it can find all, or no job works on it."""
    bar: TaskID | None = None
    while True:
        summary = client.summary()
        settled = summary.embedded + summary.unreadable
        if bar is None:  # what was there before is not counted into the rate
            bar = bars.add_task(STAGES["embedding"], total=summary.images, completed=settled)
        bars.update(bar, completed=settled, total=summary.images)
        if settled >= summary.images or not _embedding(client):
            return
        time.sleep(POLL_SECONDS)


def not_searchable(client: AkinClient) -> int:
    """How many images search cannot find, although they can be encoded."""
    summary = client.summary()
    return summary.images - summary.embedded - summary.unreadable


def _send_all(
    client: AkinClient, job_id: str, missing: Mapping[str, Source], bars: Progress
) -> None:
    total = sum(source.size for source in missing.values())
    bar = bars.add_task("Sending what is new", total=total, size=True)

    def send_one(sha256: str, path: Path) -> None:
        client.send_file(job_id, sha256, path, partial(bars.advance, bar))

    pool = ThreadPoolExecutor(SENDERS, "sending")
    try:
        for sent in [pool.submit(send_one, sha, one.path) for sha, one in missing.items()]:
            sent.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _complete(bars: Progress, bar: TaskID) -> None:
    task = next(one for one in bars.tasks if one.id == bar)
    count = task.total or task.completed
    bars.update(bar, completed=count, total=count, rate=None, left=None)


def _embedding(client: AkinClient) -> bool:
    states = ("queued", "running")
    return any(
        job.kind == "embed" for state in states for job in client.jobs(state=state, limit=50).items
    )
