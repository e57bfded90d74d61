"""The story of a model on the demo, through a real server: feedback comes in, is scored and
reviewed, a Combiner is trained on it, measured, promoted, asked, and rolled back.

Once with 200 triplets of feedback and once with 2,000, a share of them wrong; each reviewed, and
beside it as they came. The plain sum is what answers at the start.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backend.client import AkinClient, ApiError
from backend.feedback.schemas import FeedbackCreate, ReviewRequest, TripletFilter
from backend.registry.schemas import PromoteRequest, RollbackRequest, VersionOut
from backend.search.schemas import SearchRequest
from backend.training.schemas import TrainRequest, TripletData
from benchmarks.feedback_score import area
from benchmarks.serving import served
from benchmarks.story_tables import (
    ASKED,
    SURELY_RIGHT,
    SURELY_WRONG,
    Book,
    Chapter,
    tell,
)
from benchmarks.wrong_triplets import Planted, planted
from workers.datasets.triplets import Triplet
from workers.datasets.wardrobe.dataset import SPLITS
from workers.datasets.wardrobe.families import each_family, triplets

SEED = 7  # of the demo
FAMILIES = {"train": 174, "val": 38, "test": 38}
COUNTS, QUICK_COUNTS = (200, 2_000), (40,)
WRONG_SHARE = 0.15


def main(quick: bool = False) -> None:
    """Tell it, and write benchmarks/results/story.md."""
    book = Book()
    with tempfile.TemporaryDirectory() as place:
        first = Path(place) / "demo"
        with served(first, "--demo") as server, AkinClient(server.url, timeout=600) as client:
            wait_for_the_demo(client)
            hold_out(client)
        for count in QUICK_COUNTS if quick else COUNTS:
            home = Path(place) / f"with-{count}"
            shutil.copytree(first, home)
            with served(home, "--demo") as server, AkinClient(server.url, timeout=600) as client:
                _tell(client, count, book)
            shutil.rmtree(home)
    tell(book, quick)


def wait_for_the_demo(client: AkinClient) -> None:
    """Drawn and embedded by `akin up --demo`."""
    until(lambda: _is_filled(client), 900)


def _is_filled(client: AkinClient) -> bool:
    found = client.summary()
    at_work = [job for job in client.jobs().items if not job.finished]
    return found.images > 0 and found.images == found.embedded and not at_work


def written_down(split: str) -> list[Triplet]:
    """From each garment of a family to each other, in one sentence."""
    role = SPLITS[split]
    found = triplets(list(each_family(role, FAMILIES[split], SEED)), role, SEED, all_pairs=True)
    return [
        Triplet(str(number), one.reference.sku, (one.caption,), one.target.sku)
        for number, one in enumerate(found)
    ]


def hold_out(client: AkinClient) -> None:
    """What a manager who knows the catalogue wrote down: held-out triplets, and those that choose
    the weights."""
    for split in ("val", "test"):
        rows = [
            {"reference": one.reference, "target": one.target, "captions": list(one.captions)}
            for one in written_down(split)
        ]
        data = "\n".join(json.dumps(row) for row in rows).encode()
        client.import_triplets(f"{split}.jsonl", data)
    while client.review_triplets(
        ReviewRequest(state="accepted", filter=TripletFilter(source="import"), limit=10_000)
    ).left:
        pass


def _tell(client: AkinClient, count: int, book: Book) -> None:
    images = _images(client)
    truth = written_down("train")
    said = planted(truth, sorted({str(one.target) for one in truth}), "story", count, WRONG_SHARE)
    ids = _shop(client, said, images)
    _score(client, count, said, ids, book)
    queries = [_request(one) for one in written_down("test")[:: max(1, 1140 // ASKED)]]
    targets = [images[str(one.target)] for one in written_down("test")[:: max(1, 1140 // ASKED)]]
    _review(client, said, ids)
    book.chapters.append(_chapter(client, count, True, said, ids, queries, targets))
    every = [one for one in ids if one]
    for start in range(0, len(every), 1000):
        client.review_triplets(ReviewRequest(state="accepted", ids=every[start : start + 1000]))
    book.chapters.append(_chapter(client, count, False, said, ids, queries, targets))


def _images(client: AkinClient) -> dict[str, str]:
    """The image of each product, by SKU."""
    found: dict[str, str] = {}
    cursor = None
    while True:
        page = client.products(limit=200, cursor=cursor)
        found |= {one.sku: one.images[0].id for one in page.items}
        if (cursor := page.next_cursor) is None:
            return found


def _shop(client: AkinClient, said: Sequence[Planted], images: dict[str, str]) -> list[str]:
    """Shoppers search and say which result is the one; the ids of the candidates."""
    ids = []
    for number, one in enumerate(said):
        answer = client.search(SearchRequest(reference_sku=one.reference, text=one.caption))
        image_id, visit = images[one.target], f"visit {number}"
        if image_id in [hit.image_id for hit in answer.results]:
            click = FeedbackCreate(search_id=answer.search_id, image_id=image_id, session=visit)
        else:  # found on a later page, or by browsing: the query is told with it
            click = FeedbackCreate(
                reference_image_id=images[one.reference],
                text=one.caption,
                image_id=image_id,
                session=visit,
            )
        ids.append(client.give_feedback(click).id)
    return ids


def _score(
    client: AkinClient, count: int, said: Sequence[Planted], ids: Sequence[str], book: Book
) -> None:
    begun = time.monotonic()
    finished(client, client.score_triplets().id)
    spent = time.monotonic() - begun
    scores = {one.id: one.score or 0.0 for one in _all_triplets(client)}
    right = [scores[i] for i, one in zip(ids, said, strict=True) if one.kind == "right"]
    wrong = [scores[i] for i, one in zip(ids, said, strict=True) if one.kind != "right"]
    accepted = sum(score >= SURELY_RIGHT for score in right)
    let_in = sum(score >= SURELY_RIGHT for score in wrong)
    found = sum(score < SURELY_WRONG for score in wrong)
    lost = sum(score < SURELY_WRONG for score in right)
    book.scores.append([
        count, len(wrong), spent, _area(right, wrong), f"{accepted} right, {let_in} wrong",
        f"{found} wrong, {lost} right", count - accepted - let_in - found - lost,
    ])  # fmt: skip


def _area(right: Sequence[float], wrong: Sequence[float]) -> float:
    return area(np.array([*right, *wrong]), np.arange(len(right) + len(wrong)) < len(right))


def _all_triplets(client: AkinClient) -> Iterator[Any]:
    cursor = None
    while True:
        wanted = TripletFilter(source="feedback")
        page = client.triplets(wanted, cursor=cursor, limit=200)
        yield from page.items
        if (cursor := page.next_cursor) is None:
            return


def _review(client: AkinClient, said: Sequence[Planted], ids: Sequence[str]) -> None:
    """What is surely right or wrong in bulk, and each of the others with open eyes."""
    sure = (
        ("accepted", TripletFilter(source="feedback", score_at_least=SURELY_RIGHT)),
        ("rejected", TripletFilter(source="feedback", score_below=SURELY_WRONG)),
    )
    for state, wanted in sure:
        client.review_triplets(ReviewRequest(state=state, filter=wanted, limit=10_000))
    kinds = dict(zip(ids, (one.kind for one in said), strict=True))
    for triplet in list(_all_triplets(client)):
        if triplet.state == "candidate":
            state = "accepted" if kinds[triplet.id] == "right" else "rejected"
            client.review_triplets(ReviewRequest(state=state, ids=[triplet.id]))


def _chapter(
    client: AkinClient,
    count: int,
    reviewed: bool,
    said: Sequence[Planted],
    ids: Sequence[str],
    queries: Sequence[SearchRequest],
    targets: Sequence[str],
) -> Chapter:
    """Train, promote, ask the same again, and go back."""
    accepted = {one.id for one in _all_triplets(client) if one.state == "accepted"}
    wrong = sum(one.kind != "right" for i, one in zip(ids, said, strict=True) if i in accepted)
    before = [_rank(client, *one) for one in zip(queries, targets, strict=True)]
    name = f"Combiner of {count} {'reviewed' if reviewed else 'as they came'}"
    clicked = time.monotonic()
    job = client.train(
        TrainRequest(
            recipe="combiner",
            preset="few-triplets",
            data=TripletData(sources=["feedback", "import"]),
            name=name,
        )
    )
    finished(client, job.id)
    trained = time.monotonic()
    version = client.find_version(name)
    gate, promoted_ms = _promote(client, version)
    client.search(queries[0])
    first = time.monotonic() - clicked
    after = [_rank(client, *one) for one in zip(queries, targets, strict=True)]
    moved = sorted(zip(before, after, queries, strict=True), key=lambda one: one[1] - one[0])
    begun = time.monotonic()
    client.rollback(RollbackRequest(reason="the story goes on"))
    back_ms = (time.monotonic() - begun) * 1000
    again = [_rank(client, *one) for one in zip(queries[:20], targets[:20], strict=True)]
    if again != before[:20]:
        raise RuntimeError("after the rollback the same searches are answered otherwise")
    old, new, query = moved[0]
    return Chapter(
        count, reviewed, len(accepted), wrong, trained - clicked, version, gate, promoted_ms,
        first, sum(a < b for a, b in zip(after, before, strict=True)),
        sum(a > b for a, b in zip(after, before, strict=True)),
        f"{query.reference_sku}, “{query.text}”: the right one from place {old} to {new}",
        back_ms,
    )  # fmt: skip


def _promote(client: AkinClient, version: VersionOut) -> tuple[str, float]:
    """By the gate, or over it; what it said, and the milliseconds that it took."""
    begun = time.monotonic()
    try:
        client.promote(version.id, PromoteRequest())
        gate = "passed"
    except ApiError as refused:
        gate = f"overridden: {refused.sentence.partition('(')[2].partition(')')[0]}"
        begun = time.monotonic()
        client.promote(version.id, PromoteRequest(reason="to be compared", override=True))
    return gate, (time.monotonic() - begun) * 1000


def _request(one: Triplet) -> SearchRequest:
    return SearchRequest(
        reference_sku=one.reference,
        text=one.captions[0],
        filters=["split=test"],
        limit=100,
        explain=False,
    )


def _rank(client: AkinClient, query: SearchRequest, target: str) -> int:
    """The place of the target among a hundred; 101 beyond them."""
    for hit in client.search(query).results:
        if hit.image_id == target:
            return hit.rank
    return 101


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
