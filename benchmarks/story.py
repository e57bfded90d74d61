"""The story of a model on the demo, through a real server: feedback comes in, is scored and
reviewed, a Combiner is trained on it, measured, promoted, asked, and rolled back.

Once with 200 triplets of feedback and once with 2,000, a share of them wrong; each reviewed, and
beside it as they came. The plain sum is what answers at the start.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from backend.client import AkinClient, ApiError
from backend.feedback.schemas import ReviewRequest
from backend.registry.schemas import PromoteRequest, RollbackRequest, VersionOut
from backend.search.schemas import SearchRequest
from backend.training.schemas import TrainRequest, TripletData
from benchmarks.serving import served
from benchmarks.story_feedback import all_triplets, hold_out, review, score, shop, written_down
from benchmarks.story_tables import ASKED, Book, Chapter, tell
from benchmarks.waiting import finished, wait_for_the_demo
from benchmarks.wrong_triplets import Planted, planted
from workers.datasets.triplets import Triplet

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


def _tell(client: AkinClient, count: int, book: Book) -> None:
    images = _images(client)
    truth = written_down("train")
    said = planted(truth, sorted({str(one.target) for one in truth}), "story", count, WRONG_SHARE)
    ids = shop(client, said, images)
    score(client, count, said, ids, book)
    queries = [_request(one) for one in written_down("test")[:: max(1, 1140 // ASKED)]]
    targets = [images[str(one.target)] for one in written_down("test")[:: max(1, 1140 // ASKED)]]
    review(client, said, ids)
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
    accepted = {one.id for one in all_triplets(client) if one.state == "accepted"}
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
