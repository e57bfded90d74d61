"""The score job: how consistent each candidate is, so that a review begins with what is sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import structlog

from backend.composition.sphere import Vectors
from backend.errors import AkinError
from backend.gallery.port import Gallery
from backend.registry.deployments import Active, active
from workers.app import task
from workers.feedback.consistency import DISPUTED
from workers.feedback.evidence import Found, Question, Sample, examine
from workers.feedback.relations import Related, related
from workers.feedback.triplet_rows import (
    Candidate,
    candidates,
    count_candidates,
    sampled_images,
    sayings,
    write_scores,
)
from workers.run import Run

BATCH = 128
FETCHED = 500  # points at a time
log = structlog.get_logger()


@task("score")
def score(run: Run) -> dict[str, Any]:
    """Score every candidate under the active version; the result counts those scored and those
    that could not be, since a gallery lacks one of their images or a picture is lost.

    A job that is resumed starts anew: scores are the same again.

    Raises:
        SetupError: if the active version's backbone has other weights by now.
    """
    with run.read() as session:
        now, total, others = active(session), count_candidates(session), sayings(session)
    scoring = _Scoring(run, now, related(others))
    with run.write() as session:
        run.progress(session, stage="scoring", done=0, failed=0, total=total)
    return scoring.work()


class _Scoring:
    def __init__(self, run: Run, now: Active, others: Mapping[str, Related]) -> None:
        self._run, self._others = run, others
        model = run.runtime.models.load(now)
        self._backbone, self._composer = model.backbone, model.compose()
        self._gallery = run.runtime.galleries.open(now.gallery_id)
        with run.read() as session:
            images = sampled_images(session)
        self._sample = _sample(self._gallery, images)
        self._done = self._skipped = 0

    def work(self) -> dict[str, Any]:
        last = 0
        while True:
            self._run.checkpoint()
            with self._run.read() as session:
                batch = candidates(session, last, self._run.at_once(BATCH))
            if not batch:
                return {"scored": self._done - self._skipped, "skipped": self._skipped}
            scores = self._scored(batch)
            self._done += len(batch)
            self._skipped += len(batch) - len(scores)
            with self._run.write() as session:
                write_scores(session, scores)
                self._run.progress(session, done=self._done, failed=self._skipped)
            last = batch[-1].number

    def _scored(
        self, batch: Sequence[Candidate]
    ) -> dict[str, tuple[str, float, dict[str, object]]]:
        features = self._features(batch)
        asked = [
            (one, Question(one.caption, features[one.id][0], features[one.id][1], one.products))
            for one in batch
            if one.id in features
        ]
        found = examine(
            [question for _, question in asked], self._sample, self._backbone, self._composer
        )
        return {
            one.id: (one.caption, *self._told(one, what))
            for (one, _), what in zip(asked, found, strict=True)
        }

    def _told(self, one: Candidate, found: Found) -> tuple[float, dict[str, object]]:
        others = self._others.get(one.id, Related())
        sure = found.score if one.is_target else 1 - found.score
        if others.same_picture:
            sure = 0.0
        elif others.disputed:
            sure *= DISPUTED
        return round(sure, 4), {**found.parts, **others.parts}

    def _features(self, batch: Sequence[Candidate]) -> dict[str, tuple[Vectors, Vectors]]:
        """Un-normalised features, (dim,), of both sides by triplet, where both can be had."""
        ids = {one.target_image_id for one in batch}
        ids |= {one.reference_image_id for one in batch if one.reference_image_id is not None}
        stored = {
            key: one.vector * np.float32(one.norm)
            for key, one in self._gallery.fetch(sorted(ids), keys=("norm",)).items()
        }
        found: dict[str, tuple[Vectors, Vectors]] = {}
        for one in batch:
            reference = (
                self._uploaded(one)
                if one.reference_image_id is None
                else stored.get(one.reference_image_id)
            )
            target = stored.get(one.target_image_id)
            if reference is not None and target is not None:
                found[one.id] = (reference, target)
        return found

    def _uploaded(self, one: Candidate) -> Vectors | None:
        """The feature of the picture that a shopper left with the triplet."""
        try:
            data = self._run.runtime.blobs.read(one.reference_sha256 or "")
            see = self._backbone.preprocessing
            pixels = self._run.runtime.decoder.pixels(data, see, name=f"triplet {one.id}")
        except AkinError as error:
            log.warning("a triplet's picture cannot be read", triplet=one.id, why=error.sentence)
            return None
        feature: Vectors = self._backbone.encode_images(pixels[None])[0]
        return feature


def _sample(gallery: Gallery, products: Mapping[str, str]) -> Sample:
    """Those of the images that the gallery holds."""
    vectors: list[Vectors] = []
    kept: list[str] = []
    ids = list(products)
    for start in range(0, len(ids), FETCHED):
        for image_id, one in gallery.fetch(ids[start : start + FETCHED], keys=()).items():
            vectors.append(one.vector)
            kept.append(products[image_id])
    empty = np.empty((0, gallery.dim), np.float32)
    return Sample(np.stack(vectors) if vectors else empty, tuple(kept))
