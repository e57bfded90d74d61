"""The data of a training job, as it is when the job begins: written once, the same for every try.

The folder has the layout of an exported catalogue. Pictures are links to the blobs where these lie
on the same disk. Products of the splits val and test are in it only where there are triplets about
them: what chooses the weights, and what the finished version is measured on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend.blobs import BlobStore
from backend.catalogue.exporting import image_name
from backend.catalogue.tables import SPLITS, Blob, Image, Product
from backend.database import Database
from backend.errors import InvalidInput, NotFound
from backend.training.schemas import ORIGINS, TrainingData, TripletData
from workers.datasets.catalogue import PRODUCTS, TRIPLETS
from workers.datasets.opening import Dataset, open_dataset
from workers.datasets.triplets import TripletSplit
from workers.trainer.triplet_data import WITH_TRIPLETS
from workers.training_triplets import AcceptedTriplet, accepted_triplets

PAGE = 200
FACTS = "snapshot.json"
TRAIN = "train"

HELD_OUT = ("test", "val")
"""The splits of held-out triplets; the first that has one is asked. A run chooses its weights by
the second, so figures measured there are a little too high."""

Said = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Snapshot:
    """What was taken. hash: SHA-256 of its lists, which name pictures by their content. counts: of
    products, pictures, triplets by split, and pictures whose bytes are lost."""

    hash: str
    counts: dict[str, int]


def take_snapshot(
    database: Database, blobs: BlobStore, data: TrainingData | None, folder: Path, said: Said
) -> Snapshot:
    """The data in `folder`; what is there whole already is left as it is.

    data: what is trained on; None for the held-out triplets alone. said: told how many of how
    many products are written; what it raises ends it, to be begun anew.
    Raises InvalidInput where there is nothing to train on, NoSpace for a full disk.
    """
    if (folder / FACTS).is_file():
        return Snapshot(**json.loads((folder / FACTS).read_text()))
    aside = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "images").mkdir(parents=True)
    with database.read() as session:
        triplets = list(_chosen(session, data))
    writing = _Writing(database, blobs, aside, data, triplets)
    found = writing.write(said)
    (aside / FACTS).write_text(json.dumps(found.__dict__))
    aside.rename(folder)
    return found


class _Writing:
    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        folder: Path,
        data: TrainingData | None,
        triplets: Sequence[AcceptedTriplet],
    ) -> None:
        self._database, self._blobs, self._folder = database, blobs, folder
        self._triplets = triplets
        held_out = {one.split for one in triplets} - {TRAIN}
        self._kind = None if data is None else data.kind
        self._splits = held_out if self._kind in (None, "folder") else {TRAIN, *held_out}
        self._without_pictures = {TRAIN} if self._kind == "titles" else set()
        self._split_of: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def write(self, said: Said) -> Snapshot:
        digest = hashlib.sha256()
        for name, lines in ((PRODUCTS, self._products(said)), (TRIPLETS, self._told())):
            with (self._folder / name).open("wb") as file:
                for values in lines:
                    line = json.dumps(values, ensure_ascii=False).encode() + b"\n"
                    digest.update(line)
                    file.write(line)
        self._refuse_nothing()
        if not self._split_of:  # nothing of the catalogue is wanted, and nothing held out
            (self._folder / PRODUCTS).unlink()
        return Snapshot(digest.hexdigest(), dict(self._counts))

    def _products(self, said: Said) -> Iterator[dict[str, Any]]:
        total, last = self._total(), ""
        while True:
            with self._database.read() as session:
                after = select(Product).where(Product.sku > last, Product.split.in_(self._splits))
                page = session.scalars(after.order_by(Product.sku).limit(PAGE)).all()
                pictures = _pictures(session, [product.id for product in page])
            for product in page:
                self._split_of[product.sku] = product.split
                yield {
                    "sku": product.sku,
                    "title": product.title,
                    "category": product.category,
                    "split": product.split,
                    "images": self._placed(product.split, pictures.get(product.id, ())),
                }
            self._counts["products"] += len(page)
            said("Taking the data", self._counts["products"], max(total, self._counts["products"]))
            if len(page) < PAGE:
                return
            last = page[-1].sku

    def _placed(self, split: str, pictures: Sequence[tuple[str, str]]) -> list[str]:
        """The names of those pictures that are there, linked or copied into the folder."""
        if split in self._without_pictures:
            return []
        names = []
        for sha256, form in pictures:
            name = image_name(sha256, form)
            try:
                self._blobs.place(sha256, self._folder / name)
            except NotFound:
                self._counts["lost pictures"] += 1
                continue
            names.append(name)
        self._counts["pictures"] += len(names)
        return names

    def _told(self) -> Iterator[dict[str, Any]]:
        """Triplets whose products are still there; one may have gone meanwhile."""
        for one in self._triplets:
            if {self._split_of.get(one.reference), self._split_of.get(one.target)} == {one.split}:
                self._counts[f"triplets of {one.split}"] += 1
                yield {
                    "reference": one.reference,
                    "target": one.target,
                    "captions": list(one.captions),
                }

    def _total(self) -> int:
        with self._database.read() as session:
            of_splits = select(func.count(Product.id)).where(Product.split.in_(self._splits))
            return session.scalar(of_splits) or 0

    def _refuse_nothing(self) -> None:
        if self._kind == "triplets" and not self._counts[f"triplets of {TRAIN}"]:
            raise InvalidInput(
                "The catalogue has no accepted triplets of these sources between products of the "
                "split train: review or import some, or move products to that split."
            )
        if self._kind in ("images", "titles") and TRAIN not in self._split_of.values():
            raise InvalidInput(
                "The catalogue has no products of the split train: move some to it first."
            )


def held_out(folder: Path) -> tuple[Dataset, str] | None:
    """The dataset in a folder and the split of it to measure on; None where none has a triplet."""
    try:
        dataset = open_dataset(folder)
    except InvalidInput:  # captions, or pictures alone, or nothing
        return None
    there = [split for split in HELD_OUT if split in dataset.splits]
    if dataset.kind.name not in WITH_TRIPLETS:
        return None
    split = next((split for split in there if with_triplets(dataset, split)), None)
    return None if split is None else (dataset, split)


def with_triplets(dataset: Dataset, split: str) -> list[TripletSplit]:
    """The parts of a split that have triplets."""
    return [one for one in dataset.load(split) if one.triplets]


def _chosen(session: Session, data: TrainingData | None) -> Iterator[AcceptedTriplet]:
    """Held-out triplets, whoever trains on what; those to train on only for who trains on them."""
    chooses = isinstance(data, TripletData)
    sources: Sequence[str] = data.sources if isinstance(data, TripletData) else ORIGINS
    wanted = {*data.splits, "test"} if isinstance(data, TripletData) else set(SPLITS) - {TRAIN}
    for one in accepted_triplets(session, sources):
        if one.split in wanted and (chooses or one.split != TRAIN):
            yield one


def _pictures(session: Session, product_ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """The pictures of each product in their order: SHA-256 and format."""
    rows = session.execute(
        select(Image.product_id, Image.sha256, Blob.format)
        .join(Blob, Blob.sha256 == Image.sha256)
        .where(Image.product_id.in_(product_ids))
        .order_by(Image.position, Image.id)
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for product_id, sha256, form in rows:
        found.setdefault(product_id, []).append((sha256, form))
    return found
