"""Triplets as lists and counts: filters become SQL, and pages go by cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from backend.errors import InvalidInput
from backend.feedback.joining import ReferenceProduct, TargetProduct, joined
from backend.feedback.presenting import shown
from backend.feedback.schemas import (
    ReviewRequest,
    TripletFilter,
    TripletOrder,
    TripletOut,
    TripletSplit,
    TripletSummary,
)
from backend.feedback.service import not_there
from backend.feedback.splits import HELD_OUT, counted, numbers_in
from backend.feedback.tables import UNSCORED, Triplet
from backend.paging import Page, decode_cursor, encode_cursor, is_number


def matching(wanted: TripletFilter) -> list[ColumnElement[bool]]:
    """What a filter asks for of a triplet itself, which is all but its split."""
    found: list[ColumnElement[bool]] = []
    if wanted.state is not None:
        found.append(Triplet.state == wanted.state)
    if wanted.source is not None:
        found.append(Triplet.source == wanted.source)
    if wanted.is_target is not None:
        found.append(Triplet.is_target.is_(wanted.is_target))
    if wanted.score_at_least is not None:
        found.append(Triplet.score >= wanted.score_at_least)
    if wanted.score_below is not None:
        found += [Triplet.score >= 0, Triplet.score < wanted.score_below]
    return found


def list_triplets(
    session: Session,
    wanted: TripletFilter,
    *,
    order: TripletOrder = "newest",
    cursor: str | None = None,
    limit: int = 50,
) -> Page[TripletOut]:
    """One page of the triplets that match; `total` is as of the first page.

    Raises:
        InvalidInput: for a cursor that this list did not give out.
    """
    where = matching(wanted)
    total = None
    if cursor is not None:
        place, total = _read(cursor, order)
        where.append(place)
    rows, total = _first(session, wanted.split, where, order, limit + 1, total)
    page = rows[:limit]
    further = None
    if len(rows) > limit:
        further = encode_cursor([order, repr(page[-1][1]), page[-1][0], total])
    by_number = shown(session, Triplet.number.in_([row[0] for row in page])) if page else {}
    return Page(
        items=[by_number[row[0]] for row in page if row[0] in by_number],
        next_cursor=further,
        total=total,
    )


def ids_to_review(session: Session, asked: ReviewRequest) -> tuple[list[str], int]:
    """The ids of the best that a review's filter finds, and how many it finds in all.

    Those that are in the wanted state already are not among them, nor what is deleted meanwhile.
    """
    wanted = asked.filter or TripletFilter()
    where = [*matching(wanted), Triplet.state != asked.state]
    if wanted.state is None:
        where.append(Triplet.state == "candidate")
    rows, total = _first(session, wanted.split, where, "best", asked.limit)
    ids: dict[int, str] = {}
    for start in range(0, len(rows), 500):
        numbers = [row[0] for row in rows[start : start + 500]]
        found = select(Triplet.number, Triplet.id).where(Triplet.number.in_(numbers))
        ids |= dict(session.execute(found).all())
    there = [ids[number] for number, _ in rows if number in ids]
    return there, total - (len(rows) - len(there))


def _first(
    session: Session,
    split: TripletSplit | None,
    where: Sequence[ColumnElement[bool]],
    order: TripletOrder,
    limit: int,
    total: int | None = None,
) -> tuple[list[tuple[int, float]], int]:
    """Number and score of the first that match, and how many match, unless that is known."""
    if split is None or split == "train":  # so many that a page is soon full
        keys = _KEYS if split is None else joined(_KEYS).where(*_TRAINED_ON)
        keys = keys.where(*where)
        rows = session.execute(keys.order_by(*_ordered(Triplet, order)).limit(limit))
        if total is None:
            total = _count(session, split, where)
        return [(row[0], row[1]) for row in rows], total
    matched = numbers_in(split, where).cte("matched")
    count = select(func.count()).select_from(matched).scalar_subquery()
    columns: list[Any] = [matched.c.number, matched.c.score]
    keys = select(*columns, count if total is None else literal(total))
    found = session.execute(keys.order_by(*_ordered(matched.c, order)).limit(limit)).all()
    if total is None:
        total = found[0][2] if found else 0
    return [(row[0], row[1]) for row in found], total


def _count(
    session: Session, split: TripletSplit | None, where: Sequence[ColumnElement[bool]]
) -> int:
    if split is None:
        return session.scalar(select(func.count()).select_from(Triplet).where(*where)) or 0
    return counted(session, where).get(split, 0)


def find_triplet(session: Session, triplet_id: str) -> TripletOut:
    """One triplet; raises NotFound."""
    found = {} if "\0" in triplet_id else shown(session, Triplet.id == triplet_id)
    if not found:
        raise not_there(triplet_id)
    return next(iter(found.values()))


def summary(session: Session) -> TripletSummary:
    """How many there are by state, source and split."""
    accepted = Triplet.state == "accepted"
    unscored = select(func.count()).where(Triplet.state == "candidate", Triplet.score == UNSCORED)
    return TripletSummary(
        states=_counted(session, Triplet.state),
        sources=_counted(session, Triplet.source),
        accepted_splits=counted(session, [accepted, Triplet.is_target.is_(True)]),
        accepted_against=_count(session, None, [accepted, Triplet.is_target.is_(False)]),
        unscored=session.scalar(unscored) or 0,
    )


def _counted(session: Session, column: Any) -> dict[str, int]:
    counts = select(column, func.count()).select_from(Triplet).group_by(column)
    return dict(session.execute(counts).all())


_TRAINED_ON = (
    # Not "= 'train'": SQLite would begin with all of those products.
    TargetProduct.split.not_in(HELD_OUT),
    or_(ReferenceProduct.id.is_(None), ReferenceProduct.split.not_in(HELD_OUT)),
)
_KEYS = select(Triplet.number, Triplet.score)


def _ordered(keys: Any, order: TripletOrder) -> tuple[Any, ...]:
    """What a list goes by, for whatever has numbers and scores."""
    if order == "newest":
        return (keys.number.desc(),)
    if order == "best":
        return (keys.score.desc(), keys.number.desc())
    return (keys.score, keys.number)


def _read(cursor: str, order: TripletOrder) -> tuple[ColumnElement[bool], int]:
    """What comes after the last triplet shown, and the total."""
    of, score, number, total = decode_cursor(cursor, 4)
    if of != order or not (is_number(number) and is_number(total)):
        raise InvalidInput(_STRANGE)
    try:
        place = (float(score), int(number))
    except ValueError as error:
        raise InvalidInput(_STRANGE) from error
    here = tuple_(Triplet.score, Triplet.number)
    after = {
        "newest": Triplet.number < place[1],
        "best": here < place,
        "worst": here > place,
    }[order]
    return after, int(total)


_STRANGE = (
    "The cursor is not one that the list of triplets gave out in this order: leave it away to "
    "start again."
)
