"""The query encoder over two small linear towers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest

from backend.encoding.prompts import Prompt
from backend.errors import InvalidInput, Unavailable
from backend.search.encoder import QueryEncoder

DIM, SIDE = 8, 4
PHOTO, SHORT = Prompt.parse("a photo of $ that {}"), Prompt.parse("$ {}")


class LinearTowers:
    """A bag of bytes and a flat picture, each through one matrix; refuses the word "unreadable".

    A prompt is its template's and its words' bag, and the pseudo token.
    """

    def __init__(self) -> None:
        draw = np.random.default_rng(0)
        self.of_text = draw.normal(size=(256, DIM)).astype(np.float32)
        self.of_image = draw.normal(size=(3 * SIDE * SIDE, DIM)).astype(np.float32)
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def encode_texts(self, texts: list[str]) -> np.ndarray:
        self._note(len(texts))
        if "unreadable" in texts:
            raise InvalidInput("The text is unreadable.")
        bags = [np.bincount(np.frombuffer(t.encode(), np.uint8), minlength=256) for t in texts]
        return np.stack(bags).astype(np.float32) @ self.of_text

    def encode_prompts(
        self, prompts: Sequence[Prompt], pseudo: np.ndarray, texts: Sequence[str | None]
    ) -> np.ndarray:
        sentences = [f"{p.template}{text}" for p, text in zip(prompts, texts, strict=True)]
        features: np.ndarray = self.encode_texts(sentences) + pseudo
        return features

    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        self._note(len(pixels))
        return pixels.reshape(len(pixels), -1).astype(np.float32) @ self.of_image

    def _note(self, size: int) -> None:
        self.entered.set()
        self.gate.wait(30)
        self.batches.append(size)
        self.threads.add(threading.get_ident())


def picture(shade: int) -> np.ndarray:
    return np.full((3, SIDE, SIDE), shade, np.uint8)


def ask_at_once(encoder: QueryEncoder, towers: LinearTowers, *asks: Callable[[], Any]) -> list[Any]:
    """Answers, or errors, of requests that all arrive while the towers are busy with another."""
    towers.gate.clear()
    with ThreadPoolExecutor(len(asks) + 1) as clients:
        clients.submit(encoder.encode_text, "something else")
        assert towers.entered.wait(30)
        futures = [clients.submit(ask) for ask in asks]
        while encoder.counts.requests <= len(asks):
            time.sleep(0.001)
        towers.gate.set()
        return [future.exception() or future.result() for future in futures]


@pytest.fixture
def towers() -> LinearTowers:
    return LinearTowers()


@pytest.fixture
def encoder(towers) -> Iterator[QueryEncoder]:
    encoder = QueryEncoder(towers)
    yield encoder
    towers.gate.set()
    encoder.close()


def test_features_are_the_towers_own(encoder, towers):
    assert encoder.encode_text("red") == pytest.approx(towers.encode_texts(["red"])[0], abs=1e-3)
    assert encoder.encode_texts(["red", "long"]).shape == (2, DIM)
    pixels = picture(3)
    (expected,) = towers.encode_images(pixels[None])
    assert encoder.encode_image(pixels, "hash") == pytest.approx(expected, abs=1e-3)


def test_sixteen_clients_share_two_tower_calls_and_each_gets_its_own_answer(encoder, towers):
    texts = [f"shade {n}" for n in range(8)]
    pictures = [picture(n) for n in range(8)]
    answers = ask_at_once(
        encoder,
        towers,
        *(partial(encoder.encode_text, text) for text in texts),
        *(partial(encoder.encode_image, pixels, f"{n}") for n, pixels in enumerate(pictures)),
    )
    assert towers.batches == [1, 8, 8]  # the first is what kept the towers busy
    assert encoder.counts.tower_calls == 3
    assert len(towers.threads) == 1
    assert np.stack(answers[:8]) == pytest.approx(towers.encode_texts(texts), abs=1e-3)
    assert np.stack(answers[8:]) == pytest.approx(
        towers.encode_images(np.stack(pictures)), abs=1e-3
    )


def pseudo(*shades: float) -> np.ndarray:
    return np.stack([np.full(DIM, shade, np.float32) for shade in shades])


def test_prompts_of_concurrent_queries_are_encoded_together_whatever_their_template(
    encoder, towers
):
    answers = ask_at_once(
        encoder,
        towers,
        partial(encoder.encode_prompts, PHOTO, pseudo(1, 2), ["is red", None]),
        partial(encoder.encode_prompts, SHORT, pseudo(1), ["is red"]),
        partial(encoder.encode_text, "is red"),
    )
    assert sorted(towers.batches) == [1, 1, 3]  # what kept them busy, the text, the prompts
    expected = towers.encode_prompts(
        [PHOTO, PHOTO, SHORT], pseudo(1, 2, 1), ["is red", None, "is red"]
    )
    assert np.concatenate(answers[:2]) == pytest.approx(expected, abs=1e-3)


def test_a_prompt_asked_before_does_not_reach_the_tower_again(encoder, towers):
    first = encoder.encode_prompts(PHOTO, pseudo(1, 2, 1), ["red", "red", "red"])
    assert towers.batches == [2]
    encoder.encode_prompts(PHOTO, pseudo(2), ["red"])
    assert towers.batches == [2]
    assert np.array_equal(first[0], first[2])
    for other in (
        (SHORT, pseudo(1), ["red"]),
        (PHOTO, pseudo(3), ["red"]),
        (PHOTO, pseudo(1), [""]),
    ):
        assert not np.allclose(encoder.encode_prompts(*other), first[0])


def test_requests_wait_for_those_on_their_way(towers):
    encoder = QueryEncoder(towers, window_ms=600_000)
    with ThreadPoolExecutor(2) as clients:
        with encoder.coming(), encoder.coming():
            asked = [clients.submit(encoder.encode_text, text) for text in "ab"]
            while encoder.counts.requests < 2:
                time.sleep(0.001)
            assert towers.batches == []
        assert all(one.result(30).shape == (DIM,) for one in asked)
    encoder.close()
    assert towers.batches == [2]


def test_a_request_with_nobody_else_on_the_way_does_not_wait(towers):
    encoder = QueryEncoder(towers, window_ms=600_000)
    with encoder.coming():
        pass
    assert encoder.encode_text("red").shape == (DIM,)
    encoder.close()


def test_the_wait_for_those_on_their_way_ends_with_the_window(towers):
    encoder = QueryEncoder(towers, window_ms=1)
    with encoder.coming():
        assert encoder.encode_text("red").shape == (DIM,)
    encoder.close()


def test_a_list_of_texts_is_one_call(encoder, towers):
    encoder.encode_texts([f"phrase {n}" for n in range(5)])
    assert towers.batches == [5]


def test_a_batch_is_never_larger_than_the_limit(towers):
    encoder = QueryEncoder(towers, max_batch=4)
    assert encoder.encode_texts([str(n) for n in range(10)]).shape == (10, DIM)
    encoder.close()
    assert sum(towers.batches) == 10
    assert max(towers.batches) <= 4


def test_a_full_batch_does_not_wait_for_the_window(towers):
    encoder = QueryEncoder(towers, window_ms=600_000, max_batch=2)
    with encoder.coming():
        encoder.encode_texts(["a", "b"])
    encoder.close()
    assert towers.batches == [2]


def test_what_was_asked_before_does_not_reach_a_tower(encoder, towers):
    first = encoder.encode_text("red"), encoder.encode_image(picture(1), "hash")
    again = encoder.encode_text("red"), encoder.encode_image(picture(1), "hash")
    assert towers.batches == [1, 1]
    assert encoder.counts.cache_hits == 2
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))


def test_the_same_text_asked_twice_at_once_is_encoded_once(encoder, towers):
    assert np.ptp(encoder.encode_texts(["red", "red", "red"]), axis=0).max() == 0
    assert towers.batches == [1]


def test_a_text_and_a_picture_of_the_same_key_are_not_confused(encoder):
    assert not np.array_equal(encoder.encode_text("x"), encoder.encode_image(picture(1), "x"))


def test_the_cache_drops_what_was_not_asked_for_longest(towers):
    encoder = QueryEncoder(towers, cache_size=2)
    for text in ("a", "b", "a", "c", "a", "b"):  # c drops b, so that only b is encoded again
        encoder.encode_text(text)
    encoder.close()
    assert towers.batches == [1, 1, 1, 1]


def test_kept_features_cannot_be_changed_by_a_caller(encoder):
    with pytest.raises(ValueError, match="read-only"):
        encoder.encode_text("red")[0] = 0


def test_a_failing_text_fails_alone_and_is_tried_anew(encoder, towers):
    red, failure, long = ask_at_once(
        encoder,
        towers,
        *(partial(encoder.encode_text, text) for text in ("red", "unreadable", "long")),
    )
    assert towers.batches == [1, 3, 1, 1, 1]
    assert isinstance(failure, InvalidInput)
    assert failure.sentence == "The text is unreadable."
    assert red == pytest.approx(towers.encode_texts(["red"])[0], abs=1e-3)
    assert long == pytest.approx(towers.encode_texts(["long"])[0], abs=1e-3)
    with pytest.raises(InvalidInput, match="unreadable"):
        encoder.encode_text("unreadable")
    assert encoder.counts.cache_hits == 0


def test_pictures_of_different_sizes_asked_at_once_are_both_answered(encoder, towers):
    flat = np.zeros((3, 1, SIDE * SIDE), np.uint8)
    answers = ask_at_once(
        encoder,
        towers,
        partial(encoder.encode_image, picture(1), "one"),
        partial(encoder.encode_image, flat, "other"),
    )
    assert [answer.shape for answer in answers] == [(DIM,), (DIM,)]


def test_no_text_at_all_is_refused(encoder):
    with pytest.raises(InvalidInput, match="give at least one"):
        encoder.encode_texts([])


def test_closing_answers_what_was_asked_and_refuses_the_rest(encoder, towers):
    towers.gate.clear()
    with ThreadPoolExecutor(2) as clients:
        asked = clients.submit(encoder.encode_text, "red")
        assert towers.entered.wait(30)
        closing = clients.submit(encoder.close)
        towers.gate.set()
        assert asked.result(30).shape == (DIM,)
        closing.result(30)
    with pytest.raises(Unavailable, match="shut down"):
        encoder.encode_text("blue")
    with pytest.raises(Unavailable, match="shut down"):
        encoder.encode_image(picture(1), "hash")
    assert not any(thread.ident in towers.threads for thread in threading.enumerate())
    encoder.close()


def test_the_time_of_the_towers_is_counted(encoder):
    encoder.encode_text("red")
    assert encoder.counts.tower_calls == 1
    assert 0 < encoder.counts.tower_seconds < 5
