"""Whether SQL, blobs and galleries agree: found out here, or by the server that holds them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from backend.client import AkinClient
from backend.data_folder import InUse, hold
from backend.errors import SetupError
from backend.jobs.schemas import JobOut, ReconcileRequest
from backend.logins import token_for
from backend.settings import Settings

if TYPE_CHECKING:
    from backend.runtime import Runtime

POLL_SECONDS = 0.3
UNTAKEN_SECONDS = 60.0
_NOT_KINDS = {"images", "points", "blobs", "lost"}

Step = Callable[[str, int, int | None], None]
"""Told the stage, and how many things of how many were compared."""


@dataclass(frozen=True)
class Agreement:
    """What a comparison counted and found, the findings as sentences."""

    counts: Mapping[str, int]
    sentences: tuple[str, ...]

    @property
    def lost(self) -> int:
        """Images whose bytes nothing here can bring back."""
        return self.counts.get("lost", 0)

    @property
    def found(self) -> int:
        """Things that can be mended, or were."""
        return sum(count for kind, count in self.counts.items() if kind not in _NOT_KINDS)


Reconcile = Callable[["Runtime", ReconcileRequest, bool, Step], Agreement]
"""Compares the parts of an open installation; the flag says that nobody else works on them."""


def compare(
    settings: Settings, url: str, request: ReconcileRequest, reconcile: Reconcile, step: Step
) -> Agreement | None:
    """Compare, and mend if asked to; None where there is nothing to compare yet.

    A server that holds the data folder, or that answers at `url` in the server profile, does it as
    a job; else it is done here.

    Raises:
        SetupError: if the folder is held and no server answers, or no worker takes the job.
        AkinError: as opening the parts or the job says.
    """
    if not settings.embedded:
        return _ask(url, request, step) or _here(settings, request, reconcile, step)
    if not settings.home.exists():
        return None
    try:
        with hold(settings.home):
            return _here(settings, request, reconcile, step)
    except InUse as error:
        agreement = _ask(url, request, step)
        if agreement is None:
            raise SetupError(
                f"{error.sentence.split(':')[0]}, and no server answers at {url}: name its address "
                "with --url."
            ) from error
        return agreement


def _here(
    settings: Settings, request: ReconcileRequest, reconcile: Reconcile, step: Step
) -> Agreement | None:
    from backend.migrating import is_behind  # these are slow: only when used
    from backend.runtime import open_runtime

    with closing(open_runtime(settings)) as runtime:
        if is_behind(runtime.database):
            return None
        return reconcile(runtime, request, settings.embedded, step)


def _ask(url: str, request: ReconcileRequest, step: Step) -> Agreement | None:
    """What a job of the server finds; None if no server answers."""
    with AkinClient(url, token=token_for(url)) as client:
        if not client.ready():
            return None
        job = client.reconcile(request)
        deadline = time.monotonic() + UNTAKEN_SECONDS
        while not job.finished:
            step(job.stage or "waiting", job.done, job.total)
            if job.state == "queued" and time.monotonic() > deadline:
                client.cancel_job(job.id)
                raise SetupError(
                    f"No worker took the job within {UNTAKEN_SECONDS:.0f} seconds: see that one "
                    "runs for the queue io."
                )
            time.sleep(POLL_SECONDS)
            job = client.job(job.id)
        return _reported(client, job)


def _reported(client: AkinClient, job: JobOut) -> Agreement:
    if job.state != "done":
        raise SetupError(job.error or f"Job {job.id} was {job.state}: start it again.")
    counts = {kind: count for kind, count in job.result.items() if isinstance(count, int)}
    lines = client.job_items(job.id).items
    return Agreement(counts, tuple(line.reason or line.name for line in lines))
