"""A backbone reads prompts with a pseudo token in them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.encoding.backbone import Backbone, BackboneSpec, BadFeatures, load_backbone
from backend.encoding.injection import injected_features
from backend.encoding.prompts import Prompt
from backend.errors import InvalidInput

PROMPT = Prompt.parse("a photo of $ that {}")
TEXTS = ["is red", "has long sleeves, a hood and a belt and is warm", "", None, "($) costs $ 5"]
KINDS = ("tiny-native", "tiny-custom", "tiny-both-ways")


def loaded(tiny) -> Backbone:
    return load_backbone(BackboneSpec(tiny.name, str(tiny.weights)), device="cpu")


def pseudo(rows, width=8):
    return np.random.default_rng(3).normal(0, 1, (rows, width)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_come_out_as_the_tower_reads_them_one_by_one(tiny_models, kind):
    backbone = loaded(tiny_models[kind])
    vectors = pseudo(len(TEXTS))
    found = backbone.encode_prompts(PROMPT, vectors, TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (len(TEXTS), backbone.dim)
    for row, text in enumerate(TEXTS):
        ids, position = PROMPT.tokens(backbone.parts_tokenizer, text, backbone.context_length)
        alone = torch.from_numpy(vectors[row : row + 1])
        expected = injected_features(backbone.model, ids[None], [position], alone)
        np.testing.assert_allclose(found[row], expected[0], atol=3e-6)


def test_the_embedding_of_the_dollar_sign_makes_the_prompt_a_text(tiny_models):
    backbone = loaded(tiny_models["tiny-native"])
    dollar = backbone.model.token_embedding(torch.tensor([259])).numpy()
    found = backbone.encode_prompts(PROMPT, dollar, ["is red"])
    np.testing.assert_allclose(
        found, backbone.encode_texts(["a photo of $ that is red"]), atol=3e-6
    )


def test_each_sentence_may_have_a_prompt_of_its_own(tiny_models):
    backbone, vectors = loaded(tiny_models["tiny-native"]), pseudo(2)
    prompts = [PROMPT, Prompt.parse("$ in {}")]
    found = backbone.encode_prompts(prompts, vectors, ["red", "red"])
    for row, prompt in enumerate(prompts):
        alone = backbone.encode_prompts(prompt, vectors[row : row + 1], ["red"])
        np.testing.assert_allclose(found[row], alone[0], atol=3e-6)
    assert not np.allclose(found[0], found[1], atol=1e-2)


def test_no_prompts_are_no_features(tiny_models):
    backbone = loaded(tiny_models["tiny-native"])
    assert backbone.encode_prompts(PROMPT, pseudo(0), []).shape == (0, 12)


def test_what_a_prompt_leaves_of_the_context_decides_what_is_cut(tiny_models):
    backbone = loaded(tiny_models["tiny-native"])
    texts = [" ".join(["red"] * count) for count in (9, 10, 14, 15)]
    assert backbone.cut(texts) == [False, False, False, True]
    assert backbone.cut(texts, PROMPT) == [False, True, True, True]
    short, long = backbone.encode_prompts(PROMPT, pseudo(1).repeat(2, axis=0), [texts[0], texts[3]])
    np.testing.assert_allclose(short, long, atol=3e-6)


def test_pseudo_tokens_of_another_width_are_refused(tiny_models):
    backbone = loaded(tiny_models["tiny-native"])
    assert backbone.token_width == 8
    with pytest.raises(InvalidInput, match=r"are \(1, 9\) for 1 sentences.* are 8 wide"):
        backbone.encode_prompts(PROMPT, pseudo(1, 9), ["red"])


def test_a_pseudo_token_that_is_no_number_is_told(tiny_models):
    vectors = pseudo(3)
    vectors[1] = np.nan
    with pytest.raises(BadFeatures, match=r"1 of the prompts \(rows 1\)"):
        loaded(tiny_models["tiny-native"]).encode_prompts(PROMPT, vectors, ["red"] * 3)


def test_words_are_read_in_a_prompt_as_in_a_text():
    demo = load_backbone(BackboneSpec(), device="cpu", threads=1)
    vectors = pseudo(1, demo.token_width)
    one, many = (demo.encode_prompts(PROMPT, vectors, [text]) for text in ("dress", "dresses"))
    np.testing.assert_allclose(one, many, atol=1e-5)


def test_tokens_are_those_of_the_whole_context(tiny_models):
    tokens = loaded(tiny_models["tiny-native"]).tokenize(["red", "red " * 40])
    assert tokens.shape == (2, 16)
    assert tokens[1, -1] == tokens.max()
