"""Pic2Word: what its step computes, and runs of it on a tiny backbone."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from backend.composition.artefact import ComposedModel, load_model
from backend.errors import InvalidInput
from tests.backend.search.shop import COLOURS, picture
from tests.workers.recipes.inverting import (
    tiny_model,
    training,
    write_captions,
    write_pictures,
    write_wardrobe,
)
from workers.recipes import pic2word
from workers.recipes.pic2word import Pic2WordParameters, is_vit
from workers.trainer.fitting import CHECKPOINT

SMALL = {"batch": 8, "epochs": 20, "lr": 3e-3, "warmup": 4}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ComposedModel:
    return tiny_model(tmp_path_factory.mktemp("pic2word"))


def small(**others: object) -> Pic2WordParameters:
    return Pic2WordParameters.model_validate(SMALL | others)


def test_the_defaults_are_the_published_values():
    found = Pic2WordParameters()
    assert (found.batch, found.epochs, found.lr, found.weight_decay) == (128, 30, 1e-4, 0.1)
    assert (found.warmup, found.schedule, found.middle) == (10_000, "cosine", 512)
    assert (found.dropout, found.prompt) == (0.1, "a photo of $ , {}")


def test_a_step_is_the_symmetric_loss_of_pictures_and_their_words(model, tmp_path):
    run, _ = training(model, write_pictures(tmp_path / "p"), tmp_path / "run", small(dropout=0.0))
    objective = pic2word.pic2word_objective(run, run.parameters)  # type: ignore[arg-type]
    batch = objective.load(np.arange(3), 0)
    loss = objective.loss(objective.encode(batch))
    # By hand: each word stands behind "a photo of", in the place of EOT, which moves on by one.
    tower = model.backbone.model
    embedded = tower.token_embedding(model.backbone.tokenize(["a photo of x"]))[0]
    images = torch.from_numpy(batch.images)
    texts = []
    for word in objective.network(images):
        hidden = torch.stack([*embedded[:4], word, *embedded[5:]]) + tower.positional_embedding
        hidden = tower.transformer(hidden[None], attn_mask=tower.attn_mask)
        texts.append(tower.ln_final(hidden[0, 5]) @ tower.text_projection)
    rows = [image / image.norm() for image in images]
    columns = [text / text.norm() for text in texts]
    scale = math.exp(float(tower.logit_scale))
    logits = torch.stack([torch.stack([scale * i @ t for t in columns]) for i in rows])
    sides = [-(one.log_softmax(1).diagonal().mean()) for one in (logits, logits.T)]
    assert loss.item() == pytest.approx(((sides[0] + sides[1]) / 2).item(), rel=1e-4)


def test_only_the_network_has_gradients(model, tmp_path):
    run, _ = training(model, write_pictures(tmp_path / "p"), tmp_path / "run", small())
    objective = pic2word.pic2word_objective(run, run.parameters)  # type: ignore[arg-type]
    torch.autograd.backward(objective.loss(objective.encode(objective.load(np.arange(4), 0))))
    assert all(p.grad is not None for p in objective.network.parameters())
    assert all(p.grad is None for p in model.backbone.model.parameters())


def test_pictures_that_are_the_same_are_no_negatives_of_one_another(model, tmp_path):
    folder = write_pictures(tmp_path / "p")
    for name in ("a", "b"):
        (folder / f"{name}.jpg").write_bytes(picture("cyan"))
    run, _ = training(model, folder, tmp_path / "run", small(dropout=0.0))
    objective = pic2word.pic2word_objective(run, run.parameters)  # type: ignore[arg-type]
    twins = objective.load(np.array([0, 1]), 0)
    assert twins.groups[0] == twins.groups[1]
    assert objective.loss(objective.encode(twins)).item() == pytest.approx(0, abs=1e-6)


def test_a_run_lowers_its_loss_and_leaves_a_model_that_answers(model, tmp_path):
    run, lines = training(model, write_pictures(tmp_path / "p"), tmp_path / "run", small())
    assert pic2word.train(run).stopped == "done"
    assert sum(line.loss for line in lines[-5:]) < 0.9 * sum(line.loss for line in lines[:5])
    found = load_model(run.artefact, "cpu", 1, model.backbone)
    assert found.card.recipe == "pic2word"
    assert found.card.composer.prompt == "a photo of $ , {}"
    assert found.card.data.counts == {"pictures": 16, "named": 16}
    (answer,) = found.query_vectors(np.ones((1, 16), dtype=np.float32), ["is red"])
    assert np.linalg.norm(answer) == pytest.approx(1, abs=1e-5)


def test_half_precision_halves_the_weights_and_answers_alike(model, tmp_path):
    folder = write_pictures(tmp_path / "p")
    answers = []
    sizes = []
    for half in (False, True):
        run, _ = training(model, folder, tmp_path / f"run-{half}", small(epochs=1, half=half))
        pic2word.train(run)
        found = load_model(run.artefact, "cpu", 1, model.backbone)
        sizes.append((run.artefact / "composer.safetensors").stat().st_size)
        answers.append(found.query_vectors(np.ones((1, 16), dtype=np.float32), ["is red"])[0])
    assert sizes[1] < 0.51 * sizes[0]
    assert float(answers[0] @ answers[1]) > 0.9999


@pytest.mark.parametrize("protocol", ["default", "published"])
def test_an_interrupted_run_ends_as_one_that_was_not(model, tmp_path, protocol):
    folder = write_pictures(tmp_path / "p")
    wanted = small(epochs=3, protocol=protocol)
    whole, _ = training(model, folder, tmp_path / "whole", wanted)
    pic2word.train(whole)
    asked = iter([False] * 3 + [True])
    cut, _ = training(model, folder, tmp_path / "cut", wanted, cancelled=lambda: next(asked, True))
    assert pic2word.train(cut).stopped == "cancelled"
    assert (tmp_path / "cut" / CHECKPOINT).is_file()
    again, _ = training(model, folder, tmp_path / "cut", wanted)
    assert pic2word.train(again).stopped == "done"
    one, two = (run.artefact / "composer.safetensors" for run in (whole, again))
    assert one.read_bytes() == two.read_bytes()


def test_the_published_protocol_looks_at_new_crops_each_epoch(model, tmp_path):
    run, _ = training(
        model, write_pictures(tmp_path / "p"), tmp_path / "run", small(protocol="published")
    )
    objective = pic2word.pic2word_objective(run, run.parameters)  # type: ignore[arg-type]
    striped = np.array([list(objective.pictures.names).index("red-striped.jpg")])
    first, again, other = (objective.load(striped, epoch).images for epoch in (0, 0, 1))
    assert first.shape == (1, 3, 32, 32)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    images, texts, _ = objective.encode(objective.load(np.arange(4), 0))
    assert images.shape == texts.shape == (4, 16)


def test_a_warm_up_is_at_most_a_tenth_of_the_run_unless_published():
    assert pic2word._warmup(Pic2WordParameters(epochs=100), 1_280) == 100
    assert pic2word._warmup(Pic2WordParameters(epochs=100, warmup=7), 1_280) == 7
    published = Pic2WordParameters(epochs=100, protocol="published")
    assert pic2word._warmup(published, 1_280) == 10_000


def test_the_kind_of_image_tower_is_known(model):
    assert is_vit(model.backbone)


def test_a_wardrobe_teaches_its_training_pictures_and_chooses_by_its_triplets(model, tmp_path):
    run, _ = training(
        model,
        write_wardrobe(tmp_path / "wardrobe"),
        tmp_path / "run",
        small(epochs=2, prompt="auto"),
    )
    outcome = pic2word.train(run)
    card = load_model(run.artefact, "cpu", 1, model.backbone).card
    assert card.data.counts == {"pictures": 8, "named": 8}
    assert "selected" in outcome.figures
    tried = card.metrics["prompts"]
    assert tried[card.composer.prompt] == max(tried.values())


def test_pictures_come_from_captioned_files_too(model, tmp_path):
    write_pictures(tmp_path / "data" / "images")
    rows = [f"images/{colour}.jpg\t{colour}" for colour in COLOURS]
    path = tmp_path / "data" / "cc.tsv"
    path.write_text("\n".join(["filepath\ttitle", *rows]) + "\n")
    run, _ = training(model, path, tmp_path / "run", small(epochs=1))
    pic2word.train(run)
    card = load_model(run.artefact, "cpu", 1, model.backbone).card
    assert (card.data.description, card.data.counts["pictures"]) == ("captioned pictures", 8)


def test_captions_without_pictures_are_refused(model, tmp_path):
    data = write_captions(tmp_path / "c.txt")
    run, _ = training(model, data, tmp_path / "run", small())
    with pytest.raises(InvalidInput, match=r"Caption 1 of .* has no picture"):
        pic2word.train(run)


def test_a_catalogue_teaches_the_pictures_of_its_training_products(model, tmp_path):
    write_pictures(tmp_path / "shop" / "images")
    lines = [
        {"sku": colour, "title": colour, "split": split, "images": [f"images/{colour}.jpg"]}
        for colour, split in zip(COLOURS, ["train"] * 6 + ["val"] * 2, strict=True)
    ]
    (tmp_path / "shop" / "products.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    run, _ = training(model, tmp_path / "shop", tmp_path / "run", small(batch=6, epochs=1))
    pic2word.train(run)
    card = load_model(run.artefact, "cpu", 1, model.backbone).card
    assert card.data.counts["pictures"] == 6


def test_unreadable_pictures_are_counted_and_named(model, tmp_path):
    folder = write_pictures(tmp_path / "p")
    (folder / "broken.jpg").write_bytes(b"no picture")
    run, _ = training(model, folder, tmp_path / "run", small(epochs=1))
    pic2word.train(run)
    card = load_model(run.artefact, "cpu", 1, model.backbone).card
    assert card.data.counts == {"pictures": 16, "named": 17}
    assert "1 of 17 pictures cannot be used, first broken.jpg:" in card.note


def test_a_folder_of_unreadable_pictures_is_refused(model, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "broken.jpg").write_bytes(b"no picture")
    run, _ = training(model, tmp_path / "p", tmp_path / "run", small())
    with pytest.raises(InvalidInput, match="1 of 1 pictures cannot be used"):
        pic2word.train(run)


def test_a_batch_larger_than_the_pictures_is_refused(model, tmp_path):
    run, _ = training(model, write_pictures(tmp_path / "p"), tmp_path / "run", small(batch=128))
    with pytest.raises(InvalidInput, match="A batch of 128 is larger than the data"):
        pic2word.train(run)
