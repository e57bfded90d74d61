"""Many triplets straight into SQL, over the products of a large catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from random import Random
from typing import Any
from uuid import UUID

from sqlalchemy import select

from backend.catalogue.tables import Image
from backend.database import Database
from backend.feedback.tables import UNSCORED, Triplet
from tests.backend.catalogue.hundred_thousand import NOON, count_on, write_rows

_PAGE = 5000


def add_triplets(database: Database, triplets: int) -> None:
    """Add triplets of images drawn by chance; the same number gives the same ones.

    Half wait for a review; a fifth have no score. A tenth have an uploaded reference, which is let
    go where they are rejected.
    """
    rng = Random(11)
    with database.read() as session:
        images = session.execute(select(Image.id, Image.sha256).order_by(Image.number)).all()
    for first in range(0, triplets, _PAGE):
        places = range(first, min(first + _PAGE, triplets))
        drawn = [_drawn(rng, place, rng.sample(images, 2)) for place in places]
        write_rows(database, {Triplet: drawn})
    count_on(database, ("triplets", "number"))


def _drawn(rng: Random, place: int, sides: Sequence[Any]) -> dict[str, Any]:
    moment = NOON + timedelta(seconds=place)
    state = rng.choices(("candidate", "accepted", "rejected"), (50, 35, 15))[0]
    uploaded = rng.random() < 0.1
    reviewed = state != "candidate"
    return {
        "number": place + 1,
        "id": str(UUID(int=rng.getrandbits(128))),
        "digest": sha256(str(place).encode()).hexdigest(),
        "reference_image_id": None if uploaded else sides[0].id,
        "reference_sha256": sides[0].sha256 if uploaded and state != "rejected" else None,
        "caption": f"is redder and longer, number {place}",
        "target_image_id": sides[1].id,
        "is_target": rng.random() < 0.8,
        "state": state,
        "source": rng.choices(("feedback", "import", "spn-positives"), (60, 30, 10))[0],
        "text": f"is redder and longer, number {place}",
        "without": [],
        "strength": 0.0,
        "score": UNSCORED if rng.random() < 0.2 else round(rng.random(), 4),
        "score_parts": {},
        "actor": "ann",
        "created_at": moment,
        "reviewed_by": "max" if reviewed else None,
        "reviewed_at": moment if reviewed else None,
    }
