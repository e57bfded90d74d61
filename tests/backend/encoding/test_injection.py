"""Pseudo tokens in text towers, against the whole forward pass written out."""

from __future__ import annotations

import open_clip
import pytest
import torch
from open_clip.hf_model import HFTextEncoder
from torch import nn

from backend.encoding.injection import (
    appended_features,
    check_injectable,
    injected_features,
    token_width,
)
from backend.encoding.towers import text_features, text_tower, trims
from backend.errors import InvalidInput

VIT = {"layers": 1, "width": 16, "head_width": 8, "patch_size": 8, "image_size": 16}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 2}
CONTEXT, WIDTH, DIM = 16, 8, 12
SENTENCES = ["a photo of a red dress", "a", "a long dress with a hood and short blue sleeves, very"]

KINDS = {
    "native": (open_clip.CLIP, TEXT),
    "custom": (open_clip.CustomTextCLIP, TEXT),
    "custom with a bias": (open_clip.CustomTextCLIP, {**TEXT, "proj_bias": True}),
    "eos": (open_clip.CustomTextCLIP, {**TEXT, "pool_type": "eos", "eos_id": 49407}),
    "native both ways": (open_clip.CLIP, {**TEXT, "no_causal_mask": True}),
    "SigLIP": (open_clip.CustomTextCLIP, {**TEXT, "no_causal_mask": True, "pool_type": "last"}),
}
CAUSAL = ("native", "custom", "custom with a bias", "eos")
every_tower = pytest.mark.parametrize("kind", KINDS)


def made(kind: str):
    torch.manual_seed(5)
    make, text_cfg = KINDS[kind]
    model = make(embed_dim=DIM, vision_cfg=VIT, text_cfg=text_cfg).eval().requires_grad_(False)
    for parameter in text_tower(model).transformer.parameters():
        parameter.mul_(3)  # or the layers would hardly change what goes through them
    return model


def tokens(sentences=SENTENCES):
    return open_clip.SimpleTokenizer(context_length=CONTEXT)(sentences)


def drawn(rows, seed=0):
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed))


def written_out(model, ids, marked, pseudo, pool):
    """The forward pass over the whole context, with pseudo[r] wherever row r is marked."""
    tower = text_tower(model)
    hidden = tower.token_embedding(ids).clone()
    for row, position in marked.nonzero().tolist():
        hidden[row, position] = pseudo[row]
    hidden = tower.transformer(hidden + tower.positional_embedding, attn_mask=tower.attn_mask)
    hidden = tower.ln_final(hidden)
    pooled = torch.stack([hidden[row, position] for row, position in enumerate(pool)])
    project = tower.text_projection
    return project(pooled) if isinstance(project, nn.Linear) else pooled @ project


def pooled_at(kind, ids):
    if kind == "SigLIP":
        return [CONTEXT - 1] * len(ids)
    return (ids == 49407).int().argmax(dim=1).tolist()


@every_tower
def test_a_pseudo_token_takes_the_place_of_one_word(kind):
    model, ids, pseudo = made(kind), tokens(), drawn(3)
    positions = [4, 1, 6]
    marked = torch.zeros_like(ids, dtype=torch.bool)
    for row, position in enumerate(positions):
        marked[row, position] = True
    expected = written_out(model, ids, marked, pseudo, pooled_at(kind, ids))
    assert trims(model) == (kind in CAUSAL)
    torch.testing.assert_close(
        injected_features(model, ids, positions, pseudo), expected, atol=3e-6, rtol=1e-5
    )
    torch.testing.assert_close(
        injected_features(model, ids, marked, pseudo), expected, atol=3e-6, rtol=1e-5
    )
    assert not torch.allclose(expected, text_features(model, ids), atol=1e-2)


@every_tower
def test_one_pseudo_token_may_stand_in_several_places_of_its_row(kind):
    model, ids, pseudo = made(kind), tokens(), drawn(3)
    marked = torch.zeros_like(ids, dtype=torch.bool)
    for row, places in enumerate([(1, 2, 6), (1,), (3, 9)]):
        marked[row, list(places)] = True
    expected = written_out(model, ids, marked, pseudo, pooled_at(kind, ids))
    found = injected_features(model, ids, marked, pseudo)
    torch.testing.assert_close(found, expected, atol=3e-6, rtol=1e-5)


@every_tower
def test_the_embedding_of_a_word_put_in_its_own_place_changes_nothing(kind):
    model, ids = made(kind), tokens()
    own = text_tower(model).token_embedding(ids[:, 1])
    found = injected_features(model, ids, [1] * 3, own)
    torch.testing.assert_close(found, text_features(model, ids), atol=3e-6, rtol=1e-5)


@every_tower
def test_the_gradient_reaches_the_pseudo_token_as_finite_differences_say(kind):
    model, ids = made(kind).double(), tokens()
    pseudo = drawn(3).double().requires_grad_(True)
    features = injected_features(model, ids, [1] * 3, pseudo)
    features[1].sum().backward()
    assert pseudo.grad[1].abs().max() > 1e-4
    assert pseudo.grad[[0, 2]].abs().max() == 0, "a row has its own pseudo token alone"
    assert torch.autograd.gradcheck(
        lambda vectors: injected_features(model, ids, [1] * 3, vectors), pseudo, atol=1e-8
    )
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_class_token_behind_the_text_sees_the_pseudo_token():
    torch.manual_seed(5)
    text_cfg = {**TEXT, "embed_cls": True}
    model = open_clip.CustomTextCLIP(embed_dim=DIM, vision_cfg=VIT, text_cfg=text_cfg).eval()
    ids = tokens()
    own = model.text.token_embedding(ids[:, 1])
    same = injected_features(model, ids, [1] * 3, own)
    torch.testing.assert_close(same, model.encode_text(ids), atol=3e-6, rtol=1e-5)
    other = injected_features(model, ids, [1] * 3, drawn(3))
    assert not torch.allclose(other, same, atol=1e-2)


# Pic2Word's training form


@pytest.mark.parametrize("kind", ["native", "custom", "eos", "native both ways"])
def test_an_appended_pseudo_token_moves_the_end_on_by_one(kind):
    model, ids, pseudo = made(kind), tokens(), drawn(3)
    ends = pooled_at(kind, ids)
    moved, marked = torch.zeros_like(ids), torch.zeros_like(ids, dtype=torch.bool)
    for row, end in enumerate(ends):
        words = ids[row].tolist()
        moved[row] = torch.tensor([*words[:end], 5, *words[end:-1]])
        marked[row, end] = True
    expected = written_out(model, moved, marked, pseudo, [end + 1 for end in ends])
    found = appended_features(model, ids, pseudo)
    torch.testing.assert_close(found, expected, atol=3e-6, rtol=1e-5)


def test_appended_to_a_photo_of_is_the_prompt_with_its_place_at_the_end():
    model, pseudo = made("native"), drawn(2)
    appended = appended_features(model, tokens(["a photo of"] * 2), pseudo)
    injected = injected_features(model, tokens(["a photo of $"] * 2), [4, 4], pseudo)
    torch.testing.assert_close(appended, injected)


def test_nothing_can_be_appended_to_a_full_text_or_without_an_end():
    with pytest.raises(InvalidInput, match="fills the whole context"):
        appended_features(made("native"), tokens(["red " * 30]), drawn(1))
    with pytest.raises(InvalidInput, match="does not pool at the end of the text"):
        appended_features(made("SigLIP"), tokens(), drawn(3))


# Towers that take none


def test_a_hugging_face_tower_is_refused():
    model = made("custom")
    tower = HFTextEncoder.__new__(HFTextEncoder)  # its weights would have to be fetched
    nn.Module.__init__(tower)
    model.text = tower
    for refused in (
        lambda: check_injectable(model),
        lambda: token_width(model),
        lambda: injected_features(model, tokens(), [1] * 3, drawn(3)),
        lambda: appended_features(model, tokens(), drawn(3)),
    ):
        with pytest.raises(InvalidInput, match="text tower is a Hugging Face model"):
            refused()


def test_a_pseudo_token_is_as_wide_as_the_words():
    assert token_width(made("native")) == token_width(made("SigLIP")) == WIDTH
