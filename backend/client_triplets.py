"""The client's calls about feedback and triplets."""

from __future__ import annotations

from collections.abc import Iterator

from backend.client_transport import Transport
from backend.feedback.schemas import (
    FeedbackCreate,
    HeldOut,
    HoldOut,
    PictureNames,
    ReviewRequest,
    ReviewResult,
    TripletFilter,
    TripletFormat,
    TripletImport,
    TripletOrder,
    TripletOut,
    TripletSource,
    TripletSummary,
    TripletUpdate,
)
from backend.jobs.schemas import JobOut
from backend.paging import Page


class TripletCalls(Transport):
    """Feedback, its review, files of triplets; raises as `AkinClient` says."""

    def give_feedback(
        self, feedback: FeedbackCreate, *, image: bytes | None = None, name: str = "picture"
    ) -> TripletOut:
        """Say of a result that it is the one, or is not; `image` is the picture of one's own that
        the search began with, and `feedback` then a `FeedbackUpload`."""
        return self._post_with_picture(
            TripletOut, "/v1/feedback", feedback, image, name, part="feedback"
        )

    def triplets(
        self,
        wanted: TripletFilter | None = None,
        *,
        order: TripletOrder = "newest",
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[TripletOut]:
        """One page of the triplets that match."""
        given = {} if wanted is None else wanted.model_dump(exclude_none=True)
        return self._page(
            TripletOut, "/v1/triplets", **given, order=order, cursor=cursor, limit=limit
        )

    def triplet(self, triplet_id: str) -> TripletOut:
        """One triplet."""
        return self._get(TripletOut, f"/v1/triplets/{triplet_id}")

    def triplet_summary(self) -> TripletSummary:
        """How many triplets there are."""
        return self._get(TripletSummary, "/v1/triplets/summary")

    def update_triplet(self, triplet_id: str, change: TripletUpdate) -> TripletOut:
        """Accept or reject one, or correct its sentence."""
        body = change.model_dump(mode="json", exclude_unset=True)
        return TripletOut.model_validate(
            self._send("PATCH", f"/v1/triplets/{triplet_id}", json=body)
        )

    def import_triplets(
        self, name: str, data: bytes, source: TripletSource = "import"
    ) -> TripletImport:
        """Bring in a file in FashionIQ's, CIRR's or Akin's format as candidates."""
        answer = self._send(
            "POST", "/v1/triplets/import", data={"source": source}, files={"file": (name, data)}
        )
        return TripletImport.model_validate(answer)

    def export_triplets(
        self,
        format: TripletFormat = "akin",  # noqa: A002 - the word of the API
        split: str | None = None,
        names: PictureNames = "sku",
    ) -> Iterator[bytes]:
        """The accepted triplets as a file, streamed."""
        query = {"format": format, "names": names} | ({} if split is None else {"split": split})
        yield from self._chunks("/v1/triplets/export", **query)

    def hold_out(self, wanted: HoldOut) -> HeldOut:
        """Move a share of the accepted triplets, with their products, out of training."""
        return self._post(HeldOut, "/v1/triplets/hold-out", wanted)

    def score_triplets(self) -> JobOut:
        """Say of every candidate how consistent it is: the job that does it."""
        return JobOut.model_validate(self._send("POST", "/v1/triplets/score"))

    def review_triplets(self, request: ReviewRequest) -> ReviewResult:
        """One decision about many triplets."""
        return self._post(ReviewResult, "/v1/triplets/review", request)
