"""The demo backbone's training: what is true of a picture, the loss, and a resumed run."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import open_clip
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from backend.encoding.backbone import BackboneSpec, load_backbone
from backend.errors import InvalidInput
from workers.datasets.wardrobe.attributes import CATEGORIES
from workers.datasets.wardrobe.families import families
from workers.datasets.wardrobe.garments import random_garment
from workers.recipes import backbone as recipe
from workers.trainer import checkpoints
from workers.trainer.batches import Batches, Mixture, caption_of, contrast, look_again
from workers.trainer.claims import UNKNOWN, caption_codes, judge, picture_codes
from workers.trainer.contrastive import Schedule, Trainer, parameter_groups
from workers.trainer.losses import multi_positive_loss
from workers.trainer.pictures import drawn_pictures, load_photos, photo_files

TINY = {
    "embed_dim": 8,
    "vision_cfg": {
        "timm_model_name": "test_resnet.r160_in1k",
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": 32,
    },
    "text_cfg": {"context_length": 48, "vocab_size": 49408, "width": 8, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    return drawn_pictures(tmp_path_factory.mktemp("drawn"), count=8, size=36, workers=1)


@pytest.fixture(scope="session")
def photo_folder(tmp_path_factory):
    """A folder as of photos: one picture a category, in train and in validation."""
    folder = tmp_path_factory.mktemp("photos")
    for split in ("train", "validation"):
        for i, category in enumerate(CATEGORIES):
            path = folder / split / category / "one.jpg"
            path.parent.mkdir(parents=True)
            Image.new("RGB", (40, 50), (20 * i, 200 - 20 * i, 90)).save(path)
    return folder


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setattr(recipe, "ARCHITECTURE", TINY)
    monkeypatch.setattr(recipe, "FIRST_SIZE", 24)
    monkeypatch.setattr(recipe, "STORED", 36)


def batches(drawn, photos=None, seed=0, steps=6):
    return Batches(drawn, photos, Mixture(size=24, captions=20), recipe.stages(steps), seed)


@given(st.integers(0, 2**32))
@settings(max_examples=150, deadline=None)
def test_a_caption_is_true_of_exactly_the_looks_that_have_what_it_claims(seed):
    rng = Random(seed)
    looks = [random_garment(rng) for _ in range(12)]
    text, claims = caption_of(looks[0], looks, rng)
    codes = np.stack([picture_codes(look.visible()) for look in looks])
    true, unsure = judge(caption_codes(claims)[None], codes)
    assert text
    assert true[0, 0]
    assert not unsure.any()
    assert true[0].tolist() == [claims <= set(look.visible().items()) for look in looks]


def test_of_a_photo_only_its_category_can_be_told():
    photo = picture_codes({"category": "dress"}, UNKNOWN)[None]
    said = [
        {("category", "dress")},
        {("category", "hat")},
        {("colour", "red")},
        {("category", "dress"), ("colour", "red")},
        {("category", "hat"), ("colour", "red")},
    ]
    true, unsure = judge(np.stack([caption_codes(claims) for claims in said]), photo)
    assert true[:, 0].tolist() == [True, False, False, False, False]
    assert unsure[:, 0].tolist() == [False, False, True, True, False]


def test_a_contrast_claims_what_is_and_says_what_is_not():
    rng = Random(1)
    looks = [random_garment(rng, category="shirt") for _ in range(30)]
    for look in looks[1:]:
        _, claims = contrast(look, looks[0], rng)
        assert claims <= set(look.visible().items())


def test_the_loss_is_the_cross_entropy_over_all_positives_without_the_unsure():
    torch.manual_seed(0)
    images, texts, scale = torch.randn(4, 6), torch.randn(3, 6), torch.tensor(5.0)
    true = torch.tensor([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]], dtype=torch.bool)
    unsure = torch.tensor([[0, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]], dtype=torch.bool)
    unit = torch.nn.functional.normalize
    logits = (scale * unit(texts, dim=1) @ unit(images, dim=1).T).double()

    def one_way(scores, positive, left_out):
        losses = []
        for row, yes, out in zip(scores, positive, left_out, strict=True):
            total = row[~out].exp().sum().log()
            losses.append(torch.stack([total - score for score in row[yes]]).mean())
        return torch.stack(losses).mean()

    expected = (one_way(logits, true, unsure) + one_way(logits.T, true.T, unsure.T)) / 2
    loss = multi_positive_loss(images, texts, scale, true, unsure)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_a_picture_without_a_true_caption_leaves_the_loss_finite():
    features = torch.randn(3, 4, requires_grad=True)
    true = torch.tensor([[1, 0, 0], [1, 0, 0]], dtype=torch.bool)
    unsure = torch.tensor([[0, 1, 1], [0, 1, 0]], dtype=torch.bool)
    loss = multi_positive_loss(features, torch.randn(2, 4), torch.tensor(9.0), true, unsure)
    loss.backward()
    assert torch.isfinite(loss)
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()


def test_half_of_a_batch_is_whole_families(drawn):
    rows, photos = batches(drawn)._choose(0.0, np.random.default_rng(0))
    assert [row[1] for row in rows[:12]] == [*range(6), *range(6)]
    assert len(rows) == 24
    assert photos == []


def test_a_batch_is_a_function_of_seed_and_step(tiny, drawn, photo_folder):
    photos = load_photos(photo_folder / "train", recipe.preprocessing(36))
    first, again = batches(drawn, photos).batch(3), batches(drawn, photos).batch(3)
    other = batches(drawn, photos).batch(4)
    assert torch.equal(first.images, again.images)
    assert first.texts == again.texts
    assert first.texts != other.texts
    assert first.images.shape == (24, 3, 32, 32)
    assert first.true.shape == (20, 24)
    assert first.true.any(axis=1).all()


def test_looking_again_at_full_frame_changes_nothing_but_the_side():
    pixels = torch.randint(0, 256, (2, 3, 20, 20), dtype=torch.uint8)
    numbers = np.random.default_rng(3)
    seen = look_again(pixels, 20, numbers, zoom=(1.0, 1.0))
    flipped = torch.stack([pixels, pixels.flip(3)])
    assert all(
        (flipped[:, i].float() - seen[i].float()).abs().mean(dim=(1, 2, 3)).min() < 30
        for i in range(2)
    )


def test_training_pictures_are_drawn_once_and_belong_to_the_training_role(tmp_path):
    first = drawn_pictures(tmp_path, 3, 24, workers=1)
    written = next(tmp_path.glob("pictures-*.npy")).stat().st_mtime_ns
    again = drawn_pictures(tmp_path, 3, 24, workers=1)
    assert next(tmp_path.glob("pictures-*.npy")).stat().st_mtime_ns == written
    np.testing.assert_array_equal(first.pixels, again.pixels)
    assert first.pixels.shape == (3, 6, 3, 24, 24)
    held_out = {item.garment for f in families("heldout", 50) for item in f.items}
    assert held_out.isdisjoint(look for looks in first.garments for look in looks)


def trained(drawn, out, steps, stop=None):
    """A run of `steps`, cut off after `stop` steps if given, as a kill would."""
    out.mkdir(exist_ok=True)
    trainer = Trainer(recipe.new_model(0), Schedule(steps, warmup=2), bf16=False)
    recipe.run(trainer, batches(drawn), stop or steps, out, save_seconds=1e9, every=10**9)
    return trainer


def test_a_resumed_run_equals_an_uninterrupted_one_to_the_last_bit(drawn, tiny, tmp_path):
    whole = trained(drawn, tmp_path / "whole", steps=6)
    trained(drawn, tmp_path / "cut", steps=6, stop=3)
    resumed = trained(drawn, tmp_path / "cut", steps=6)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, resumed.model.state_dict()[name]), name
    for one, two in zip(
        whole.optimiser.state.values(), resumed.optimiser.state.values(), strict=True
    ):
        assert torch.equal(one["exp_avg_sq"], two["exp_avg_sq"])
    assert whole.scheduler.get_last_lr() == resumed.scheduler.get_last_lr()
    lines = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").open()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6]


def test_a_checkpoint_of_another_architecture_is_told(drawn, tiny, tmp_path, monkeypatch):
    trained(drawn, tmp_path, steps=1)
    monkeypatch.setattr(recipe, "ARCHITECTURE", {**TINY, "embed_dim": 12})
    with pytest.raises(InvalidInput, match="does not fit this run \\(model\\)"):
        trained(drawn, tmp_path, steps=2)


def test_a_checkpoint_is_written_aside_and_never_executed(tmp_path):
    layer = torch.nn.Linear(2, 2)
    state = checkpoints.Progress(step=5, seconds=1.5)
    checkpoints.save(tmp_path / "c.pt", state, model=layer)
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]
    assert checkpoints.restore(tmp_path / "c.pt", model=layer) == state


def test_token_embeddings_and_vectors_do_not_decay():
    model = open_clip.CLIP(**TINY)
    decayed, kept = parameter_groups(model, 0.05)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    assert decayed["weight_decay"] == 0.05
    assert kept["weight_decay"] == 0.0
    assert "token_embedding.weight" in {names[id(p)] for p in kept["params"]}
    assert all(p.ndim >= 2 for p in decayed["params"])


def test_the_learning_rate_warms_up_and_ends_at_zero():
    schedule = Schedule(steps=100, warmup=10)
    factors = [schedule.factor(step) for step in range(101)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[10] == pytest.approx(1.0)
    assert factors[100] == pytest.approx(0.0)


@pytest.mark.slow
def test_a_run_from_the_command_line_ends_in_a_folder_that_loads(tiny, tmp_path, photo_folder):
    options = ["--out", str(tmp_path), "--photos", str(photo_folder), "--steps", "2"]
    options += ["--families", "4", "--batch", "24", "--threads", "1", "--held-out", "6"]
    options += ["--evaluate-every", "2"]
    result = CliRunner().invoke(recipe.app, ["train", *options], catch_exceptions=False)
    assert result.exit_code == 0
    assert "R@10" in result.output
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card["steps"] == 2
    assert set(card["figures"]["wardrobe"]["sum"]) == {"R@1", "R@5", "R@10", "R@50"}
    assert 0 <= card["figures"]["photos_zero_shot_top1"] <= 100
    assert card["mean_norms"] == pytest.approx({"image": 10.0, "text": 10.0}, abs=0.05)
    backbone = load_backbone(BackboneSpec(f"local-dir:{tmp_path / 'model'}"), device="cpu")
    assert backbone.dim == 8
    assert backbone.image_mean is not None
    assert backbone.preprocessing == recipe.preprocessing(32)


@pytest.mark.slow
def test_without_photos_the_card_says_so(tiny, tmp_path):
    options = ["--out", str(tmp_path), "--steps", "1", "--families", "4", "--batch", "12"]
    options += ["--threads", "1", "--held-out", "6"]
    CliRunner().invoke(recipe.app, ["train", *options], catch_exceptions=False)
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card["figures"]["photos_zero_shot_top1"] is None


def test_photos_that_are_not_there_are_told(tiny, tmp_path):
    options = ["train", "--out", str(tmp_path), "--photos", str(tmp_path / "nowhere")]
    result = CliRunner().invoke(recipe.app, options)
    assert isinstance(result.exception, InvalidInput)
    assert "no photos in" in result.exception.sentence


SHARED = Path(__file__).parents[4] / "shared" / "data" / "clothing"


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/clothing is not there")
def test_real_photos_are_read_with_their_categories():
    files = list(photo_files(SHARED / "validation"))
    assert len(files) == 341
    assert {category for category, _ in files} == set(CATEGORIES)
