"""A score in words."""

from __future__ import annotations

import pytest

from backend.feedback.reasons import reasons

FOUND = {"active": 0.0, "zero_shot": 0.01, "words": 0.02, "direction": 1.2}


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        ({}, "Right where picture and words lead."),
        ({"active": 0.4}, "40 % of the catalogue fits better than the target."),
        ({"direction": -0.1}, "The reference fits the words better than the target does."),
        ({"words": 0.3}, "The words fit many other products better."),
        ({"said_again": 1}, "Said 1 more time."),
        ({"said_again": 2}, "Said 2 more times."),
        ({"opposite": True}, "Somebody else said the opposite."),
        ({"both_ways": True}, "The same words lead back as well."),
        ({"same_picture": True}, "Both sides are the same picture."),
    ],
)
def test_each_part_has_its_sentence(parts: dict[str, float], sentence: str) -> None:
    assert sentence in reasons(FOUND | parts, is_target=True)


def test_what_is_not_meant_is_to_be_far_away() -> None:
    told = reasons(FOUND | {"active": 0.5}, is_target=False)
    assert told == ["50 % of the catalogue fits better than the target, as it should."]


def test_what_was_not_scored_has_none() -> None:
    assert reasons({}, is_target=True) == []
