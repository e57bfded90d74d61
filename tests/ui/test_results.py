"""Why a result is there: shares as numbers and as a sentence, and never as a cause."""

from __future__ import annotations

import pytest

from backend.search.schemas import SearchHit, SearchRequest, Share
from tests.ui.shop import Shop
from ui.results import why


def hit(share: Share | None, matched: int = 1) -> SearchHit:
    shop = Shop(size=16).fill(1)
    found = shop.search(SearchRequest(text="red")).results[0]
    return found.model_copy(update={"share": share, "matched_images": matched})


@pytest.mark.parametrize(
    ("image", "text", "sentence", "figures"),
    [
        (0.3, 0.1, "mostly because it looks like your picture", "picture 75 %"),
        (0.1, 0.3, "mostly because it fits your words", "words 75 %"),
        (0.2, 0.2, "count about the same", "picture 50 %"),
        (-0.1, 0.2, "mostly because it fits your words", "words 100 %"),
    ],
)
def test_the_larger_share_is_named(image: float, text: float, sentence: str, figures: str) -> None:
    told = why(hit(Share(image=image, text=text, baseline=0.1)))
    assert sentence in told
    assert figures in told


def test_two_shares_below_nothing_are_said_so() -> None:
    assert "Neither" in why(hit(Share(image=-0.1, text=-0.2, baseline=0.5)))


def test_one_part_alone_has_no_shares() -> None:
    assert "close to what you asked" in why(hit(None))


def test_it_is_labelled_similarity_and_counts_the_pictures() -> None:
    told = why(hit(None, matched=3))
    assert "not a cause" in told
    assert "found 3 similar pictures" in told
    assert "similar pictures" not in why(hit(None, matched=1))
