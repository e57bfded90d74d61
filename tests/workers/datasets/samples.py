"""Small files in the published layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def write_images(folder: Path, *names: str, size: tuple[int, int] = (8, 8)) -> None:
    """A picture for each name, which has its ending."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, "navy").save(path)


def fashioniq(root: Path, captions: str = "captions") -> Path:
    """Two categories of validation triplets over one gallery image that both have."""
    for category, ids in {"dress": ("d1", "d2", "both"), "shirt": ("both", "s1", "s2")}.items():
        rows = [
            {"target": ids[1], "candidate": ids[0], "captions": ["is red.", "has long sleeves "]},
            {"target": ids[2], "candidate": ids[1], "captions": ["", "and blue"]},
        ]
        write_json(root / captions / f"cap.{category}.val.json", rows)
        write_json(root / "image_splits" / f"split.{category}.val.json", list(ids))
    return root


def cirr(root: Path, texts: str = "cirr", extension: str = "png") -> Path:
    """Two validation pairs in one set of six; the pictures lie in `root`/dev."""
    names = [f"dev-{n}-0-img0" for n in range(7)]
    rows = [
        {
            "pairid": 12063 + number,
            "reference": names[number],
            "target_hard": names[number + 1],
            "target_soft": {names[number + 1]: 1.0},
            "caption": "show two of them",
            "img_set": {"id": 11, "members": names[:6], "reference_rank": 3, "target_rank": 4},
        }
        for number in range(2)
    ]
    write_json(root / texts / "captions/cap.rc2.val.json", rows)
    listed = {name: f"./dev/{name}.png" for name in names}
    write_json(root / texts / "image_splits/split.rc2.val.json", listed)
    write_images(root / "dev", *(f"{name}.{extension}" for name in names))
    return root


def circo(root: Path, photos: str = "COCO2017_unlabeled") -> Path:
    """Two queries over five photos."""
    rows = [
        {
            "reference_img_id": 11,
            "target_img_id": 12,
            "relative_caption": "is at night",
            "shared_concept": "a dog",
            "gt_img_ids": [12, 13],
            "id": 0,
            "semantic_aspects": ["addition", "viewpoint"],
        },
        {
            "reference_img_id": 14,
            "target_img_id": 15,
            "relative_caption": "has no ball",
            "shared_concept": "a cat",
            "gt_img_ids": [15],
            "id": 1,
            "semantic_aspects": [],
        },
    ]
    write_json(root / "annotations/val.json", rows)
    images = [{"id": n, "file_name": f"{n:012}.jpg"} for n in (15, 11, 12, 13, 14)]
    write_json(root / photos / "annotations/image_info_unlabeled2017.json", {"images": images})
    write_images(root / photos / "unlabeled2017", *(f"{n:012}.jpg" for n in range(11, 16)))
    return root
