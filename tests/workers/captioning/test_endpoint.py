"""Captions over HTTP from a server that answers, fails, stalls and talks nonsense."""

from __future__ import annotations

import hashlib
import json
import threading
import time

import pytest
from PIL import Image

from backend.errors import Unavailable
from tests.workers.captioning.endpoint_server import failing, serving, told
from workers.captioning.caption_cache import CaptionCache
from workers.captioning.endpoint import GIVE_UP, EndpointCaptioner
from workers.captioning.endpoint_settings import read_endpoint_settings


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def endpoint():
    with serving() as endpoint:
        yield endpoint


@pytest.fixture
def pictures(tmp_path):
    """Eight pictures of one colour each: as red as their number times 30."""
    for number in range(8):
        Image.new("RGB", (900, 600), (30 * number, 0, 0)).save(tmp_path / f"{number}.png")
    return {f"p{number}": tmp_path / f"{number}.png" for number in range(8)}


@pytest.fixture
def cache(tmp_path):
    return CaptionCache(tmp_path / "cache" / "captions.jsonl")


def quiet(stage, done, total):
    pass


def captioner(endpoint, cache, words=4, **settings):
    fast = {"backoff_seconds": 0.001, "timeout_seconds": 5, "concurrency": 3}
    given = {"url": endpoint.url, "model": "llava", **fast, **settings}
    return EndpointCaptioner(read_endpoint_settings(**given), cache, words)


def run(asker, pictures, categories=(), cancelled=lambda: False, report=quiet):
    return asker.caption(pictures, dict(categories), report, cancelled)


def test_every_picture_gets_the_answer_about_it(endpoint, cache, pictures):
    found = run(captioner(endpoint, cache), pictures)
    assert found.complete
    assert found.failed == {}
    reds = {name: int(text.removeprefix("red ")) for name, text in found.texts.items()}
    assert all(abs(reds[f"p{number}"] - 30 * number) <= 3 for number in range(8))


def test_the_question_is_a_chat_completion_with_prompt_and_small_picture(endpoint, cache, pictures):
    asker = captioner(endpoint, cache, key="secret", side=64, answer_tokens=77)
    run(asker, {"p1": pictures["p1"]}, {"p1": "dress"})
    (question,) = endpoint.questions
    assert question.path == "/v1/chat/completions"
    assert question.headers["authorization"] == "Bearer secret"
    assert question.prompt == "please briefly describe the dress in 4 words"
    assert question.image.size == (64, 43)
    assert question.body["model"] == "llava"
    assert question.body["temperature"] == question.body["top_p"] == 0.01
    assert question.body["max_tokens"] == 77


def test_without_a_category_it_asks_about_the_image_and_without_a_key_sends_none(
    endpoint, cache, pictures
):
    run(captioner(endpoint, cache, words=10), {"p1": pictures["p1"]})
    (question,) = endpoint.questions
    assert question.prompt == "please briefly describe the image in 10 words"
    assert "authorization" not in question.headers


def test_answers_are_tidied(endpoint, cache, pictures):
    endpoint.answer = lambda question, before: told(' "A red\ndress." ')
    assert run(captioner(endpoint, cache), {"p1": pictures["p1"]}).texts == {"p1": "A red dress"}


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_busy_endpoint_is_asked_again(endpoint, cache, pictures, status):
    endpoint.answer = lambda question, before: failing(status) if before < 2 else told("red")
    found = run(captioner(endpoint, cache), {"p1": pictures["p1"]})
    assert found.texts == {"p1": "red"}
    assert len(endpoint.questions) == 3


def test_a_connection_that_breaks_off_is_asked_again(endpoint, cache, pictures):
    endpoint.answer = lambda question, before: (0, {}, b"") if before < 1 else told("red")
    assert run(captioner(endpoint, cache), {"p1": pictures["p1"]}).texts == {"p1": "red"}


def test_an_answer_that_breaks_off_is_asked_again(endpoint, cache, pictures):
    def answer(question, before):
        status, headers, body = told("red")
        return (
            (status, {"content-length": "9999", "connection": "close"}, body)
            if before < 1
            else (
                status,
                headers,
                body,
            )
        )

    endpoint.answer = answer
    found = run(captioner(endpoint, cache, timeout_seconds=1), {"p1": pictures["p1"]})
    assert found.texts == {"p1": "red"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>busy</html>", "something that is no JSON"),
        (b"[" * 100_000, "something that is no JSON"),
        (b"[]", "JSON that is no chat completion"),
        (b'{"choices": []}', "JSON that is no chat completion"),
        (b'{"choices": [{"message": null}]}', "JSON that is no chat completion"),
        (told(None)[2], "no words"),
        (told("  ")[2], "no words"),
        (told(["a", "list"])[2], "no words"),
    ],
)
def test_nonsense_is_asked_again_and_then_named(endpoint, cache, pictures, body, reason):
    endpoint.answer = lambda question, before: (200, {}, body)
    found = run(captioner(endpoint, cache, attempts=2), {"p1": pictures["p1"]})
    assert found.failed == {"p1": f"the endpoint answered {reason}, attempt 2"}
    assert len(endpoint.questions) == 2


def test_an_answer_without_end_is_not_read_to_it(endpoint, cache, pictures):
    endpoint.answer = lambda question, before: told("red " * 100_000)
    asker = captioner(endpoint, cache, attempts=1, max_answer_bytes=10_000)
    found = run(asker, {"p1": pictures["p1"]})
    assert found.failed == {"p1": "the endpoint answered more than 10,000 bytes, attempt 1"}


def test_a_stalled_endpoint_is_given_up_and_asked_again(endpoint, cache, pictures):
    released = threading.Event()

    def answer(question, before):
        if before < 2:
            released.wait(10)
        return told("red")

    endpoint.answer = answer
    found = run(captioner(endpoint, cache, timeout_seconds=0.3), {"p1": pictures["p1"]})
    released.set()
    assert found.texts == {"p1": "red"}
    assert len(endpoint.questions) == 3


def test_one_that_always_stalls_is_named(endpoint, cache, pictures):
    released = threading.Event()
    endpoint.answer = lambda question, before: (released.wait(10), told("red"))[1]
    asker = captioner(endpoint, cache, timeout_seconds=0.2, attempts=2)
    found = run(asker, {"p1": pictures["p1"]})
    released.set()
    assert found.failed == {"p1": "the endpoint gave no whole answer within 0.2 s, attempt 2"}


def test_what_the_endpoint_asks_to_wait_is_waited(endpoint, cache, pictures):
    times = []

    def answer(question, before):
        times.append(time.monotonic())
        return failing(429, retry_after="0.4") if before < 1 else told("red")

    endpoint.answer = answer
    run(captioner(endpoint, cache), {"p1": pictures["p1"]})
    assert times[1] - times[0] >= 0.4


def test_but_never_longer_than_it_may_be(endpoint, cache, pictures):
    endpoint.answer = lambda q, n: failing(503, retry_after="86400") if n < 1 else told("red")
    asker = captioner(endpoint, cache, longest_wait_seconds=0.01)
    assert run(asker, {"p1": pictures["p1"]}).texts == {"p1": "red"}


def test_a_picture_that_is_refused_is_not_sent_again_and_the_others_go_on(
    endpoint, cache, pictures
):
    def answer(question, before):
        return failing(400, "I cannot look at this.") if question.red < 10 else told("red")

    endpoint.answer = answer
    found = run(captioner(endpoint, cache), pictures)
    assert found.failed == {"p0": "the endpoint refused it (status 400: I cannot look at this)"}
    assert len(found.texts) == 7
    assert len(endpoint.questions) == 8


@pytest.mark.parametrize(
    ("status", "message"), [(401, "Wrong key secret-key!"), (404, "no model llava"), (307, "")]
)
def test_an_endpoint_that_answers_no_question_ends_the_run(
    endpoint, cache, pictures, status, message
):
    endpoint.answer = lambda question, before: failing(status, message, location="/elsewhere")
    with pytest.raises(Unavailable) as failure:
        run(captioner(endpoint, cache, key="secret-key"), pictures)
    sentence = failure.value.sentence
    assert f"answers no question (status {status}" in sentence
    assert sentence.endswith("check AKIN_CAPTION_URL, AKIN_CAPTION_MODEL and AKIN_CAPTION_KEY.")
    assert "secret-key" not in sentence
    assert len(endpoint.questions) <= 3


def test_an_endpoint_that_is_not_there_ends_the_run_after_some_pictures(cache, tmp_path):
    with serving() as gone:
        pass
    for number in range(GIVE_UP + 5):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(tmp_path / f"{number}.png")
    pictures = {str(number): tmp_path / f"{number}.png" for number in range(GIVE_UP + 5)}
    with pytest.raises(Unavailable, match=f"failed on {GIVE_UP} pictures in a row, .*reached"):
        run(captioner(gone, cache, attempts=1), pictures)


def test_now_and_then_a_success_and_it_goes_on(endpoint, cache, tmp_path):
    for number in range(2 * GIVE_UP):
        Image.new("RGB", (20, 20), (number, 0, 0)).save(tmp_path / f"{number}.png")
    pictures = {str(number): tmp_path / f"{number}.png" for number in range(2 * GIVE_UP)}
    endpoint.answer = lambda q, n: told("red") if n % 10 == 9 else failing(400)
    found = run(captioner(endpoint, cache, concurrency=1), pictures)
    assert (len(found.texts), len(found.failed)) == (4, 36)


def test_no_picture_is_paid_for_twice(endpoint, cache, pictures, tmp_path):
    first = run(captioner(endpoint, cache), pictures)
    again = CaptionCache(tmp_path / "cache" / "captions.jsonl")
    renamed = {f"new {name}": path for name, path in pictures.items()}
    second = run(captioner(endpoint, again), renamed)
    assert {f"new {name}": text for name, text in first.texts.items()} == second.texts
    assert len(endpoint.questions) == 8


@pytest.mark.parametrize(
    ("words", "model", "category"), [(5, "llava", None), (4, "qwen", None), (4, "llava", "dress")]
)
def test_another_prompt_or_model_is_another_question(
    endpoint, cache, pictures, words, model, category
):
    one = {"p1": pictures["p1"]}
    run(captioner(endpoint, cache), one)
    categories = {} if category is None else {"p1": category}
    run(captioner(endpoint, cache, words, model=model), one, categories)
    assert len(endpoint.questions) == 2


def test_the_cache_holds_picture_model_prompt_and_caption(endpoint, cache, pictures, tmp_path):
    run(captioner(endpoint, cache), {"p1": pictures["p1"]})
    (line,) = (tmp_path / "cache" / "captions.jsonl").read_text().splitlines()
    row = json.loads(line)
    assert row["image"] == hashlib.sha256(pictures["p1"].read_bytes()).hexdigest()
    assert row["model"] == "llava"
    assert row["prompt"] == "please briefly describe the image in 4 words"
    assert row["caption"].startswith("red ")


def test_the_budget_of_requests_is_kept_to_the_last_and_counts_repeated_ones(
    endpoint, cache, pictures
):
    endpoint.answer = lambda question, before: failing(503) if before < 2 else told("red")
    asker = captioner(endpoint, cache, max_requests=5, concurrency=4)
    found = run(asker, pictures)
    assert len(endpoint.questions) == asker.budget.requests == 5
    assert len(found.texts) == 3
    assert set(found.failed.values()) == {"the budget of 5 requests is used up"}
    assert len(found.failed) == 5


def test_the_budget_of_tokens_stops_what_was_not_sent_yet(endpoint, cache, pictures):
    endpoint.answer = lambda question, before: told("red", tokens=40)
    asker = captioner(endpoint, cache, max_tokens=100, concurrency=1)
    found = run(asker, pictures)
    assert asker.budget.tokens == 120
    assert len(found.texts) == 3
    assert set(found.failed.values()) == {"the budget of 100 tokens is used up"}


def test_tokens_that_the_endpoint_does_not_count_are_as_many_as_may_be(endpoint, cache, pictures):
    endpoint.answer = lambda question, before: told("red", tokens=None)
    asker = captioner(endpoint, cache, answer_tokens=30, max_tokens=50, concurrency=1)
    assert len(run(asker, pictures).texts) == 2
    assert asker.budget.tokens == 60


def test_cached_captions_cost_nothing(endpoint, cache, pictures):
    run(captioner(endpoint, cache), {"p1": pictures["p1"]})
    asker = captioner(endpoint, cache, max_requests=0)
    found = run(asker, pictures)
    assert list(found.texts) == ["p1"]
    assert len(found.failed) == 7


def test_no_more_than_so_many_are_asked_at_once(endpoint, cache, pictures):
    def answer(question, before):
        time.sleep(0.05)
        return told("red")

    endpoint.answer = answer
    run(captioner(endpoint, cache, concurrency=2), pictures)
    assert endpoint.most_at_once == 2


def test_a_cancelled_run_stops_amid_a_stalled_request_and_keeps_what_it_has(
    endpoint, cache, pictures
):
    released = threading.Event()

    def answer(question, before):
        if before >= 2:
            released.wait(10)
        return told("red")

    endpoint.answer = answer
    asker = captioner(endpoint, cache, concurrency=1, timeout_seconds=60)
    found = run(asker, pictures, cancelled=lambda: len(endpoint.questions) > 2)
    released.set()
    assert not found.complete
    assert len(found.texts) == 2
    assert len(cache) == 2


def test_progress_ends_with_all(endpoint, cache, pictures):
    calls = []
    run(captioner(endpoint, cache), pictures, report=lambda *call: calls.append(call))
    assert calls[-1] == ("captions", 8, 8)
    assert [done for _, done, _ in calls] == sorted(done for _, done, _ in calls)


def test_pictures_that_cannot_be_read_are_named_and_not_sent(endpoint, cache, pictures, tmp_path):
    (tmp_path / "bad.png").write_bytes(pictures["p1"].read_bytes()[:60])
    given = {"bad": tmp_path / "bad.png", "gone": tmp_path / "gone.png", "p1": pictures["p1"]}
    found = run(captioner(endpoint, cache), given)
    assert list(found.texts) == ["p1"]
    assert "damaged or cut short" in found.failed["bad"]
    assert found.failed["gone"].endswith("gone.png cannot be read (No such file or directory)")
    assert len(endpoint.questions) == 1
