from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.gallery.port import Hit
from backend.gallery.window import MOST, ordered_window
from tests.backend.gallery.conftest import image_id, unhurried


@settings(unhurried)
@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3]), max_size=20),
    st.integers(0, 10),
    st.integers(0, 10),
    st.randoms(use_true_random=False),
)
def test_a_window_is_a_slice_of_one_order_however_an_engine_breaks_ties(
    scores, offset, limit, random
):
    hits = [Hit(f"{number:02}", score, {}) for number, score in enumerate(scores)]

    def nearest(count: int) -> list[Hit]:
        random.shuffle(hits)
        return sorted(hits, key=lambda hit: -hit.score)[:count]

    whole = sorted(hits, key=lambda hit: (-hit.score, hit.id))
    assert ordered_window(nearest, offset, limit) == whole[offset : offset + limit]


def test_a_tie_without_end_is_not_read_without_end():
    asked: list[int] = []

    def nearest(count: int) -> list[Hit]:
        asked.append(count)
        return [Hit(image_id(number), 0.5, {}) for number in range(count)]

    found = ordered_window(nearest, 0, 50)
    assert len(found) == 50
    assert max(asked) == MOST
