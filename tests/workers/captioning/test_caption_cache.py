from __future__ import annotations

import pytest

from backend.errors import InvalidInput
from workers.captioning.caption_cache import CaptionCache

KEY = ("0" * 64, "llava", "describe it")


def test_what_is_put_is_got_after_opening_again(tmp_path):
    cache = CaptionCache(tmp_path / "a" / "captions.jsonl")
    assert cache.get(KEY) is None
    cache.put(KEY, "größer")
    assert cache.get(KEY) == "größer"
    again = CaptionCache(tmp_path / "a" / "captions.jsonl")
    assert again.get(KEY) == "größer"
    assert again.get((KEY[0], "qwen", KEY[2])) is None


@pytest.mark.parametrize("lost", [1, 2, 30])
def test_a_line_cut_short_by_a_kill_costs_only_itself(tmp_path, lost):
    path = tmp_path / "captions.jsonl"
    cache = CaptionCache(path)
    cache.put(KEY, "first")
    cache.put(("1" * 64, "llava", ""), "second")
    path.write_bytes(path.read_bytes()[:-lost])
    torn = CaptionCache(path)
    assert torn.get(KEY) == "first"
    torn.put(("2" * 64, "llava", ""), "third")
    whole = CaptionCache(path)
    assert whole.get(("2" * 64, "llava", "")) == "third"
    assert len(whole) == (3 if lost == 1 else 2)


def test_a_place_that_cannot_hold_it_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match=r"cannot be read or written .*: name another folder"):
        CaptionCache(tmp_path / "file" / "captions.jsonl")
