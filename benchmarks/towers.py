"""Promoting fine-tuned towers on the demo, while people search: a text tower takes over without
re-embedding, an image tower once the gallery of its features holds all 1,500 pictures."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from backend.client import AkinClient
from backend.feedback.schemas import ReviewRequest, TripletFilter
from backend.registry.schemas import PromoteRequest, RollbackRequest, VersionOut
from backend.search.schemas import SearchRequest
from backend.training.schemas import TrainRequest, TripletData
from benchmarks.serving import served
from benchmarks.story_feedback import hold_out, written_down
from benchmarks.tables import RESULTS, Table, write
from benchmarks.waiting import finished, until, wait_for_the_demo

SHOPPERS = 2
BEFORE_SECONDS = 10.0
TRAINED = {
    "text": {"encoder": "text", "epochs": 2, "batch": 64, "lr": 2e-5, "evaluate_every": 1},
    "image": {"encoder": "image", "epochs": 1, "batch": 64, "lr": 2e-5, "evaluate_every": 1},
}


@dataclass
class Shoppers:
    """Threads that search without a pause: when each answer came, from which version, how long it
    took, and what failed."""

    url: str
    answers: list[tuple[float, str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def shop(self, number: int, skus: Sequence[str]) -> None:
        """Until they are told to stop."""
        words = ("but red", "with long sleeves", "in blue", "striped")
        with AkinClient(self.url, timeout=120) as client:
            turn = number
            while not self.stop.is_set():
                turn += 1
                begun = time.monotonic()
                try:
                    answer = client.search(
                        SearchRequest(
                            reference_sku=skus[turn % len(skus)], text=words[turn % len(words)]
                        )
                    )
                    self.answers.append((begun, answer.version, time.monotonic() - begun))
                except Exception as error:  # noqa: BLE001 - each one is counted and shown
                    self.failures.append(str(error))

    def between(self, begin: float, end: float) -> list[float]:
        """Milliseconds of the answers asked for in this time."""
        return [1000 * took for at, _, took in self.answers if begin <= at < end]


def main(quick: bool = False) -> None:
    """Measure, and write benchmarks/results/towers.md."""
    promoted: list[list[object]] = []
    latency: list[list[object]] = []
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "demo"
        with served(home, "--demo") as server, AkinClient(server.url, timeout=600) as client:
            wait_for_the_demo(client)
            hold_out(client)
            _accept_some(client)
            skus = [one.sku for one in client.products(limit=200).items]
            for tower in ("text", "image"):
                version, seconds = _trained(client, tower, quick)
                promoted.append(_promoted(client, server.url, skus, version, seconds, latency))
    _tell(promoted, latency, quick)


def _accept_some(client: AkinClient) -> None:
    """Triplets to train on: 400 of the truth."""
    rows = [
        {"reference": one.reference, "target": one.target, "captions": list(one.captions)}
        for one in written_down("train")[::13]
    ]
    client.import_triplets("train.jsonl", "\n".join(map(json.dumps, rows)).encode())
    wanted = TripletFilter(source="import", state="candidate")
    client.review_triplets(ReviewRequest(state="accepted", filter=wanted, limit=10_000))


def _trained(client: AkinClient, tower: str, quick: bool) -> tuple[VersionOut, float]:
    begun = time.monotonic()
    options = TRAINED[tower] | ({"epochs": 1} if quick else {})
    name = f"fine-tuned {tower} tower"
    job = client.train(
        TrainRequest(
            recipe="clip-finetune",
            parameters=options,
            data=TripletData(sources=["import"]),
            name=name,
        )
    )
    finished(client, job.id)
    return client.find_version(name), time.monotonic() - begun


def _promoted(
    client: AkinClient,
    url: str,
    skus: Sequence[str],
    version: VersionOut,
    seconds: float,
    latency: list[list[object]],
) -> list[object]:
    """Promote while people search, and roll back."""
    shoppers = Shoppers(url)
    jobs = client.jobs().total
    with ThreadPoolExecutor(SHOPPERS) as pool:
        for number in range(SHOPPERS):
            pool.submit(shoppers.shop, number, skus)
        try:
            begun = time.monotonic()
            time.sleep(BEFORE_SECONDS)
            asked = time.monotonic()
            done = client.promote(
                version.id, PromoteRequest(reason="to be measured", override=True)
            )
            answered = time.monotonic()
            until(lambda: client.model().version == version.name, 900)
            took_over = time.monotonic()
            time.sleep(BEFORE_SECONDS)
            ended = time.monotonic()
            client.rollback(RollbackRequest(reason="measured"))
            back = time.monotonic() - ended
        finally:
            shoppers.stop.set()
    embedded = client.jobs().total - jobs
    waits = done.state == "waiting"
    for what, start, end in (
        ("before", begun, asked),
        *((("while the gallery is filled", asked, took_over),) if waits else ()),
        ("after", took_over, ended),
    ):
        latency.append(_row(version.name, what, shoppers.between(start, end)))
    pictures = done.images if waits else 0
    rate = pictures / (took_over - answered) if waits else 0.0
    ways = version.figures["held_out"]["ways"]
    figures = " / ".join(f"{ways[way]['R@10'][0]:.1f}" for way in ("composed", "active"))
    return [
        version.name, seconds, figures, embedded, pictures, took_over - asked, rate or "",
        1000 * back, len(shoppers.answers), len(shoppers.failures),
    ]  # fmt: skip


def _row(name: str, what: str, ms: Sequence[float]) -> list[object]:
    found = np.percentile(ms, [50, 95, 99]) if ms else [float("nan")] * 3
    return [name, what, len(ms), *(float(one) for one in found)]


def _tell(promoted: list[list[object]], latency: list[list[object]], quick: bool) -> None:
    promotions = Table(
        ("version", "trained and measured in s", "R@10 / the sum", "jobs for it",
         "pictures embedded anew", "s to take over", "pictures/s", "rolled back in ms",
         "searches meanwhile", "of them failed"),
        promoted,
        f"Promoted while {SHOPPERS} shoppers search without a pause.",
    )  # fmt: skip
    speed = Table(
        ("version", "when", "searches", "median ms", "95 % ms", "99 % ms"),
        latency,
        "How long a composed search takes, over HTTP.",
    )
    folder = Path(tempfile.mkdtemp()) if quick else RESULTS
    write("towers", "Promoting fine-tuned towers", promotions, speed, folder=folder)
