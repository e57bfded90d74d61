"""The SQL of scoring: triplets to be scored, what others say, and a sample of the gallery."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, aliased

from backend.catalogue.tables import Image
from backend.feedback.tables import Triplet
from workers.feedback.relations import Saying

SAMPLED = 2_000
"""Gallery images that a target is compared with."""

_Reference, _Target = aliased(Image), aliased(Image)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A triplet as it was read."""

    number: int
    id: str
    caption: str
    is_target: bool
    reference_image_id: str | None
    reference_sha256: str | None
    target_image_id: str
    products: frozenset[str]


def count_candidates(session: Session) -> int:
    """How many wait for a review."""
    return session.scalar(select(func.count()).where(Triplet.state == "candidate")) or 0


def candidates(session: Session, after: int, limit: int) -> list[Candidate]:
    """The next candidates in the order they came."""
    rows = (
        select(Triplet, _Reference.product_id, _Target.product_id)
        .join(_Target, _Target.id == Triplet.target_image_id)
        .outerjoin(_Reference, _Reference.id == Triplet.reference_image_id)
        .where(Triplet.state == "candidate", Triplet.number > after)
        .order_by(Triplet.number)
        .limit(limit)
    )
    return [
        Candidate(
            one.number,
            one.id,
            one.caption,
            one.is_target,
            one.reference_image_id,
            one.reference_sha256,
            one.target_image_id,
            frozenset(filter(None, (reference, target))),
        )
        for one, reference, target in session.execute(rows)
    ]


def sayings(session: Session) -> list[Saying]:
    """Every triplet that was not rejected, as others see it."""
    reference = func.coalesce(_Reference.sha256, Triplet.reference_sha256)
    rows = (
        select(Triplet.id, reference, Triplet.caption, _Target.sha256, Triplet.is_target)
        .join(_Target, _Target.id == Triplet.target_image_id)
        .outerjoin(_Reference, _Reference.id == Triplet.reference_image_id)
        .where(Triplet.state != "rejected")
    )
    return [Saying(*row) for row in session.execute(rows)]


def sampled_images(session: Session) -> dict[str, str]:
    """The products of at most `SAMPLED` images, spread evenly over the catalogue, by image id."""
    count = session.scalar(select(func.count()).select_from(Image)) or 0
    every = max(1, -(-count // SAMPLED))
    rows = select(Image.id, Image.product_id).where(Image.number % every == 0)
    return dict(session.execute(rows.order_by(Image.number).limit(SAMPLED)).all())


def write_scores(
    session: Session, scores: Mapping[str, tuple[str, float, dict[str, object]]]
) -> None:
    """Scores and their parts by triplet id, each with the caption that was scored.

    A sentence that was edited meanwhile is left for the next scoring, and so is what was reviewed.
    """
    for triplet_id, (caption, score, parts) in sorted(scores.items()):
        as_read = (
            Triplet.id == triplet_id,
            Triplet.state == "candidate",
            Triplet.caption == caption,
        )
        session.execute(
            update(Triplet).where(*as_read).values(score=score, score_parts=parts),
            execution_options={"synchronize_session": False},
        )
