"""Searching with trained composers: those shipped that fit the backbone, or none."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from backend.composition import artefact
from backend.composition.artefact import load_model
from backend.composition.composer import QueryFeatures
from backend.composition.query import compose_query
from backend.encoding.prompts import Prompt
from backend.errors import InvalidInput
from backend.search.service import SearchService
from tests.backend.composition import trained_models
from tests.backend.composition.trained_models import PROMPT, write_model
from tests.backend.search.conftest import serve
from tests.backend.search.shop import Shop, picture, skus
from tests.backend.search.test_service import ask

PINK = picture("pink")
KINDS = (*trained_models.KINDS, "feature-sum")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_backbone):
    """One small artefact of each trained kind."""
    found = tmp_path_factory.mktemp("shipped")
    for kind in KINDS:
        write_model(found / kind, tiny_backbone, kind, name=kind)
    return found


@pytest.fixture
def trained(filled: Shop, folder, monkeypatch) -> Iterator[SearchService]:
    """The search service of the filled shop, with trained composers."""
    monkeypatch.setattr(artefact, "SHIPPED", folder)
    with serve(filled) as service:
        yield service


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("controls", [{}, {"strength": -0.4}, {"strength": 0.3}])
def test_picture_and_words_are_composed_as_the_artefact_says(
    filled, trained, folder, kind, controls
):
    answer = ask(trained, PINK, text=" but in blue ", composer=kind, limit=100, **controls)
    model = load_model(folder / kind, backbone=filled.backbone)
    (words,) = filled.backbone.encode_texts(["but in blue"])
    features = QueryFeatures(filled.feature(PINK), words, "but in blue")
    query = compose_query(model.composer, features, **controls)
    stored = filled.stored()
    scores = query.score(np.stack([point.vector for point in stored.values()]))
    expected = dict(zip(stored, scores.tolist(), strict=True))
    assert answer.composer == kind
    assert {hit.product.sku: hit.score for hit in answer.results} == pytest.approx(
        expected, abs=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_query_of_one_part_is_answered_as_by_any_composer(trained, kind):
    for query in ({"image": PINK}, {"text": "blue"}):
        answer = ask(trained, composer=kind, **query)
        plain = ask(trained, **query)
        assert skus(answer) == skus(plain)
        assert answer.composer == kind
        parts = [(hit.share.image, hit.share.text) for hit in answer.results]
        assert all(0 in pair for pair in parts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_ends_of_strength_are_the_picture_and_the_words(trained, kind):
    both: dict[str, Any] = {"image": PINK, "text": "blue", "composer": kind, "limit": 100}
    assert skus(ask(trained, strength=-1, **both)) == skus(ask(trained, PINK, limit=100))
    assert skus(ask(trained, strength=1, **both)) == skus(ask(trained, text="blue", limit=100))


@pytest.mark.parametrize("kind", KINDS)
def test_shares_add_up_to_the_score(trained, kind):
    answer = ask(trained, PINK, text="blue", without=["dots"], composer=kind, strength=0.2)
    for hit in answer.results:
        whole = hit.share.image + hit.share.text + hit.share.baseline
        assert whole == pytest.approx(hit.score, abs=1e-5)


def test_an_inverted_query_reads_two_sentences_and_its_pages_none(trained):
    first = ask(trained, PINK, text="blue", composer="phi", limit=3)
    calls = trained._encoder.counts.tower_calls
    assert calls == 4  # the picture, the words, both in a sentence, and the picture alone in one
    ask(trained, search_id=first.search_id, offset=3, limit=3)
    ask(trained, PINK, text="blue", composer="phi")
    assert trained._encoder.counts.tower_calls == calls


def test_words_have_less_room_in_a_sentence_with_the_picture(filled, trained):
    text = "a b c d e f"
    assert not any(filled.backbone.cut([text]))
    assert filled.backbone.cut([text], Prompt.parse(PROMPT)) == [True]
    assert ask(trained, PINK, text=text, composer="phi").text_cut
    assert not ask(trained, PINK, text=text, composer="combiner").text_cut
    assert not ask(trained, text=text, composer="phi").text_cut, "there is no picture to invert"


@pytest.mark.parametrize("text", ["$ 5 $", "($)", "*,", "{}"])
def test_a_placeholder_in_the_shoppers_words_is_a_word(trained, text):
    assert len(skus(ask(trained, PINK, text=text, composer="phi"))) == 16


def test_an_unknown_composer_is_told_with_those_there_are(trained, search):
    offered = "sum, slerp, product, combiner, feature-sum, im2text"
    with pytest.raises(InvalidInput, match=f"choose one of {offered}"):
        ask(trained, text="blue", composer="magic")


def test_without_shipped_models_there_are_those_that_need_none(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(artefact, "SHIPPED", tmp_path / "nothing")
    with serve(filled) as service:
        assert len(skus(ask(service, PINK, text="blue"))) == 16
        with pytest.raises(InvalidInput, match=r"choose one of sum, slerp, product\.$"):
            ask(service, text="blue", composer="combiner")


def test_eight_shoppers_at_once_each_get_their_own_answer(filled, trained):
    queries = [
        {"text": f"{word} blue", "composer": kind} for word in ("dark", "pale") for kind in KINDS
    ]
    expected = [ask(trained, PINK, **query) for query in queries]
    with serve(filled) as fresh, ThreadPoolExecutor(8) as shoppers:
        numbers = [number % len(queries) for number in range(48)]
        answers = list(shoppers.map(lambda n: ask(fresh, PINK, **queries[n]), numbers))
    for number, answer in zip(numbers, answers, strict=True):
        assert [hit.score for hit in answer.results] == pytest.approx(
            [hit.score for hit in expected[number].results], abs=1e-5
        )
