"""Domain conversion from ImageNet to ImageNet-R (Hendrycks et al. 2021, "The many faces of
robustness"), as Pic2Word asks it (Saito et al. 2023, section 4): a photo, and "cartoon".

Layout: the lists `imgnet_real_query.txt` and `imgnet_targets.txt`, in the folder itself or in
`imgnet`, beside the pictures in `real` (ImageNet's validation photos) and `imagenet-r`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from backend.errors import InvalidInput
from workers.datasets.annotations import read_lines
from workers.datasets.image_files import images_by_path
from workers.datasets.layout import first_file, not_there, roots
from workers.datasets.triplets import Triplet, TripletSplit, triplet_split

DOMAINS = ("cartoon", "origami", "toy", "sculpture")
"""In the order of the labels: 0 to 999 are cartoons, 1000 to 1999 origami, and so on."""

PUBLISHED: Mapping[str, tuple[int, int]] = {
    f"imagenet_r/{domain}": (10_000, 16_983) for domain in DOMAINS
}
"""Queries and images of the published lists; 10,000 of the images are photos, as distractors."""

QUERIES = "imgnet_real_query.txt"
TARGETS = "imgnet_targets.txt"
_BLOCK = 1_000
_NAMES = ("imgnet", "imagenet-r", "imagenet_r")


def load(folder: Path, split: str = "all") -> tuple[TripletSplit, ...]:
    """One split a domain: the one named, or all four, over the same gallery.

    Images are named by their path in the lists, without the leading `imgnet/`. The caption is the
    domain's name, `positives` are the images of the query's class in that domain and `category` is
    the class. A query whose class has no image there has no target and no positives, and counts as
    0 in the published figures. Raises InvalidInput where a list is not there or damaged, or gives
    one image two labels.
    """
    if split not in (*DOMAINS, "all"):
        raise InvalidInput(f"ImageNet-R has no domain {split}: choose one of {', '.join(DOMAINS)}.")
    path = find_queries(folder)
    queries = _labelled(path)
    targets = dict(_labelled(_beside(path)))
    places = [path.parent / name for name in ("real", "imagenet-r")]
    found = {
        f"{place.name}/{name}": file
        for place in places
        for name, file in images_by_path(place).items()
    }
    by_label: dict[int, list[str]] = defaultdict(list)
    for name, label in targets.items():
        by_label[label].append(name)
    positives = {label: tuple(names) for label, names in by_label.items()}
    domains = DOMAINS if split == "all" else (split,)
    return tuple(
        triplet_split(
            f"imagenet_r/{domain}",
            _triplets(domain, queries, positives),
            targets,
            found,
            source=str(path),
            places=places,
        )
        for domain in domains
    )


def splits_in(folder: Path) -> tuple[str, ...]:
    """The domains, if the lists are in the folder."""
    return DOMAINS if first_file(roots(folder, *_NAMES), [QUERIES]) else ()


def find_queries(folder: Path) -> Path:
    """The list of queries; InvalidInput where there is none."""
    path = first_file(roots(folder, *_NAMES), [QUERIES])
    if path is None:
        raise not_there(folder, "The list of ImageNet queries was", [QUERIES])
    return path


def _beside(queries: Path) -> Path:
    path = queries.with_name(TARGETS)
    if not path.is_file():
        raise not_there(queries.parent, "The list of ImageNet-R targets was", [TARGETS])
    return path


def _triplets(
    domain: str, queries: list[tuple[str, int]], positives: Mapping[int, tuple[str, ...]]
) -> list[Triplet]:
    block = _BLOCK * DOMAINS.index(domain)
    made = []
    for number, (name, label) in enumerate(queries):
        wanted = positives.get(block + label, ())
        target = wanted[0] if wanted else None
        made.append(
            Triplet(str(number), name, (domain,), target, positives=wanted, category=str(label))
        )
    return made


def _labelled(path: Path) -> list[tuple[str, int]]:
    """The name and the label of each line."""
    listed: list[tuple[str, int]] = []
    labels: dict[str, int] = {}
    for number, line in enumerate(read_lines(path), start=1):
        if not line:
            continue
        name, _, label = line.rpartition(" ")
        if not name.strip() or not (label.isascii() and label.isdigit() and len(label) < 9):
            raise InvalidInput(
                f'{path}, line {number}: it must be a path and a label, "real/n01/a.JPEG 2": '
                "correct it."
            )
        short = str(PurePosixPath(name.strip())).removeprefix("imgnet/")
        if labels.setdefault(short, int(label)) != int(label):
            raise InvalidInput(f"{path}, line {number}: {short} has two labels: keep one.")
        listed.append((short, int(label)))
    if not listed:
        raise InvalidInput(f"{path} is empty: download it again.")
    return listed
