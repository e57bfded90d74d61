"""What is decided about triplets leaves its line in the audit log."""

from __future__ import annotations

import json

from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.audit.service import all_lines
from backend.feedback.schemas import (
    FeedbackCreate,
    HoldOut,
    ReviewRequest,
    TripletFilter,
    TripletUpdate,
)
from backend.search.schemas import SearchRequest

LEAVES = {
    "PATCH /v1/triplets/{triplet_id}": "triplet.review",
    "POST /v1/triplets/review": "triplets.review",
    "POST /v1/triplets/import": "triplets.import",
    "POST /v1/triplets/hold-out": "products.bulk_edit",
}
"""Which line each operation of the API that changes triplets leaves (see test_every_change)."""


def lines(shop) -> list[AuditLineOut]:
    return list(all_lines(shop.runtime.database, AuditFilter()))


def test_a_correction_and_a_decision_are_told(client, shop):
    before = lines(shop)
    answer = client.search(SearchRequest(reference_sku="TEE-red", text="in blue"))
    hit = answer.results[0]
    said = FeedbackCreate(search_id=answer.search_id, image_id=hit.image_id, is_target=True)
    triplet = client.give_feedback(said)
    assert lines(shop) == before, "a candidate carries who said it itself"
    client.update_triplet(triplet.id, TripletUpdate(caption="in light blue", state="accepted"))
    reviewed, edited = lines(shop)[:2]
    assert (edited.action, edited.actor) == ("triplet.edit", "local")
    assert (edited.before, edited.after) == ({"caption": "in blue"}, {"caption": "in light blue"})
    assert (reviewed.action, reviewed.label) == ("triplet.review", "in light blue")
    assert (reviewed.before, reviewed.after) == ({"state": "candidate"}, {"state": "accepted"})
    client.update_triplet(triplet.id, TripletUpdate(state="accepted"))
    assert len(lines(shop)) == len(before) + 2, "nothing was changed"


def test_files_bulk_reviews_and_holding_out_are_told(client, shop):
    rows = [
        {"reference": "TEE-red", "target": "TEE-blue", "captions": ["is blue"]},
        {"reference": "TEE-green", "target": "TEE-yellow", "captions": ["is yellow"]},
    ]
    data = "\n".join(json.dumps(row) for row in rows).encode()
    client.import_triplets("triplets.jsonl", data)
    imported = lines(shop)[0]
    assert (imported.action, imported.label) == ("triplets.import", "triplets.jsonl")
    assert imported.after == {"candidates": 2, "source": "import"}
    everything = TripletFilter(state="candidate")
    client.review_triplets(ReviewRequest(filter=everything, state="accepted"))
    reviewed = lines(shop)[0]
    assert (reviewed.action, reviewed.label) == ("triplets.review", "many triplets")
    assert (reviewed.before, reviewed.after) == (
        {"state": {"candidate": 2}},
        {"state": "accepted"},
    )
    client.hold_out(HoldOut(share=0.5, split="test"))
    held = lines(shop)[0]
    assert (held.action, held.after["split"]) == ("products.bulk_edit", "test")
