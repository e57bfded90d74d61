"""Features of frozen towers, computed once: on the disk by what they are of, for every run.

A picture's features are kept by the fingerprint of the image tower, which holds its preprocessing
too, and the hash of the picture's bytes, whatever its name or folder; a text's by the fingerprint
of the text tower and the text itself. So recipes, evaluations and processes that run at the same
time share them, and none can be of another model.

    cache = FeatureCache(default_root())
    found = cache.image_features(backbone, split.images).require_all()
    rows = found.rows_of([t.reference for t in split.triplets])
    references = found.take(rows)                     # (triplets, dim)
    captions = cache.text_features(backbone, texts)   # (texts, dim)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import platformdirs

from backend.encoding.backbone import Backbone
from backend.errors import InvalidInput
from workers.trainer.digests import Digests, sha256
from workers.trainer.feature_encoding import (
    Counted,
    Features,
    Picture,
    unopened,
    untold,
    write_image_features,
    write_text_features,
)
from workers.trainer.order import Rows
from workers.trainer.row_store import Key, RowStore, width_of


def default_root() -> Path:
    """Where all runs of one user share their features."""
    return platformdirs.user_cache_path("akin") / "features"


@dataclass(frozen=True)
class CachedFeatures:
    """Un-normalised features of named pictures, (n, dim) float32, on the disk and mapped.

    Attributes:
        names: the n pictures that could be read, in the order asked for.
        unreadable: why, for each that could not.
    """

    names: tuple[str, ...]
    unreadable: Mapping[str, str]
    stored: Features
    stored_rows: Rows

    @cached_property
    def array(self) -> Features:
        """(n, dim), read from the disk as it is used where the rows lie there in this order, else
        gathered into memory."""
        return _in_order(self.stored, self.stored_rows)

    def take(self, rows: Rows) -> Features:
        """(k, dim) of k of the n rows, and nothing else of them in memory."""
        return np.asarray(self.stored[self.stored_rows[rows]])

    def rows_of(self, names: Sequence[str]) -> Rows:
        """(k,) rows of these names. Raises InvalidInput for one that is not among them."""
        known = self._row_of
        missing = next((name for name in names if name not in known), None)
        if missing is not None:
            why = self.unreadable.get(missing, "it is not among the pictures given")
            raise InvalidInput(f"There are no features of the picture {missing}: {why}")
        return np.array([known[name] for name in names], dtype=np.int64)

    def require_all(self) -> Self:
        """Itself. Raises InvalidInput, naming the first, where a picture could not be read."""
        if self.unreadable:
            first, why = next(iter(self.unreadable.items()))
            count = len(self.unreadable)
            raise InvalidInput(
                f"{count:,} of {count + len(self.names):,} pictures cannot be used, first {first}: "
                f"{why}"
            )
        return self

    @cached_property
    def _row_of(self) -> Mapping[str, int]:
        return {name: row for row, name in enumerate(self.names)}


class FeatureCache:
    """Features under `root`, one folder a tower; made when the first are written."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._digests = Digests(root / "files")

    def image_features(
        self, backbone: Backbone, images: Mapping[str, Picture], progress: Counted = untold
    ) -> CachedFeatures:
        """Features of every picture that can be read; what is not there yet is computed first.

        images: the file, or the bytes, of each name. progress: told how many of how many are
        computed; what it raises, to cancel, loses none that are done.
        Raises NoSpace where the disk is full; what was computed is kept.
        """
        store = RowStore(self.root / backbone.fingerprint / "images", backbone.dim)
        keys, unreadable = self._keys(images)
        failed: dict[Key, str] = {}
        if _missing(store, keys):
            with store.writing() as writer:  # another process may have computed some meanwhile
                wanted = {keys[name]: (name, images[name]) for name in _missing(store, keys)}
                failed = write_image_features(backbone, wanted, writer, progress)
        rows = store.find(list(keys.values()))
        readable = [name for name, row in zip(keys, rows, strict=True) if row >= 0]
        unreadable |= {name: failed[keys[name]] for name in keys.keys() - set(readable)}
        return CachedFeatures(tuple(readable), unreadable, store.array(), rows[rows >= 0])

    def missing(self, fingerprint: str, dim: int, keys: Sequence[Key]) -> list[Key]:
        """The pictures, by the hash of their bytes, that have no features under an image tower."""
        store = RowStore(self.root / fingerprint / "images", dim)
        return [key for key, row in zip(keys, store.find(keys), strict=True) if row < 0]

    def keep(self, fingerprint: str, dim: int, features: Mapping[Key, Features]) -> None:
        """Take over un-normalised features (dim,) that were computed elsewhere by this very image
        tower, a gallery's; raises NoSpace where the disk is full."""
        store = RowStore(self.root / fingerprint / "images", dim)
        with store.writing() as writer:
            new = [key for key in features if store.find([key])[0] < 0]
            if new:
                writer.add(new, np.stack([features[key] for key in new]))

    def forget(self, keys: Sequence[Key]) -> None:
        """Nothing of these pictures, by the hash of their bytes, stays: no features of any tower,
        and no note that a file has this content."""
        for folder in self.root.glob("*/images"):
            if (width := width_of(folder)) is not None:
                store = RowStore(folder, width)
                rows = store.find(keys)
                store.forget(rows[rows >= 0])
        self._digests.forget(keys)

    def text_features(
        self, backbone: Backbone, texts: Sequence[str], progress: Counted = untold
    ) -> Features:
        """(n, dim) un-normalised features of n texts under a frozen text tower; computed, mapped
        and raising as those of pictures are."""
        store = RowStore(self.root / backbone.text_fingerprint / "texts", backbone.dim)
        keys = {text: sha256(text.encode(errors="surrogatepass")) for text in texts}
        if _missing(store, keys):
            with store.writing() as writer:
                wanted = {keys[text]: text for text in _missing(store, keys)}
                write_text_features(backbone, wanted, writer, progress)
        return _in_order(store.array(), store.find([keys[text] for text in texts]))

    def _keys(self, images: Mapping[str, Picture]) -> tuple[dict[str, Key], dict[str, str]]:
        """The content hash of each picture, and why some have none."""
        paths = {name: picture for name, picture in images.items() if isinstance(picture, Path)}
        digests = dict(zip(paths, self._digests.of(list(paths.values())), strict=True))
        keys: dict[str, Key] = {}
        unreadable: dict[str, str] = {}
        for name, picture in images.items():
            digest = sha256(picture) if isinstance(picture, bytes) else digests[name]
            if isinstance(digest, OSError):
                unreadable[name] = unopened(paths[name], digest)
            else:
                keys[name] = digest
        return keys, unreadable


def _missing(store: RowStore, keys: Mapping[str, Key]) -> list[str]:
    """One name of each key that is not stored."""
    name_of: dict[Key, str] = {}
    for name, key in keys.items():
        name_of.setdefault(key, name)
    rows = store.find(list(name_of))
    return [name for name, row in zip(name_of.values(), rows, strict=True) if row < 0]


def _in_order(stored: Features, rows: Rows) -> Features:
    """The rows as a view of the mapped file where they lie in this order, else as a copy."""
    if len(rows) and (np.diff(rows) == 1).all():
        return stored[rows[0] : rows[0] + len(rows)]
    return np.asarray(stored[rows])
