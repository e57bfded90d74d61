"""The rules of triplets: how one comes about, and what a review may do with it."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, exists, insert, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend import clock
from backend.audit.service import Subject, note
from backend.catalogue.service import ensure_embedded
from backend.catalogue.tables import Blob, Image, Removal
from backend.catalogue.writing import check_texts, insert_if_new
from backend.database import Moment
from backend.errors import Conflict, InvalidInput, NotFound
from backend.feedback.schemas import TripletSource, TripletState, TripletUpdate
from backend.feedback.tables import UNSCORED, Triplet
from backend.jobs.broker import Queue


@dataclass(frozen=True, slots=True)
class Said:
    """A triplet to be: `text` is its caption as typed.

    reference_image_id, reference_sha256: an image of the catalogue, or the blob of an uploaded
    picture, which is stored already.
    """

    text: str
    target_image_id: str
    reference_image_id: str | None = None
    reference_sha256: str | None = None
    is_target: bool = True
    source: TripletSource = "feedback"
    without: tuple[str, ...] = ()
    strength: float = 0.0
    session: str | None = None
    version_id: str | None = None
    composer: str | None = None
    gallery_id: str | None = None
    rank: int | None = None

    @property
    def digest(self) -> str:
        """What makes it one click of one visit, whichever of the two verdicts it is."""
        told = (self.source, self.session, self.reference_image_id, self.reference_sha256,
                self.text, self.target_image_id)  # fmt: skip
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def record(session: Session, said: Said, actor: str) -> tuple[str, bool]:
    """Keep what was said as a candidate; its id, and whether it is new.

    Said again in the same visit nothing is added; the other verdict takes the place of the first
    while nobody has reviewed it.

    Raises:
        NotFound: if an image is not there any more.
        InvalidInput: if both are images of one product, or the words cannot be stored.
    """
    check_texts({"text": said.text, "session": said.session, "without": " ".join(said.without)})
    _check_images(session, said)
    values = _values(said, actor)
    if insert_if_new(session, Triplet, values, ["digest"]):
        return str(values["id"]), True
    known = session.scalars(select(Triplet).where(Triplet.digest == said.digest)).one()
    if known.state == "candidate" and known.is_target != said.is_target:
        known.is_target, known.score, known.score_parts = said.is_target, UNSCORED, {}
    return known.id, False


def record_all(session: Session, said: Sequence[Said], actor: str) -> int:
    """Keep many candidates at once, of images that the caller holds; how many are new."""
    if not said:
        return 0
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    statement = (sqlite.insert if on_sqlite else postgresql.insert)(Triplet)
    statement = statement.values([_values(one, actor) for one in said])
    statement = statement.on_conflict_do_nothing(index_elements=["digest"])
    return len(session.execute(statement.returning(Triplet.number)).all())


def _values(said: Said, actor: str) -> dict[str, Any]:
    return {
        "id": str(uuid.uuid4()),
        "digest": said.digest,
        "reference_image_id": said.reference_image_id,
        "reference_sha256": said.reference_sha256,
        "caption": said.text,
        "target_image_id": said.target_image_id,
        "is_target": said.is_target,
        "state": "candidate",
        "source": said.source,
        "text": said.text,
        "without": list(said.without),
        "strength": said.strength,
        "session": said.session,
        "model_version_id": said.version_id,
        "composer": said.composer,
        "gallery": said.gallery_id,
        "rank": said.rank,
        "score": UNSCORED,
        "score_parts": {},
        "actor": actor,
        "created_at": clock.now(),
    }


def change(
    session: Session, queue: Queue, triplet_id: str, wanted: TripletUpdate, actor: str
) -> None:
    """Review one triplet, or correct its sentence.

    Raises:
        NotFound: if it is not there.
        InvalidInput: for words that cannot be stored.
        Conflict: if it was rejected and its uploaded picture is gone.
    """
    found = _locked(session, [triplet_id])
    if not found:
        raise not_there(triplet_id)
    (triplet,) = found
    if wanted.caption is not None and wanted.caption != triplet.caption:
        check_texts({"caption": wanted.caption})
        before = {"caption": triplet.caption}
        triplet.caption, triplet.score, triplet.score_parts = wanted.caption, UNSCORED, {}
        session.flush()
        after = {"caption": wanted.caption}
        note(session, actor, "triplet.edit", _subject(triplet), before=before, after=after)
    if wanted.state is not None:
        move(session, queue, found, wanted.state, actor)


def not_there(triplet_id: str) -> NotFound:
    """What is told where there is no such triplet."""
    return NotFound(f"There is no triplet {triplet_id}: its product may have been deleted.")


def review(
    session: Session, queue: Queue, triplet_ids: Sequence[str], state: TripletState, actor: str
) -> int:
    """Give many triplets one state; how many it changed. Ids that are not there are ignored.

    Raises:
        Conflict: if one was rejected and its uploaded picture is gone.
    """
    return move(session, queue, _locked(session, triplet_ids), state, actor)


def move(
    session: Session, queue: Queue, triplets: Sequence[Triplet], state: TripletState, actor: str
) -> int:
    """The same for rows that the caller has locked."""
    moved = [one for one in triplets if one.state != state]
    for one in moved:
        if one.reference_image_id is None and one.reference_sha256 is None:
            raise Conflict(
                f"Triplet {one.id} was rejected, and the picture that was uploaded for it is "
                "deleted: it cannot be taken back."
            )
    _note_moves(session, moved, state, actor)
    ids = [one.id for one in moved]
    pictures = state == "rejected" and any(one.reference_sha256 for one in moved)
    reviewed = {"reviewed_by": actor, "reviewed_at": clock.now()}
    if state == "candidate":
        reviewed = dict.fromkeys(reviewed)
    for start in range(0, len(ids), 500):
        part = Triplet.id.in_(ids[start : start + 500])
        session.execute(update(Triplet).where(part).values(state=state, **reviewed))
        if pictures:
            _let_go_of_pictures(session, part)
    if pictures:
        ensure_embedded(session, queue)
    return len(moved)


def _note_moves(
    session: Session, moved: Sequence[Triplet], state: TripletState, actor: str
) -> None:
    if len(moved) == 1:
        (one,) = moved
        before, after = {"state": one.state}, {"state": state}
        note(session, actor, "triplet.review", _subject(one), before=before, after=after)
    elif moved:
        subject = Subject("triplets", "", "many triplets")
        told = {"triplets": len(moved), "state": Counter(one.state for one in moved)}
        note(session, actor, "triplets.review", subject, before=told, after=told | {"state": state})


def _subject(triplet: Triplet) -> Subject:
    return Subject("triplet", triplet.id, triplet.caption)


def unused_by_triplets() -> ColumnElement[bool]:
    """That no triplet refers to a blob, as a condition on `Blob`."""
    return ~exists().where(Triplet.reference_sha256 == Blob.sha256)


def _let_go_of_pictures(session: Session, which: ColumnElement[bool]) -> None:
    """Decision 14: an uploaded picture goes with its triplet, by the next embed job."""
    own = Triplet.reference_sha256.is_not(None)
    gone = select(Triplet.id, Triplet.reference_sha256, literal(clock.now(), Moment))
    columns = ["image_id", "sha256", "created_at"]
    session.execute(insert(Removal).from_select(columns, gone.where(which, own)))
    session.execute(update(Triplet).where(which, own).values(reference_sha256=None))


def _locked(session: Session, triplet_ids: Sequence[str]) -> list[Triplet]:
    """Those that are there, in one order, so that two reviews cannot deadlock."""
    ids = sorted({one for one in triplet_ids if "\0" not in one})
    found: list[Triplet] = []
    for start in range(0, len(ids), 500):
        rows = select(Triplet).where(Triplet.id.in_(ids[start : start + 500]))
        found += session.scalars(rows.order_by(Triplet.id).with_for_update())
    return found


def _check_images(session: Session, said: Said) -> None:
    """See that both images are there until the commit, and of different products."""
    wanted = [one for one in (said.reference_image_id, said.target_image_id) if one is not None]
    if any("\0" in one for one in wanted):
        raise NotFound("There is no image of that id: it may have been deleted.")
    rows = select(Image.id, Image.product_id).where(Image.id.in_(wanted)).order_by(Image.id)
    found = {row[0]: row[1] for row in session.execute(rows.with_for_update(read=True))}
    for image_id in wanted:
        if image_id not in found:
            raise NotFound(f"There is no image {image_id}: it may have been deleted.")
    if len(wanted) == 2 and len(set(found.values())) == 1:
        raise InvalidInput(
            "Reference and target are pictures of one product, and a triplet needs two: choose "
            "another result."
        )
