"""The people of the story: who writes triplets down, who gives feedback, who reviews it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence

import numpy as np

from backend.client import AkinClient
from backend.feedback.schemas import FeedbackCreate, ReviewRequest, TripletFilter, TripletOut
from backend.search.schemas import SearchRequest
from benchmarks.feedback_score import area
from benchmarks.story_tables import SURELY_RIGHT, SURELY_WRONG, Book
from benchmarks.waiting import finished
from benchmarks.wrong_triplets import Planted
from workers.datasets.triplets import Triplet
from workers.datasets.wardrobe.dataset import SPLITS
from workers.datasets.wardrobe.families import each_family, triplets

SEED = 7  # of the demo
FAMILIES = {"train": 174, "val": 38, "test": 38}


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


def shop(client: AkinClient, said: Sequence[Planted], images: dict[str, str]) -> list[str]:
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


def score(
    client: AkinClient, count: int, said: Sequence[Planted], ids: Sequence[str], book: Book
) -> None:
    """Score every candidate, and note how many the two bounds would have judged rightly."""
    begun = time.monotonic()
    finished(client, client.score_triplets().id)
    spent = time.monotonic() - begun
    scores = {one.id: one.score or 0.0 for one in all_triplets(client)}
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


def all_triplets(client: AkinClient) -> Iterator[TripletOut]:
    """Every triplet that shoppers gave."""
    cursor = None
    while True:
        wanted = TripletFilter(source="feedback")
        page = client.triplets(wanted, cursor=cursor, limit=200)
        yield from page.items
        if (cursor := page.next_cursor) is None:
            return


def review(client: AkinClient, said: Sequence[Planted], ids: Sequence[str]) -> None:
    """What is surely right or wrong in bulk, and each of the others with open eyes."""
    sure = (
        ("accepted", {"score_at_least": SURELY_RIGHT}),
        ("rejected", {"score_below": SURELY_WRONG}),
    )
    for state, bound in sure:
        wanted = TripletFilter(source="feedback", **bound)
        client.review_triplets(ReviewRequest(state=state, filter=wanted, limit=10_000))
    kinds = dict(zip(ids, (one.kind for one in said), strict=True))
    for triplet in list(all_triplets(client)):
        if triplet.state == "candidate":
            state = "accepted" if kinds[triplet.id] == "right" else "rejected"
            client.review_triplets(ReviewRequest(state=state, ids=[triplet.id]))
