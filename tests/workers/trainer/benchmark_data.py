"""Small benchmarks in the published layouts, whose pictures all differ."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from tests.workers.datasets.samples import write_json

WORDS = ("red", "longer", "with dots", "shorter sleeves", "no collar", "two of them", "at night")
ASPECTS = ("negation", "addition", "viewpoint")


def paint(folder: Path, *names: str) -> None:
    """A picture of eight random colours for each name, which has its ending."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        seed = [ord(letter) for letter in name]
        colours = np.random.default_rng(seed).integers(0, 256, (2, 4, 3), dtype=np.uint8)
        Image.fromarray(colours).resize((40, 32), Image.Resampling.NEAREST).save(path)


def fashioniq(root: Path, images: int = 60, queries: int = 30) -> Path:
    """Dresses and shirts, each with triplets over a gallery of its own."""
    for category in ("dress", "shirt"):
        names = [f"{category}{n:03d}" for n in range(images)]
        rng = np.random.default_rng(len(category))
        rows = []
        for _ in range(queries):
            reference, target = rng.choice(images, 2, replace=False)
            one, two = rng.choice(WORDS, 2, replace=False)
            rows.append(
                {
                    "candidate": names[reference],
                    "target": names[target],
                    "captions": [f"is {one}.", f"{two} "],
                }
            )
        write_json(root / f"captions/cap.{category}.val.json", rows)
        write_json(root / f"image_splits/split.{category}.val.json", names)
        paint(root / "images", *(f"{name}.png" for name in names))
    return root


def cirr(root: Path, split: str = "val", images: int = 66, queries: int = 20) -> Path:
    """Pairs over sets of six; a test split has no targets."""
    place = {"val": "dev", "test1": "test1"}[split]
    names = [f"{place}-{n}-0-img0" for n in range(images)]
    rng = np.random.default_rng(7)
    rows = []
    for number in range(queries):
        members = [names[n] for n in rng.choice(images, 6, replace=False)]
        row = {
            "pairid": 100 + number,
            "reference": members[2],
            "caption": f"make it {rng.choice(WORDS)}",
            "img_set": {"id": number, "members": members, "reference_rank": 2},
        }
        if split == "val":
            row |= {"target_hard": members[4], "target_soft": {members[4]: 1.0}}
        rows.append(row)
    write_json(root / f"cirr/captions/cap.rc2.{split}.json", rows)
    listed = {name: f"./{place}/{name}.png" for name in names}
    write_json(root / f"cirr/image_splits/split.rc2.{split}.json", listed)
    paint(root / place, *(f"{name}.png" for name in names))
    return root


def circo(root: Path, split: str = "val", images: int = 60, queries: int = 12) -> Path:
    """Queries with one to four answers; a test split has none."""
    rng = np.random.default_rng(11)
    rows = []
    for number in range(queries):
        reference, *truths = (int(n) + 1 for n in rng.choice(images, 5, replace=False))
        row = {
            "id": number,
            "reference_img_id": reference,
            "relative_caption": f"is {rng.choice(WORDS)}",
            "shared_concept": "a thing",
        }
        if split == "val":
            count = 1 + number % 4
            row |= {"target_img_id": truths[0], "gt_img_ids": truths[:count]}
            row |= {"semantic_aspects": [*ASPECTS[: number % 3]]}
        rows.append(row)
    write_json(root / f"annotations/{split}.json", rows)
    info = {"images": [{"id": n, "file_name": f"{n:012}.jpg"} for n in range(1, images + 1)]}
    write_json(root / "COCO2017_unlabeled/annotations/image_info_unlabeled2017.json", info)
    photos = (f"{n:012}.jpg" for n in range(1, images + 1))
    paint(root / "COCO2017_unlabeled/unlabeled2017", *photos)
    return root


def genecis(root: Path, task: str = "change_attribute") -> Path:
    """Ten queries about objects in twenty photos, each with a gallery of four."""
    rng = np.random.default_rng(5)

    def thing() -> dict[str, object]:
        box = [int(n) for n in rng.integers(0, 12, 2)] + [int(n) for n in rng.integers(8, 20, 2)]
        return {"image_id": int(rng.integers(1, 21)), "instance_bbox": box}

    rows = [
        {
            "reference": thing(),
            "target": thing(),
            "gallery": [thing() for _ in range(4)],
            "condition": str(rng.choice(WORDS)),
        }
        for _ in range(10)
    ]
    write_json(root / f"genecis/{task}.json", rows)
    paint(root / "VG_100K_all", *(f"{n}.jpg" for n in range(1, 21)))
    return root


def coco(root: Path, photos: int = 12) -> Path:
    """Photos of 40 x 32 pixels with one object of a fitting size in each, and a small one."""
    kinds = {1: "dog", 2: "ball", 3: "tree"}
    things: list[dict[str, object]] = []
    for n in range(1, photos + 1):
        for kind, (x, y, w, h) in ((1 + n % 3, (4, 4, 20, 16)), (1 + (n + 1) % 3, (0, 0, 2, 2))):
            corners = [x, y, x + w, y, x + w, y + h, x, y + h]
            thing = {"id": len(things), "image_id": n, "category_id": kind, "iscrowd": 0}
            things.append(thing | {"bbox": [x, y, w, h], "segmentation": [corners]})
    told = {
        "images": [
            {"id": n, "file_name": f"{n:012}.jpg", "width": 40, "height": 32}
            for n in range(1, photos + 1)
        ],
        "annotations": things,
        "categories": [{"id": number, "name": name} for number, name in kinds.items()],
    }
    write_json(root / "annotations/instances_val2017.json", told)
    paint(root / "val2017", *(f"{n:012}.jpg" for n in range(1, photos + 1)))
    return root


def imagenet(root: Path, classes: int = 6) -> Path:
    """Two photos of each class; some classes have pictures in a domain, others none."""
    queries = [f"imgnet/real/n{c:02d}/{n}.JPEG {c}" for c in range(classes) for n in range(2)]
    targets = [
        f"imgnet/imagenet-r/n{c:02d}/{domain}_{n}.jpg {1000 * number + c}"
        for number, domain in enumerate(("cartoon", "origami", "toy", "sculpture"))
        for c in range(number, classes)
        for n in range(3)
    ]
    (root / "imgnet").mkdir(parents=True)
    (root / "imgnet/imgnet_real_query.txt").write_text("\n".join(queries))
    (root / "imgnet/imgnet_targets.txt").write_text("\n".join(targets))
    paint(root, *(line.split()[0] for line in (*queries, *targets)))
    return root


def catalogue(root: Path, told: tuple[str, ...] = ("train", "val", "test")) -> Path:
    """An exported catalogue: twelve products of each split, and triplets of the splits `told`."""
    skus = {split: [f"{split}-{n}" for n in range(12)] for split in ("train", "val", "test")}
    listed = [(sku, split) for split, names in skus.items() for sku in names]
    paint(root / "images", *(f"{sku}.png" for sku, _ in listed), "second.png")
    second = {skus["test"][-1]: ["images/second.png"]}
    products = [
        {"sku": sku, "title": f"the {sku}", "split": split,
         "images": [f"images/{sku}.png", *second.get(sku, [])]}
        for sku, split in listed
    ]  # fmt: skip
    triplets = [
        {"reference": one, "target": other, "captions": ["in red", "is red"]}
        for split in told
        for one, other in pairwise(skus[split])
    ]
    for name, rows in (("products", products), ("triplets", triplets)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (root / f"{name}.jsonl").write_text(lines)
    return root
