"""`akin dataset check`: what of a dataset is there, missing, unreadable or in the wrong folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from backend.errors import AkinError
from backend.findings import Findings, SplitFindings, Step
from workers.datasets import catalogue, fashioniq
from workers.datasets.caption_check import check_captions, holds_captions
from workers.datasets.image_files import ENDINGS, image_files
from workers.datasets.opening import Dataset, open_dataset
from workers.datasets.triplets import TripletSplit
from workers.datasets.unreadable import unreadable

CAPTIONS = "captions"
_SOUGHT = 500_000  # pictures looked at, to find those in the wrong folder


def check_dataset(folder: Path, kind: str | None, images: bool, step: Step) -> Findings:
    """Look through a dataset folder, or a file or folder of captions.

    kind: one of `opening.KINDS` or "captions"; None to recognise it. images: open every picture.
    Whatever is wrong inside is a problem among the findings. Raises InvalidInput where the folder
    is not there or holds no dataset.
    """
    if kind == CAPTIONS or (kind is None and holds_captions(folder)):
        return check_captions(folder, images, step)
    dataset = open_dataset(folder, kind)
    findings = Findings(folder=folder, kind=dataset.kind.name, label=dataset.kind.label)
    splits = list(_loaded(dataset, findings))
    for split in splits:
        _look_at(split, dataset, findings)
    findings.notes += _notes(dataset) if splits else []
    findings.problems += _misplaced(splits, folder)
    if images:
        paths = sorted({path for split in splits for path in split.images.values()})
        findings.opened = len(paths)
        findings.problems += unreadable(((str(path), path) for path in paths), len(paths), step)
    return findings


def _loaded(dataset: Dataset, findings: Findings) -> Iterator[TripletSplit]:
    # Where the kind was named and nothing of it is there, its reader says what was expected.
    there = dataset.splits or dataset.kind.splits[:1]
    for name in dataset.kind.splits:
        if name not in there:
            if catalogue.ALL in there:  # a catalogue needs no splits
                continue
            findings.notes.append(f"The split {name} is not there.")
            continue
        try:
            yield from dataset.load(name)
        except AkinError as error:
            findings.problems.append(error.sentence)


def _look_at(split: TripletSplit, dataset: Dataset, findings: Findings) -> None:
    triplets, images = dataset.kind.published.get(split.name, (None, None))
    found = SplitFindings(
        name=split.name,
        triplets=len(split.triplets),
        published_triplets=triplets,
        images=len(split.gallery),
        published_images=images,
        found=len(split.found_gallery),
        missing=list(split.missing),
    )
    findings.splits.append(found)
    findings.notes += _differences(found)
    empty = sum(not caption.strip() for one in split.triplets for caption in one.captions)
    if empty:
        findings.notes.append(f"{split.name}: captions that are empty: {empty:,}.")
    sentence = split.missing_sentence()
    if sentence is not None:
        findings.problems.append(sentence)


def _differences(found: SplitFindings) -> list[str]:
    compared = (
        ("triplets", found.triplets, found.published_triplets),
        ("images", found.images, found.published_images),
    )
    return [
        f"{found.name} lists {count:,} {what}, and {published:,} are published: figures on it are "
        "not those of the papers."
        for what, count, published in compared
        if published not in (None, count)
    ]


def _notes(dataset: Dataset) -> list[str]:
    """What is particular to a kind."""
    if dataset.kind.name == "fashioniq":
        return [note for split in dataset.splits for note in _categories(dataset.folder, split)]
    if dataset.kind.name == "catalogue":
        mixed = catalogue.read_catalogue(dataset.folder).mixed()
        told = f"{mixed:,} triplets are between products of different splits, and so in none."
        return [told] if mixed else []
    return []


def _categories(folder: Path, split: str) -> list[str]:
    there = fashioniq.found_categories(fashioniq.find_root(folder, split), split)
    lacking = [one for one in fashioniq.CATEGORIES if one not in there]
    if not lacking or len(lacking) == len(fashioniq.CATEGORIES):
        return []
    return [f"The split {split} lacks {' and '.join(lacking)}: the mean is over the others."]


def _misplaced(splits: Sequence[TripletSplit], folder: Path) -> list[str]:
    """Where missing pictures lie instead, if they are somewhere in the dataset's folder."""
    lacking = [(one, {_stem(name) for name in one.missing}) for one in splits if one.missing]
    places: dict[str, Counter[Path]] = {one.name: Counter() for one, _ in lacking}
    for path in islice(image_files(folder), _SOUGHT if lacking else 0):
        for one, wanted in lacking:
            if path.stem in wanted:
                places[one.name][path.parent] += 1
    return [
        f"{one.name}: {count:,} of the missing images lie in {place}: move them to "
        f"{' or '.join(map(str, one.places))}."
        for one, _ in lacking
        for place, count in places[one.name].most_common(1)
    ]


def _stem(name: str) -> str:
    """What the file of an image is called, without its ending: of `real/n01/a.JPEG`, `a`."""
    last = name.rpartition("/")[2].partition("@")[0]
    return Path(last).stem if last.lower().endswith(ENDINGS) else last
