"""Waiting for a server: for its demo, for a job, or for anything else."""

from __future__ import annotations

import time
from typing import Any

from backend.client import AkinClient


def wait_for_the_demo(client: AkinClient) -> None:
    """Drawn and embedded by `akin up --demo`."""
    until(lambda: _is_filled(client), 900)


def _is_filled(client: AkinClient) -> bool:
    found = client.summary()
    at_work = [job for job in client.jobs().items if not job.finished]
    return found.images > 0 and found.images == found.embedded and not at_work


def finished(client: AkinClient, job_id: str) -> None:
    """Wait for a job; raises RuntimeError unless it is done in the end."""
    until(lambda: client.job(job_id).finished, 1200)
    job = client.job(job_id)
    if job.state != "done":
        raise RuntimeError(f"the {job.kind} job is {job.state}: {job.error}")


def until(condition: Any, seconds: float) -> None:
    """Wait for something; raises RuntimeError if it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError("it did not come in time")
        time.sleep(0.1)
