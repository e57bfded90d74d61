"""The answers in annotation files, for scoring rankings that somebody else made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from backend.errors import InvalidInput
from workers.datasets.annotations import Row, read_json, read_rows, rows_of
from workers.datasets.triplets import Triplet

Answers = Sequence[Triplet]


def read_answers(path: Path, one: Callable[[Row, int], Triplet]) -> Answers:
    """The triplets of an annotation file. Raises InvalidInput where a server keeps the answers."""
    found = [one(row, number) for number, row in enumerate(read_rows(path))]
    if not found:
        raise InvalidInput(f"{path} has no queries: give the annotations of a validation split.")
    hidden = next((triplet.id for triplet in found if triplet.target is None), None)
    if hidden is not None:
        raise InvalidInput(
            f"{path}: query {hidden} has no target, the server keeps it: send the file there, or "
            "score one of the validation split."
        )
    return found


def cirr_answer(row: Row, number: int) -> Triplet:
    """A row of `cap.rc2.{split}.json`."""
    members = row.inner("img_set").names("members")
    pair, reference = row.name("pairid"), row.name("reference")
    return Triplet(pair, reference, (), _target(row, "target_hard"), subset=members)


def circo_answer(row: Row, number: int) -> Triplet:
    """A row of CIRCO's `annotations/{split}.json`, whose images are named by their numbers."""
    target = _target(row, "target_img_id")
    positives = row.names("gt_img_ids") if target is not None else ()
    aspects = row.names("semantic_aspects") if "semantic_aspects" in row.values else ()
    reference = _number(row, row.name("reference_img_id"))
    return Triplet(
        id=row.name("id"),
        reference=reference,
        captions=(),
        target=None if target is None else _number(row, target),
        positives=tuple(_number(row, name) for name in positives if name),
        aspects=aspects,
    )


def fashioniq_answer(row: Row, number: int) -> Triplet:
    """A row of `cap.{category}.{split}.json`, named by its number."""
    return Triplet(str(number), row.name("candidate"), (), _target(row, "target"))


def _target(row: Row, key: str) -> str | None:
    return row.name(key) if key in row.values else None


def _number(row: Row, name: str) -> str:
    if not (name.isascii() and name.isdigit() and len(name) < 20):
        raise InvalidInput(f"{row.what}: {name} is not the number of an image: correct it.")
    return str(int(name))


def known_images(path: Path | None, beside: Path, choices: Sequence[str]) -> frozenset[str] | None:
    """The names of all images of a split: from the file given, else from the first of `choices`
    that lies in `beside`; None where there is none."""
    found = path or next((beside / one for one in choices if (beside / one).is_file()), None)
    return None if found is None else frozenset(_names(read_json(found), found))


def _names(told: Any, path: Path) -> list[str]:
    """Names of a list or the keys of an object, or the ids of COCO's `images`."""
    if isinstance(told, dict) and "images" in told:
        rows = rows_of(told["images"], f"{path}, images")
        return [_number(row, row.name("id")) for row in rows]
    if not isinstance(told, list | dict) or not all(isinstance(name, str) for name in told):
        raise InvalidInput(f"{path} must hold the names of the images: give the split's own list.")
    return list(told)
