"""What the figures of a backbone are asked with: nothing that training has seen."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from PIL import Image

from backend.encoding.backbone import BackboneSpec, load_backbone
from backend.encoding.spec import DEMO
from workers.datasets.wardrobe.attributes import CATEGORIES
from workers.datasets.wardrobe.templates import DESCRIBE, MENTION, RELATIVE
from workers.trainer.batches import PHOTO, photo_caption
from workers.trainer.evaluation import PHOTO_FRAME, photo_accuracy


def plain(frame: str) -> str:
    """A frame without the names of its places."""
    for place in ("{x}", "{n}", "{np}", "{adj}", "{colour}"):
        frame = frame.replace(place, "...")
    return frame.lower()


def test_photos_are_asked_for_in_a_frame_that_no_caption_of_the_training_has() -> None:
    trained = [*PHOTO]
    for role in ("train", "choose"):
        trained += DESCRIBE[role]
        trained += [
            frame for kind in (MENTION, RELATIVE) for one in kind[role].values() for frame in one
        ]
    assert plain(PHOTO_FRAME) not in map(plain, trained)
    assert PHOTO_FRAME in DESCRIBE["heldout"]
    rng = Random(0)
    beginning = PHOTO_FRAME.partition("{")[0]
    captions = [photo_caption(category, rng)[0] for category in CATEGORIES for _ in range(200)]
    assert not [caption for caption in captions if caption.startswith(beginning)]


def test_without_photos_there_is_no_figure(tmp_path: Path) -> None:
    assert photo_accuracy(load_backbone(BackboneSpec(DEMO), threads=1), tmp_path) is None


def test_every_photo_counts_for_the_category_of_its_folder(tmp_path: Path) -> None:
    backbone = load_backbone(BackboneSpec(DEMO), threads=1)
    for category in CATEGORIES[:4]:
        (tmp_path / category).mkdir()
        Image.new("RGB", (50, 60), "teal").save(tmp_path / category / "1.jpg")
    # The same picture everywhere: one answer, which is right in one folder of four at the most.
    assert photo_accuracy(backbone, tmp_path) in (0.0, 25.0)


@pytest.mark.parametrize("frame", PHOTO)
def test_the_frames_of_the_training_have_a_place_for_a_noun(frame: str) -> None:
    assert frame.format(n="a dress") != frame
