"""One trial: thirty kills at moments drawn by a seed, and what is left afterwards."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from backend.client import AkinClient
from backend.errors import AkinError
from backend.jobs.schemas import JobOut, ReconcileRequest
from tests.end_to_end.killing.agreement import count_images, differences
from tests.end_to_end.killing.installations import Installation
from tests.end_to_end.killing.traffic import Promises, Traffic
from tests.end_to_end.reconciled import found

MOMENTS = ("import",) * 10 + ("embed",) * 9 + ("delete",) * 6 + ("shutdown",) * 5
LOOK_SECONDS = 0.02
WAIT_SECONDS = 20.0  # for the moment to come; later the kill comes anyway
SPREAD_SECONDS = 0.6
TRIES = 5
AIMS = {
    "import": {"ingest"},
    "embed": {"embed"},
    "delete": {"delete", "embed"},
    "shutdown": {"ingest", "embed"},
}
SETTLE_SECONDS = 600.0
DELETED_AT_ONCE = 6


@dataclass
class Kill:
    """One of the thirty: what it was aimed at, what was at work in fact, and who died."""

    aimed: str
    at_work: str
    died: str


@dataclass
class Outcome:
    """What a trial showed."""

    kills: list[Kill] = field(default_factory=list)
    seconds: float = 0.0
    differences_before: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)
    """By reconciliation, before it mended anything."""
    mended: dict[str, int] = field(default_factory=dict)
    found_after: dict[str, int] = field(default_factory=dict)
    failed_jobs: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    images: int = 0
    once: int = 0
    encoded: int = 0
    answered: int = 0

    @property
    def repeated(self) -> int:
        """Encodings beyond one for each image there ever was."""
        return self.encoded - self.once

    def table(self) -> str:
        """The figures, for people."""
        aimed = Counter(kill.aimed for kill in self.kills)
        died = Counter(kill.died for kill in self.kills)
        at_work = Counter(kill.at_work for kill in self.kills)
        share = 100 * self.repeated / self.once if self.once else 0.0
        return "\n".join(
            [
                f"kills {len(self.kills)}: {_counted(aimed)}",
                f"at work at that moment: {_counted(at_work)}",
                f"died: {_counted(died)}",
                f"seconds {self.seconds:.0f}, searches answered {self.answered}",
                f"images {self.images} ({self.once} with the deleted), encoded {self.encoded}, "
                f"repeated {self.repeated} ({share:.1f} %)",
                f"left over: {self.differences_before or 'nothing'}; reconciliation found "
                f"{self.found or 'nothing'}, mended {self.mended or 'nothing'}",
            ]
        )


def run_trial(installation: Installation, seed: int) -> Outcome:
    """Thirty kills, then rest, then the accounts."""
    chance = random.Random(seed)
    moments = list(MOMENTS)
    chance.shuffle(moments)
    traffic, outcome, begun = Traffic(installation.url, seed), Outcome(), time.monotonic()
    with traffic.flowing():
        traffic.ask_for_imports(1)
        traffic.wait_for_imports()
        for moment in moments:
            outcome.kills.append(_kill(installation, traffic, moment, chance))
            installation.revive()
        traffic.wait_for_imports()
    outcome.seconds = time.monotonic() - begun
    _take_accounts(installation, traffic.promises, outcome)
    return outcome


def _kill(installation: Installation, traffic: Traffic, moment: str, chance: random.Random) -> Kill:
    """Make work of the kind that the kill is aimed at, and strike in the middle of it."""
    wanted = AIMS[moment]
    with AkinClient(installation.url) as client:
        for _ in range(TRIES):
            if moment == "delete":
                traffic.begin_deleting(DELETED_AT_ONCE)
            else:
                traffic.ask_for_imports(1)
            _wait_for(lambda: bool(wanted & _at_work(client, traffic)))
            time.sleep(chance.uniform(0, SPREAD_SECONDS))
            at_work = _at_work(client, traffic)
            if wanted & at_work:
                break  # else it was over before
    died = installation.kill(chance, shutting_down=moment == "shutdown")
    return Kill(moment, "+".join(sorted(at_work)) or "nothing", died)


def _at_work(client: AkinClient, traffic: Traffic) -> set[str]:
    try:
        kinds: set[str] = {job.kind for job in client.jobs(state="running").items}
    except AkinError:
        return set()
    return kinds | ({"delete"} if traffic.deleting else set())


def _wait_for(there: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not there() and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)


def _take_accounts(installation: Installation, promises: Promises, outcome: Outcome) -> None:
    """Look without mending, with reconciliation and without it; then mend, and look again."""
    outcome.answered, outcome.surprises = promises.answered, promises.surprises
    outcome.once = promises.encoded_at_least()
    with AkinClient(installation.url) as client:
        _settle(client)
        outcome.failed_jobs = [f"{job.kind}: {job.error}" for job in _jobs(client, "failed")]
        outcome.encoded = installation.encoded()
        outcome.found = _reconcile(client, mend=False)
    with installation.parts() as parts:
        outcome.images = count_images(parts)
        outcome.differences_before = differences(parts, promises)
    installation.revive()
    with AkinClient(installation.url) as client:
        outcome.mended = _reconcile(client, mend=True)
        _settle(client)
        outcome.found_after = _reconcile(client, mend=False)
    with installation.parts() as parts:
        outcome.differences = differences(parts, promises)


def _reconcile(client: AkinClient, *, mend: bool) -> dict[str, int]:
    """What a deep round finds, by kind."""
    job = client.reconcile(ReconcileRequest(mend=mend, deep=True))
    while not job.finished:
        time.sleep(0.1)
        job = client.job(job.id)
    assert job.state == "done", job.error
    return found(job.result)


def _settle(client: AkinClient) -> None:
    """Until nobody has anything left to do; an import that never got its files waits for ever."""
    until = time.monotonic() + SETTLE_SECONDS
    while unfinished := _unfinished(client):
        assert time.monotonic() < until, [(job.kind, job.state, job.error) for job in unfinished]
        time.sleep(0.2)


def _unfinished(client: AkinClient) -> list[JobOut]:
    return [job for state in ("queued", "running", "cancelling") for job in _jobs(client, state)]


def _jobs(client: AkinClient, state: str) -> Sequence[JobOut]:
    return client.jobs(state=state, limit=200).items


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
