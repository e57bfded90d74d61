"""A model's figures on small benchmarks, against towers called and scores sorted one by one."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from backend.composition.artefact import load_model, untrained_model
from backend.encoding.decoding import decode_image
from backend.errors import InvalidInput
from tests.backend.composition.trained_models import KINDS, write_model
from tests.workers.trainer import benchmark_data
from workers.datasets import circo, cirr, coco, fashioniq, genecis, imagenet_r
from workers.datasets.regions import region_bytes
from workers.metrics.benchmarks import BENCHMARKS
from workers.metrics.scores import Similarities
from workers.trainer.benchmarking import WAYS, evaluate, quick_figures
from workers.trainer.composing import text_encoder
from workers.trainer.features import FeatureCache
from workers.trainer.posing import Desk


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return FeatureCache(tmp_path_factory.mktemp("features"))


@pytest.fixture(scope="module")
def models(backbone, tmp_path_factory):
    """The composers that need no training, and a random one of each kind that does."""
    folder = tmp_path_factory.mktemp("models")
    trained = {kind: write_model(folder / kind, backbone, kind) for kind in KINDS}
    return {
        **{name: untrained_model(backbone, name) for name in ("sum", "slerp", "product")},
        **{kind: load_model(path, backbone=backbone) for kind, path in trained.items()},
    }


@pytest.fixture(scope="module")
def dresses(tmp_path_factory):
    return fashioniq.load(benchmark_data.fashioniq(tmp_path_factory.mktemp("fiq")), "val")


def see(backbone, split, name):
    """The feature of a picture, encoded alone, (dim,) float64."""
    region = split.regions.get(name)
    size = backbone.image_size
    path = split.images[name]
    data = region_bytes(path, region, size) if region else path.read_bytes()
    pixels = backbone.preprocessing.pixels(decode_image(data, draft=backbone.preprocessing.draft))
    return backbone.encode_images(pixels[None])[0].astype(np.float64)


def read(backbone, text):
    return backbone.encode_texts([text])[0].astype(np.float64)


def queries_of(found, way):
    """(q, dim) what the first split's gallery was asked with."""
    scorer = found.splits[0].scorers[way]
    assert isinstance(scorer, Similarities)
    return scorer.queries


def unit(vector):
    return vector / np.linalg.norm(vector)


def recall(split, query_of, k, kept=True):
    """Percent of triplets whose target is among the k best, by sorting all scores."""
    hits = []
    for one in split.triplets:
        query = query_of(one)
        names = [name for name in split.gallery if kept or name != one.reference]
        order = sorted(names, key=lambda name: -float(query @ GALLERY[split.name][name]))
        hits.append(one.target in order[:k])
    return 100 * np.mean(hits)


GALLERY: dict[str, dict[str, np.ndarray]] = {}


@pytest.fixture(scope="module", autouse=True)
def gallery(backbone, dresses):
    """The unit features of every dress and shirt, encoded one by one."""
    for split in dresses:
        GALLERY[split.name] = {name: unit(see(backbone, split, name)) for name in split.gallery}


def test_fashioniq_of_the_sum_agrees_with_towers_called_one_by_one(
    backbone, models, dresses, cache
):
    found = evaluate(models["sum"], BENCHMARKS["fashioniq"], dresses, "default", cache).evaluation

    def text(images, one):
        return read(backbone, " and ".join(c.strip(".?, ") for c in one.captions))

    asking = {
        "composed": lambda images, one: images[one.reference] + unit(text(images, one)),
        "image only": lambda images, one: images[one.reference],
        "text only": text,
    }
    for split, group in zip(dresses, ("dress", "shirt"), strict=True):
        images = GALLERY[split.name]
        for way in WAYS:
            row, query_of = found.row(way, group), asking[way]
            for k in (10, 50):
                expected = recall(split, partial(query_of, images), k)
                assert row.figures[f"R@{k}"].value == pytest.approx(expected)
    for way in WAYS:
        mean = np.mean([found.row(way, g).figures["R@10"].value for g in ("dress", "shirt")])
        assert found.row(way, "mean").figures["R@10"].value == pytest.approx(mean)
    assert found.row().group == "mean"
    assert found.row().terms.captions == "first and second"


def test_the_protocol_decides_on_the_reference(models, dresses, backbone, cache):
    found = evaluate(
        models["sum"], BENCHMARKS["fashioniq"], dresses, "published:spn4cir", cache
    ).evaluation
    row = found.row("image only", "dress")
    images = GALLERY[dresses[0].name]
    removed = recall(dresses[0], lambda one: images[one.reference], 10, kept=False)
    assert row.figures["R@10"].value == pytest.approx(removed)
    assert (row.terms.reference, row.terms.protocol) == ("removed", "published:spn4cir")


@pytest.mark.parametrize("kind", ["slerp", "product", "combiner", "phi", "im2text"])
def test_every_composer_is_ranked_by_its_own_scores(models, dresses, cache, kind):
    model, (dress, _) = models[kind], dresses
    protocol = replace(BENCHMARKS["fashioniq"].protocol("default"), captions="first and second")
    found = evaluate(model, BENCHMARKS["fashioniq"], [dress], protocol, cache)
    texts = [" and ".join(c.strip(".?, ") for c in one.captions) for one in dress.triplets]
    pictures = cache.image_features(model.backbone, dress.images)
    references = pictures.take(pictures.rows_of([one.reference for one in dress.triplets]))
    gallery = np.stack([GALLERY[dress.name][n] for n in dress.gallery]).astype(np.float32)
    expected = model.scores(references, texts, gallery)
    scores = found.splits[0].scorers["composed"].scores(slice(None))
    assert scores == pytest.approx(expected, abs=2e-5)
    prompt = model.composer.prompt
    told = found.evaluation.row().terms.prompt
    assert told == (None if prompt is None else prompt.template)


def test_lincir_averages_both_orders_of_the_captions(models, dresses, cache):
    model, (dress, _) = models["phi"], dresses
    found = evaluate(model, BENCHMARKS["fashioniq"], [dress], "default", cache)
    assert found.evaluation.row().terms.captions == "both orders averaged"
    pictures = cache.image_features(model.backbone, dress.images)
    references = pictures.take(pictures.rows_of([one.reference for one in dress.triplets]))
    said = [[c.strip(".?, ") for c in one.captions] for one in dress.triplets]
    orders = [[" and ".join(s[::step]) for s in said] for step in (1, -1)]
    one, two = (model.query_vectors(references, texts) for texts in orders)
    expected = [unit(a + b) for a, b in zip(one, two, strict=True)]
    queries = queries_of(found, "composed")
    assert queries == pytest.approx(np.stack(expected), abs=1e-5)
    assert np.abs(one - two).max() > 1e-3


def test_pic2word_reverses_the_captions(models, dresses, cache):
    found = evaluate(models["im2text"], BENCHMARKS["fashioniq"], dresses, "default", cache)
    assert found.evaluation.row().terms.captions == "second and first"
    wording = found.splits[0].posed.wordings[0].captions[0]
    first, second = (c.strip(".?, ") for c in dresses[0].triplets[0].captions)
    assert wording == f"{second} and {first}"


def test_a_prompt_of_the_protocol_must_be_the_models(models, dresses, cache):
    with pytest.raises(InvalidInput, match=r'"a photo of \$ that \{\}" and the model my-phi in'):
        evaluate(models["phi"], BENCHMARKS["fashioniq"], dresses, "published:lincir", cache)


def test_cirr_has_both_rankings(models, cache, tmp_path):
    splits = cirr.load(benchmark_data.cirr(tmp_path))
    found = evaluate(models["sum"], BENCHMARKS["cirr"], splits, "default", cache).evaluation
    assert [row.asking for row in found.rows] == list(WAYS)
    figures = found.row().figures
    assert list(figures)[-4:] == ["Rs@1", "Rs@2", "Rs@3", "mean(R@5,Rs@1)"]
    mean = (figures["R@5"].value + figures["Rs@1"].value) / 2
    assert figures["mean(R@5,Rs@1)"].value == pytest.approx(mean)
    assert found.row().terms.reference == "removed"


def test_circo_has_a_row_for_each_aspect(models, cache, tmp_path):
    splits = circo.load(benchmark_data.circo(tmp_path))
    found = evaluate(models["combiner"], BENCHMARKS["circo"], splits, "default", cache).evaluation
    groups = [row.group for row in found.rows if row.asking == "composed"]
    assert groups == ["all", "addition", "negation"]
    assert list(found.row("composed", "addition").figures) == ["mAP@10"]
    assert found.row("composed", "addition").queries == 4


def test_genecis_looks_at_objects_cut_out_of_photos(backbone, models, cache, tmp_path):
    splits = genecis.load(benchmark_data.genecis(tmp_path), "change_attribute")
    found = evaluate(models["sum"], BENCHMARKS["genecis"], splits, "default", cache).evaluation
    (split,) = splits
    hits = []
    for one in split.triplets:
        query = unit(see(backbone, split, one.reference)) + unit(read(backbone, one.captions[0]))
        scores = [float(query @ unit(see(backbone, split, name))) for name in one.subset]
        hits.append(scores[0] >= max(scores))
    row = found.row("composed", "change_attribute")
    assert row.figures["R@1"].value == pytest.approx(100 * np.mean(hits))
    assert row.terms.gallery == "own"


def test_coco_asks_in_its_own_sentence_in_both_directions(models, cache, tmp_path):
    splits = coco.load(benchmark_data.coco(tmp_path))
    found = evaluate(models["sum"], BENCHMARKS["coco"], splits, "default", cache)
    sentence = found.splits[0].posed.wordings[0].sentences[0]
    assert sentence == f"a photo of {splits[0].triplets[0].captions[0]}"
    figures = found.evaluation.row().figures
    assert {"R@1", "mean rank", "median rank", "back R@1", "back median rank"} <= figures.keys()
    ranks = found.splits[0].outcomes["composed"].values["median rank"]
    assert figures["median rank"].value == np.median(ranks)


def test_imagenet_keeps_classes_that_a_domain_lacks(models, cache, tmp_path):
    splits = imagenet_r.load(benchmark_data.imagenet(tmp_path))
    found = evaluate(models["sum"], BENCHMARKS["imagenet"], splits, "default", cache).evaluation
    groups = [row.group for row in found.rows if row.asking == "composed"]
    assert groups == ["mean", "cartoon", "origami", "toy", "sculpture"]
    everything = {group: found.row("composed", group).figures["R@200"].value for group in groups}
    # Of six classes, origami lacks one, toy two and sculpture three; each query finds the rest.
    assert everything == pytest.approx(
        {"mean": 75, "cartoon": 100, "origami": 500 / 6, "toy": 400 / 6, "sculpture": 50}
    )
    assert found.row("composed", "sculpture").queries == 12


def test_missing_and_unreadable_pictures_are_counted_and_named(models, cache, tmp_path):
    root = benchmark_data.fashioniq(tmp_path)
    (root / "images/dress007.png").unlink()
    (root / "images/dress008.png").write_text("no picture")
    splits = fashioniq.load(root, "val", ["dress"])
    found = evaluate(models["sum"], BENCHMARKS["fashioniq"], splits, "default", cache).evaluation
    terms = found.row().terms
    lost = [t for t in splits[0].triplets if {t.reference, t.target} & {"dress007", "dress008"}]
    assert lost
    assert (terms.images_found, terms.images_listed) == (58, 60)
    assert (terms.queries_asked, terms.queries_listed) == (30 - len(lost), 30)
    assert "2 of 60 images are missing" in found.remarks[0]
    assert "1 of the missing images are there and cannot be read (dress008)" in found.remarks[1]
    assert found.row().queries == 30 - len(lost)


def test_captions_that_are_cut_or_empty_are_remarked_on(models, cache, dresses):
    first, *rest = dresses[0].triplets
    odd = (
        replace(first, captions=("", " .")),
        replace(rest[0], captions=("very " * 30, "long")),
        *rest[1:],
    )
    splits = [replace(dresses[0], triplets=odd)]
    found = evaluate(models["sum"], BENCHMARKS["fashioniq"], splits, "default", cache).evaluation
    assert found.remarks == (
        "fashioniq/dress/val: 1 of 30 captions are longer than the model reads.",
        "fashioniq/dress/val: 1 of 30 captions are empty.",
    )


def test_a_text_tower_in_training_is_read_as_it_is_now(backbone, models, dresses, cache):
    def text_only(frozen):
        found = evaluate(
            models["sum"], BENCHMARKS["fashioniq"], dresses, "default", cache, frozen_text=frozen
        )
        return queries_of(found, "text only")

    before = text_only(frozen=True)
    assert text_only(frozen=False) == pytest.approx(before, abs=1e-5)
    weights = backbone.model.ln_final.weight.data
    kept = weights.clone()
    try:
        weights *= torch.linspace(0.2, 3.0, len(weights))
        assert np.abs(text_only(frozen=False) - before).max() > 1e-2
    finally:
        weights.copy_(kept)


@pytest.mark.parametrize(("benchmark", "kind"), [("fashioniq", "phi"), ("coco", "combiner")])
def test_a_run_is_steered_by_the_figures_of_the_evaluation(
    models, dresses, cache, tmp_path, benchmark, kind
):
    model, told = models[kind], BENCHMARKS[benchmark]
    splits = dresses if benchmark == "fashioniq" else coco.load(benchmark_data.coco(tmp_path))
    desk = Desk(model, told.protocol("default"), cache, text_encoder(model.backbone))
    quick = quick_figures(model, told, [desk.pose(split) for split in splits])
    row = evaluate(model, told, splits, "default", cache).evaluation.row()
    assert quick == {name: figure.value for name, figure in row.figures.items()}


def test_the_same_evaluation_comes_again(models, dresses, cache):
    first, second = (
        evaluate(models["combiner"], BENCHMARKS["fashioniq"], dresses, "val", cache).evaluation
        for _ in range(2)
    )
    assert first == second
    assert first.row().terms.gallery == "val"
    assert first.row().terms.images_listed < 120
