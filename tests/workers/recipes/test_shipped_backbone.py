"""The backbone that ships with Akin is as good as it has to be: it takes minutes to see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from backend.encoding.loading import CARD
from backend.encoding.spec import DEMO
from workers.trainer.evaluation import PHOTO_FRAME, composed_recall, photo_accuracy, questions

FOLDER = Path(__file__).parents[3] / "backend" / "encoding" / "akin_demo"
PHOTOS = Path(__file__).parents[4] / "shared" / "data" / "clothing" / "validation"
R_AT_10, ZERO_SHOT = 75.0, 50.0
"""Percent: what it is to reach at least."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return load_backbone(BackboneSpec(DEMO), threads=1)


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / CARD).read_text())["figures"]
    return found


def test_it_finds_what_is_asked_for_among_families_it_never_saw(backbone, figures):
    recall = composed_recall(backbone, questions(backbone, "heldout", 300))
    assert recall["sum"][10] >= R_AT_10
    assert recall["sum"][10] > max(recall["image"][10], recall["text"][10])
    told = {name: figures["wardrobe"][name]["R@10"] for name in recall}
    assert {name: found[10] for name, found in recall.items()} == pytest.approx(told, abs=0.5)


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="../shared/data/clothing is not there")
def test_it_names_what_photos_show(backbone, figures):
    accuracy = photo_accuracy(backbone, PHOTOS)
    assert accuracy is not None
    assert accuracy >= ZERO_SHOT
    assert accuracy == pytest.approx(figures["photos_zero_shot_top1"], abs=1.0)
    assert figures["photos_prompt"] == PHOTO_FRAME
