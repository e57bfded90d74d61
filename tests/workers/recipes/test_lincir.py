"""LinCIR: what its step computes, and runs of it on a tiny backbone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from backend.composition.artefact import ComposedModel, load_model
from backend.encoding.prompts import Prompt
from backend.errors import InvalidInput, SetupError
from tests.workers.recipes.inverting import (
    CAPTIONS,
    tiny_model,
    training,
    write_captions,
    write_wardrobe,
)
from workers.recipes import clip_finetune, lincir
from workers.recipes.clip_finetune import ClipFinetuneParameters
from workers.recipes.lincir import LincirParameters, Masked, noisy
from workers.trainer.curves import read_curves

SMALL = {"batch": 8, "steps": 30, "lr": 1e-3, "tagger": "rules", "evaluate_every": 10}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ComposedModel:
    return tiny_model(tmp_path_factory.mktemp("lincir"))


def small(**others: object) -> LincirParameters:
    return LincirParameters.model_validate(SMALL | others)


def test_the_defaults_are_the_published_values():
    found = LincirParameters()
    assert (found.batch, found.steps, found.lr, found.weight_decay) == (512, 20_000, 1e-4, 0.01)
    assert (found.dropout, found.noise, found.schedule, found.warmup) == (0.5, 1.0, "constant", 0)
    assert found.prompt == "a photo of $ that {}"


def test_noise_has_one_length_a_caption_and_another_direction_each():
    torch.manual_seed(0)
    features = torch.zeros(400, 500)
    lengths = noisy(features, 2.0).pow(2).mean(dim=1).sqrt()  # u times the scale, by 500 numbers
    assert 0 <= float(lengths.min()) < 0.1
    assert 1.9 < float(lengths.max()) < 2.2
    assert abs(float(lengths.mean()) - 1) < 0.1  # u is uniform
    assert torch.equal(noisy(features, 0.0), features)


def test_a_step_is_the_error_of_the_masked_caption_read_by_the_frozen_tower(model, tmp_path):
    run, _ = training(
        model, write_captions(tmp_path / "c.txt"), tmp_path / "run", small(noise=0.0, dropout=0.0)
    )
    objective = lincir.lincir_objective(run, run.parameters)  # type: ignore[arg-type]
    rows = np.array([0])
    loss = objective.loss(objective.encode(objective.load(rows, 0)))
    # "a red dress with a green belt": two runs, both of which hold the same pseudo token.
    assert CAPTIONS[0] == "a red dress with a green belt"
    whole = model.backbone.encode_texts([CAPTIONS[0]])
    pseudo = objective.network(torch.from_numpy(whole))
    tower, ids = model.backbone.model, model.backbone.tokenize(["x with x"])
    hidden = tower.token_embedding(ids)
    hidden = torch.stack([hidden[0, 0], pseudo[0], hidden[0, 2], pseudo[0], *hidden[0, 4:]])
    hidden = tower.transformer(
        (hidden + tower.positional_embedding)[None], attn_mask=tower.attn_mask
    )
    found = tower.ln_final(hidden[0, 4]) @ tower.text_projection
    expected = (found - torch.from_numpy(whole[0])).pow(2).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_only_the_network_has_gradients(model, tmp_path):
    run, _ = training(model, write_captions(tmp_path / "c.txt"), tmp_path / "run", small())
    objective = lincir.lincir_objective(run, run.parameters)  # type: ignore[arg-type]
    torch.autograd.backward(objective.loss(objective.encode(objective.load(np.arange(4), 0))))
    assert all(p.grad is not None for p in objective.network.parameters())
    assert all(p.grad is None for p in model.backbone.model.parameters())


def test_captions_too_many_to_keep_are_read_anew_with_the_same_result(model, tmp_path, monkeypatch):
    run, _ = training(model, write_captions(tmp_path / "c.txt"), tmp_path / "run", small())
    rows = np.array([5, 0, 17])
    kept = lincir.lincir_objective(run, run.parameters)  # type: ignore[arg-type]
    monkeypatch.setattr(lincir, "KEPT", 3)
    anew = lincir.lincir_objective(run, run.parameters)  # type: ignore[arg-type]
    one, two = kept.load(rows, 0), anew.load(rows, 0)
    assert isinstance(two, Masked)
    assert torch.equal(one.tokens, two.tokens)
    assert torch.equal(one.marks, two.marks)
    for objective in (kept, anew):
        objective.network.load_state_dict(kept.network.state_dict())
        objective.network.eval()
    torch.manual_seed(3)
    first = kept.encode(one)
    torch.manual_seed(3)
    second = anew.encode(two)
    for a, b in zip(first, second, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_a_run_lowers_its_loss_and_leaves_a_model_that_answers(model, tmp_path):
    run, lines = training(
        model, write_captions(tmp_path / "c.txt"), tmp_path / "run", small(noise=0.1, dropout=0.0)
    )
    outcome = lincir.train(run)
    assert outcome.stopped == "done"
    assert sum(line.loss for line in lines[-5:]) < 0.9 * sum(line.loss for line in lines[:5])
    found = load_model(run.artefact, "cpu", 1, model.backbone)
    assert found.card.recipe == "lincir"
    assert found.card.composer.prompt == "a photo of $ that {}"
    assert found.card.data.counts == {"captions": len(CAPTIONS), "without words": 0}
    assert found.card.note == "Keywords by rules."
    image = np.ones((1, 16), dtype=np.float32)
    (answer,) = found.query_vectors(image, ["is red"])
    assert np.linalg.norm(answer) == pytest.approx(1, abs=1e-5)


def test_captions_read_in_chunks_train_as_all_at_once(model, tmp_path):
    """Without noise and dropout, which are drawn in another order."""
    losses = []
    for chunk in (None, 3):
        run, _ = training(
            model, write_captions(tmp_path / "c.txt"), tmp_path / f"run-{chunk}",
            small(noise=0.0, dropout=0.0, steps=5, chunk=chunk),
        )  # fmt: skip
        lincir.train(run)
        losses.append([line["loss"] for line in read_curves(run.out)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0][0] != losses[0][-1]


def test_an_interrupted_run_ends_as_one_that_was_not(model, tmp_path):
    data = write_captions(tmp_path / "c.txt")
    whole, _ = training(model, data, tmp_path / "whole", small(steps=6))
    lincir.train(whole)
    asked = iter([False] * 3 + [True])
    cut, _ = training(
        model, data, tmp_path / "cut", small(steps=6), cancelled=lambda: next(asked, True)
    )
    assert lincir.train(cut).stopped == "cancelled"
    again, _ = training(model, data, tmp_path / "cut", small(steps=6))
    assert lincir.train(again).stopped == "done"
    weights = (run.artefact / "composer.safetensors" for run in (whole, again))
    assert next(weights).read_bytes() == next(weights).read_bytes()


def test_a_wardrobe_teaches_the_titles_of_its_training_products(model, tmp_path):
    data = write_wardrobe(tmp_path / "wardrobe")
    run, _ = training(model, data, tmp_path / "run", small(steps=4, evaluate_every=2, half=True))
    outcome = lincir.train(run)
    assert set(outcome.figures) >= {"R@1", "R@10", "selected"}
    card = load_model(run.artefact, "cpu", 1, model.backbone).card
    assert card.data.counts["captions"] == 8
    assert card.metrics["choosing"] == dict(outcome.figures)
    assert [line["figures"] for line in read_curves(run.out) if "figures" in line]


def test_the_prompt_is_chosen_on_validation_triplets(model, tmp_path):
    data = write_wardrobe(tmp_path / "wardrobe")
    run, _ = training(model, data, tmp_path / "run", small(steps=2, prompt="auto"))
    lincir.train(run)
    card = load_model(run.artefact, "cpu", 1, model.backbone).card
    tried = card.metrics["prompts"]
    assert "a photo of $ that {}" in tried
    assert tried[card.composer.prompt] == max(tried.values())
    assert card.metrics["choosing"]["selected"] == max(tried.values())


def test_auto_needs_triplets_to_choose_by(model, tmp_path):
    data = write_captions(tmp_path / "c.txt")
    run, _ = training(model, data, tmp_path / "run", small(prompt="auto"))
    with pytest.raises(InvalidInput, match="no validation triplets to choose the prompt by"):
        lincir.train(run)


def test_the_choosing_set_may_be_another_dataset(model, tmp_path):
    data = write_captions(tmp_path / "c.txt")
    other = write_wardrobe(tmp_path / "wardrobe")
    run, _ = training(model, data, tmp_path / "run", small(steps=2, choose=other))
    assert "selected" in lincir.train(run).figures
    assert "choose" not in load_model(run.artefact, "cpu", 1, model.backbone).card.parameters


def test_a_choosing_set_without_triplets_is_refused(model, tmp_path):
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "one.jpg").write_bytes(b"")
    data = write_captions(tmp_path / "c.txt")
    run, _ = training(model, data, tmp_path / "run", small(choose=tmp_path / "p"))
    with pytest.raises(InvalidInput, match="has no validation triplets to choose by"):
        lincir.train(run)


def test_a_prompt_that_is_none_is_refused(model, tmp_path):
    data = write_captions(tmp_path / "c.txt")
    run, _ = training(model, data, tmp_path / "run", small(prompt="a photo of {}"))
    with pytest.raises(InvalidInput, match="no places for the picture"):
        lincir.train(run)


def test_captions_that_say_nothing_are_left_out_and_counted(model, tmp_path):
    path = tmp_path / "c.csv"
    path.write_text("caption\n" + "\n".join([*CAPTIONS, '"$"', '" "']) + "\n")
    run, _ = training(model, path, tmp_path / "run", small(steps=1))
    lincir.train(run)
    counts = load_model(run.artefact, "cpu", 1, model.backbone).card.data.counts
    assert counts == {"captions": len(CAPTIONS), "without words": 2}


def test_a_corpus_without_a_caption_that_says_anything_is_refused(model, tmp_path):
    path = tmp_path / "c.csv"
    path.write_text('caption\n"$"\n" "\n')
    run, _ = training(model, path, tmp_path / "run", small())
    with pytest.raises(InvalidInput, match=r"None of the 2 captions in .* says anything"):
        lincir.train(run)


@pytest.mark.parametrize("protocol", ["default", "published"])
def test_captions_beyond_the_context_and_with_dollars_are_trained_on(model, tmp_path, protocol):
    captions = [f"a ${n} dress " + "and a very long tail of words " * n for n in range(9)]
    data = write_captions(tmp_path / "c.txt", captions)
    run, lines = training(model, data, tmp_path / "run", small(steps=3, protocol=protocol))
    assert lincir.train(run).stopped == "done"
    assert all(np.isfinite(line.loss) for line in lines)


def test_a_batch_larger_than_the_corpus_is_refused(model, tmp_path):
    data = write_captions(tmp_path / "c.txt", CAPTIONS[:5])
    run, _ = training(model, data, tmp_path / "run", small())
    with pytest.raises(InvalidInput, match="A batch of 8 is larger than the data, which holds 5"):
        lincir.train(run)


def test_a_folder_without_captions_is_refused(model, tmp_path):
    (tmp_path / "empty").mkdir()
    run, _ = training(model, tmp_path / "empty", tmp_path / "run", small())
    with pytest.raises(InvalidInput, match="No dataset was recognised"):
        lincir.train(run)


def test_spacy_is_asked_for_only_where_it_is(model, tmp_path):
    from workers.trainer.keywords import keyword_tagger

    assert keyword_tagger("rules").name == "rules"
    try:
        import spacy  # type: ignore[import-not-found]  # noqa: F401
    except ImportError:
        assert keyword_tagger("auto").name == "rules"
        with pytest.raises(SetupError, match="spaCy with its model en_core_web_sm"):
            keyword_tagger("spacy")


def test_the_length_may_be_told_in_epochs(model, tmp_path):
    data = write_captions(tmp_path / "c.txt", CAPTIONS[:16])
    run, _ = training(model, data, tmp_path / "run", small(epochs=2))
    assert lincir.train(run).steps == 4


def test_a_length_in_epochs_is_looked_at_each_epoch():
    assert LincirParameters.given(["epochs=6"]).evaluate_every == 1
    assert LincirParameters.given(["epochs=6", "evaluate_every=2"]).evaluate_every == 2
    assert LincirParameters.given([]).evaluate_every == 1_000


def test_the_default_prompt_is_one(tmp_path: Path):
    assert Prompt.parse(LincirParameters().prompt).order == "pseudo, text"


def test_on_trained_towers_it_keeps_them(tmp_path):
    data, options = write_wardrobe(tmp_path / "data"), ["encoder=text", "epochs=1", "batch=4"]
    towers = ClipFinetuneParameters.given([*options, "lr=0.001"])
    first, _ = training(tiny_model(tmp_path), data, tmp_path / "towers", towers)
    clip_finetune.train(first)
    trained = load_model(first.artefact, "cpu")
    run, _ = training(trained, data, tmp_path / "run", small(steps=2, evaluate_every=2))
    lincir.train(run)
    loaded = load_model(run.artefact, "cpu")
    assert loaded.backbone.text_fingerprint == trained.backbone.text_fingerprint
