"""From a click on a result to the triplet it stands for."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.renditions import PreparedImage
from backend.catalogue.tables import Blob
from backend.catalogue.writing import insert_if_new
from backend.errors import InvalidInput
from backend.feedback.schemas import FeedbackCreate
from backend.feedback.service import Said
from backend.search.windows import Window


def said_of(feedback: FeedbackCreate, window: Window | None, picture: bytes | None = None) -> Said:
    """What the click says. `window` is the search it was made on, where that is still kept.

    picture: the reference's bytes, of a search that began with a picture of one's own.

    Raises:
        InvalidInput: for a query without a reference or without words, a result that the search
            did not have, or another picture than was asked with.
    """
    if window is None:
        said = Said(
            text=feedback.text.strip(),
            target_image_id=feedback.image_id,
            reference_image_id=feedback.reference_image_id,
            session=feedback.session,
        )
    else:
        said = _asked(feedback, window)
    uploaded = hashlib.sha256(picture).hexdigest() if picture is not None else None
    said = _with_reference(said, window, uploaded, is_target=feedback.is_target)
    if not said.text:
        raise InvalidInput(
            "Feedback is kept of searches by picture and words, and this one has no words: say "
            "what should be different, and search again."
        )
    return said


def keep_picture(session: Session, sha256: str, image: PreparedImage) -> None:
    """Note the blob of an uploaded reference, so that a triplet can refer to it."""
    blob = {"sha256": sha256, **asdict(image.facts), "created_at": clock.now()}
    insert_if_new(session, Blob, blob, ["sha256"])


def _asked(feedback: FeedbackCreate, window: Window) -> Said:
    places = {group.image_id: rank for rank, group in enumerate(window.groups, start=1)}
    if feedback.image_id not in places:
        raise InvalidInput(
            f"Image {feedback.image_id} is not among the results of this search: name one that "
            "was shown."
        )
    asked, reference = window.asked, window.reference
    return Said(
        text=asked.text,
        target_image_id=feedback.image_id,
        reference_image_id=None if reference is None else reference.image_id,
        without=asked.without,
        strength=asked.strength,
        session=feedback.session or feedback.search_id,
        version_id=asked.version_id,
        composer=window.composer,
        gallery_id=asked.gallery_id,
        rank=places[feedback.image_id],
    )


def _with_reference(
    said: Said, window: Window | None, uploaded: str | None, *, is_target: bool
) -> Said:
    facts = {**asdict(said), "is_target": is_target}
    if uploaded is not None:
        if said.reference_image_id is not None or (
            window is not None and (window.reference is None or window.reference.sha256 != uploaded)
        ):
            raise InvalidInput(
                "The picture is not the one that this search began with: send that one, or leave "
                "the search id away."
            )
        return Said(**{**facts, "reference_sha256": uploaded})
    if said.reference_image_id is None:
        if window is not None and window.reference is not None:
            raise InvalidInput(
                "This search began with a picture of one's own: send it along to "
                "/v1/feedback/upload, with keep_picture."
            )
        raise InvalidInput(
            "Feedback is kept of searches by picture and words, and this one has no picture: "
            "choose one, and search again."
        )
    return Said(**facts)
