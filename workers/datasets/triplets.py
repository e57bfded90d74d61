"""What every triplet dataset becomes: queries, the gallery they are asked of, and its pictures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from backend.errors import InvalidInput
from workers.datasets.annotations import short
from workers.datasets.regions import Region

SHOWN = 3  # names that a sentence gives of those that are missing


@dataclass(frozen=True)
class Triplet:
    """A reference image, what should change in words, and the image that is meant.

    `target` is None where it is kept by a test server. `positives` are all images that answer the
    query where a dataset knows several, the target first (CIRCO's ground truths, the pictures of a
    class in ImageNet-R); empty where the target is the only one it knows. `subset` are the few
    images the query is also ranked among (CIRR's six members, the reference too; GeneCIS's gallery,
    the target first). `category` and `aspects` are what figures are broken down by.
    """

    id: str
    reference: str
    captions: tuple[str, ...]
    target: str | None
    positives: tuple[str, ...] = ()
    subset: tuple[str, ...] = ()
    category: str | None = None
    aspects: tuple[str, ...] = ()

    @property
    def answers(self) -> tuple[str, ...]:
        """All images known to answer the query: the positives, or the target alone."""
        return self.positives or (() if self.target is None else (self.target,))

    @property
    def names(self) -> tuple[str, ...]:
        """Every image that the triplet names, the reference first; some may come twice."""
        return (self.reference, *self.answers, *self.subset)


@dataclass(frozen=True)
class TripletSplit:
    """One split of a dataset, for example `fashioniq/dress/val`.

    gallery: the names of all images that are ranked, in the order of the dataset's own file, each
    once. images: the file of each image that was found, those of references outside the gallery
    too. missing: the names that have none, gallery first. regions: for images that are not a whole
    file, the part of it that they are. places: the folders in which the pictures are looked for.
    """

    name: str
    triplets: tuple[Triplet, ...]
    gallery: tuple[str, ...]
    images: Mapping[str, Path]
    missing: tuple[str, ...] = ()
    regions: Mapping[str, Region] = field(default_factory=dict)
    places: tuple[Path, ...] = ()

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """The row of each name in this gallery. Galleries of one dataset may overlap (FashionIQ's
        categories do), so a row means nothing in another's."""
        return {name: row for row, name in enumerate(self.gallery)}

    @cached_property
    def usable(self) -> tuple[Triplet, ...]:
        """The triplets whose reference was found, and their target if they have one."""
        return tuple(
            one
            for one in self.triplets
            if one.reference in self.images and (one.target is None or one.target in self.images)
        )

    @property
    def found_gallery(self) -> tuple[str, ...]:
        """The names of the gallery whose image was found, in its order."""
        return tuple(name for name in self.gallery if name in self.images)

    @cached_property
    def counts(self) -> dict[str, int]:
        """For reports: triplets, usable triplets, images of the gallery, those found, missing."""
        return {
            "triplets": len(self.triplets),
            "usable": len(self.usable),
            "gallery": len(self.gallery),
            "found": len(self.found_gallery),
            "missing": len(self.missing),
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 over triplets, gallery and regions: what the annotations say, no pixels."""
        told = (
            self.name,
            [asdict(one) for one in self.triplets],
            self.gallery,
            sorted((name, asdict(region)) for name, region in self.regions.items()),
        )
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def missing_sentence(self) -> str | None:
        """How many images are missing, the first of them, and where they belong; None for none."""
        if not self.missing:
            return None
        listed = len(self.missing) + len(self.images)
        places = " or ".join(map(str, self.places)) or "the dataset's folder"
        if not self.images:
            return f"{self.name}: none of its {listed:,} images is in {places}: bring them there."
        return (
            f"{self.name}: {len(self.missing):,} of {listed:,} images are missing from {places} "
            f"({shown_names(self.missing)}): {len(self.usable):,} of {len(self.triplets):,} "
            "triplets can be used, bring them for the rest."
        )


def triplet_split(
    name: str,
    triplets: Sequence[Triplet],
    gallery: Iterable[str],
    found: Mapping[str, Path],
    regions: Mapping[str, Region] | None = None,
    *,
    source: str,
    places: Iterable[Path] = (),
) -> TripletSplit:
    """A checked split; of `found`, only what gallery and triplets name is kept.

    source: the file or folder that sentences name; places: where pictures are looked for.
    Raises InvalidInput where an id or a gallery name comes twice, or a target, another positive or
    a member of a subset is not in the gallery.
    """
    ranked = tuple(gallery)
    _check_distinct(ranked, f"{source}: the image", "list it once.")
    _check_distinct([one.id for one in triplets], f"{source}: the id", "give each its own.")
    inside = set(ranked)
    for one in triplets:
        for answer in (*one.answers, *one.subset):
            if answer not in inside:
                raise InvalidInput(
                    f"{source}: {short(answer)}, which triplet {short(one.id)} names, is not in "
                    f"the gallery of {name}: the captions and the image lists do not belong "
                    "together."
                )
    named = dict.fromkeys((*ranked, *(one.reference for one in triplets)))
    images = {key: found[key] for key in named if key in found}
    missing = tuple(key for key in named if key not in images)
    parts = {key: part for key, part in (regions or {}).items() if key in named}
    return TripletSplit(name, tuple(triplets), ranked, images, missing, parts, tuple(places))


def _check_distinct(names: Sequence[str], what: str, remedy: str) -> None:
    if len(set(names)) == len(names):
        return
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InvalidInput(f"{what} {short(name)} comes twice: {remedy}")
        seen.add(name)


def shown_names(names: Sequence[str]) -> str:
    """The first few names, and how many more there are: `a, b, c and 4 more`."""
    first = ", ".join(map(short, names[:SHOWN]))
    return first if len(names) <= SHOWN else f"{first} and {len(names) - SHOWN:,} more"
