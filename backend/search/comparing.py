"""One query asked of two versions, each over its own gallery."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from backend.errors import Conflict, InvalidInput
from backend.registry.deployments import Active, active, before, to_active
from backend.registry.lifecycle import check_finished, version_row
from backend.registry.promotion import lacking
from backend.registry.tables import Deployment, GalleryRow
from backend.search.compare_schemas import ComparedAnswer, ComparedSearch
from backend.search.schemas import SearchRequest
from backend.search.service import SearchService
from backend.stopwatch import Stopwatch


def versions_to_compare(session: Session, wanted: Sequence[str] | None) -> list[Active]:
    """The two versions with the galleries they search; by default the active one and the one
    before it.

    Raises:
        NotFound: no such version.
        InvalidInput: if they are one and the same.
        Conflict: if there is none before, one has no weights, or its gallery does not hold the
            catalogue.
    """
    now = active(session)
    if wanted is None:
        earlier = before(session, now)
        if earlier is None:
            raise Conflict(
                f"No version answered before {now.version}: name the two that are to be compared."
            )
        return [now, earlier]
    if len(set(wanted)) < len(wanted):
        raise InvalidInput("A version cannot be compared with itself: name two versions.")
    return [_searchable(session, one, now) for one in wanted]


def compared(
    services: Sequence[SearchService],
    query: SearchRequest,
    image: bytes | None = None,
    name: str = "the picture",
) -> ComparedSearch:
    """What each of two services answers; raises as `SearchService.search` does."""
    if query.search_id is not None:
        raise InvalidInput("A comparison has no pages of an earlier search: leave out search_id.")
    answers = [
        service.search(query, image=image, name=name, watch=Stopwatch()) for service in services
    ]
    windows = [
        service.window(answer.search_id) for service, answer in zip(services, answers, strict=True)
    ]
    ranks = [
        {group.product_id: rank for rank, group in enumerate(window.groups, 1)}
        for window in windows
    ]
    return ComparedSearch(
        answers=[
            ComparedAnswer(
                version_id=service.active.version_id,
                answer=answer,
                other_ranks={hit.product.id: other.get(hit.product.id) for hit in answer.results},
            )
            for service, answer, other in zip(services, answers, reversed(ranks), strict=True)
        ]
    )


def _searchable(session: Session, version_id: str, now: Active) -> Active:
    version = version_row(session, version_id)
    check_finished(version)
    if version.id == now.version_id:
        return now
    gallery_id = f"g-{version.fingerprint[:12]}"
    if session.get(GalleryRow, gallery_id) is None or lacking(session, gallery_id, now.gallery_id):
        raise Conflict(
            f"{version.name} has not seen the whole catalogue yet, so its answers would say "
            "little: promote it, or wait until its gallery is filled."
        )
    return to_active(version, Deployment(id=0, gallery_id=gallery_id))
