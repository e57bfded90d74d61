"""What the zero-shot methods train on: the captions or the pictures of whatever a folder holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from backend.encoding.backbone import Backbone
from backend.errors import InvalidInput
from workers.datasets import catalogue, wardrobe_folder
from workers.datasets.captions import CaptionCorpus, caption_files, open_captions
from workers.datasets.opening import Dataset, open_dataset
from workers.trainer.features import CachedFeatures, FeatureCache
from workers.trainer.order import Rows
from workers.trainer.split_features import Features

TRAIN, ALL = "train", "all"
BLOCK = 8_192  # pictures in memory at once, where they come out of shards

Picture = Path | bytes
Said = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class Texts:
    """Captions by number. about: of what, in words; digest: of all of them."""

    about: str
    captions: Sequence[str] | CaptionCorpus
    digest: str

    def __len__(self) -> int:
        return len(self.captions)

    def take(self, rows: Rows | Sequence[int]) -> list[str]:
        """The captions with these numbers."""
        if isinstance(self.captions, CaptionCorpus):
            return self.captions.captions(int(row) for row in rows)
        return [self.captions[int(row)] for row in rows]


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures by number. names: what each is called; take: its file or bytes.

    remarks: what is missing, in sentences.
    """

    about: str
    names: Sequence[str]
    take: Callable[[int], Picture]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class SeenPictures:
    """Un-normalised features of n pictures, mapped from the disk.

    rows: (n,) of `stored`; of two pictures with the same bytes it is the same. numbers: which
    pictures these are; the others could not be read, as `remarks` say.
    """

    stored: Features
    rows: Rows
    numbers: Rows
    remarks: tuple[str, ...]

    def take(self, rows: Rows) -> Features:
        """(k, dim) of k of the n pictures."""
        return np.asarray(self.stored[self.rows[rows]])

    def digest(self) -> str:
        """SHA-256 over the features in order."""
        found = hashlib.sha256()
        for start in range(0, len(self.rows), BLOCK):
            found.update(self.take(np.arange(start, min(start + BLOCK, len(self.rows)))).tobytes())
        return found.hexdigest()


def training_texts(data: Path, column: str | None = None, index: Path | None = None) -> Texts:
    """The titles of a Wardrobe's or a catalogue's training products, or a corpus of captions.

    column, index: as for `open_captions`. Raises InvalidInput where there are no captions.
    """
    dataset = _recognised(data)
    if dataset is None or dataset.kind.name not in ("wardrobe", "catalogue"):
        corpus = open_captions(data, column, index)
        return Texts("captions", corpus, corpus.digest)
    titles = _titles(dataset)
    if not titles:
        raise InvalidInput(f"No product of {data} that may be trained on has a title: add some.")
    digest = hashlib.sha256("\0".join(titles).encode()).hexdigest()
    return Texts(f"titles of {dataset.kind.label}", titles, digest)


def training_pictures(data: Path) -> Pictures:
    """The pictures of a dataset's training split, of a folder, or of a corpus of captions.

    Raises InvalidInput where there are none.
    """
    dataset = _recognised(data)
    if dataset is None:
        return _captioned_pictures(data)
    splits = dataset.load(_training_split(dataset))
    files = {name: path for split in splits for name, path in split.images.items()}
    remarks = tuple(text for split in splits if (text := split.missing_sentence()))
    if not files:
        raise InvalidInput(remarks[0] if remarks else f"There are no pictures in {data}.")
    paths = list(files.values())
    return Pictures(dataset.kind.label, list(files), paths.__getitem__, remarks)


def seen_pictures(
    cache: FeatureCache, backbone: Backbone, pictures: Pictures, said: Said
) -> SeenPictures:
    """The features of all pictures that can be read, from the cache.

    Raises InvalidInput where none can, NoSpace where the disk is full.
    """
    total = len(pictures.names)
    width = total if isinstance(pictures.take(0), Path) else BLOCK
    blocks: list[CachedFeatures] = []
    known: list[Rows] = []
    unreadable: dict[str, str] = {}
    for start in range(0, total, width):
        numbers = range(start, min(start + width, total))
        block = cache.image_features(
            backbone,
            {str(number): pictures.take(number) for number in numbers},
            lambda done, wanted, start=start: said("Seeing pictures", start + done, total),  # type: ignore[misc]
        )
        blocks.append(block)
        known.append(np.array([int(name) for name in block.names], dtype=np.int64))
        unreadable |= {pictures.names[int(n)]: why for n, why in block.unreadable.items()}
    rows = np.concatenate([block.stored_rows for block in blocks])
    remarks = _unreadable(unreadable, total)
    if not len(rows):
        raise InvalidInput(remarks[0])
    return SeenPictures(blocks[-1].stored, rows, np.concatenate(known), remarks)


def _unreadable(unreadable: Mapping[str, str], total: int) -> tuple[str, ...]:
    if not unreadable:
        return ()
    first, why = next(iter(unreadable.items()))
    return (f"{len(unreadable):,} of {total:,} pictures cannot be used, first {first}: {why}",)


def _recognised(data: Path) -> Dataset | None:
    """The dataset in the folder; None for files of captions, which are read as they are."""
    if not data.is_dir():
        return None
    try:
        return open_dataset(data)
    except InvalidInput as unknown:
        try:
            caption_files(data)
        except InvalidInput:
            raise unknown from None
        return None


def _training_split(dataset: Dataset) -> str:
    for split in (TRAIN, ALL):
        if split in dataset.splits:
            return split
    raise InvalidInput(
        f"{dataset.folder} is {dataset.kind.label} and has no training split: give a folder of "
        "pictures, or a dataset with one."
    )


def _titles(dataset: Dataset) -> list[str]:
    """Each title once, of the products that may be trained on."""
    if dataset.kind.name == "wardrobe":
        listed = wardrobe_folder.products(dataset.folder).values()
        titles = [one.title for one in listed if one.split == TRAIN]
    else:
        split = _training_split(dataset)
        products = catalogue.read_catalogue(dataset.folder).products.values()
        titles = [one.title for one in products if split in (ALL, one.split)]
    return [title for title in dict.fromkeys(titles) if title.strip()]


def _captioned_pictures(data: Path) -> Pictures:
    corpus = open_captions(data)

    def picture(number: int) -> Picture:
        found = corpus[number].picture
        if found is None:
            raise InvalidInput(
                f"Caption {number + 1:,} of {data} has no picture: give files that name one for "
                "each caption, or a folder of pictures."
            )
        return found

    picture(0)
    return Pictures("captioned pictures", [f"{n + 1:,}" for n in range(len(corpus))], picture)
