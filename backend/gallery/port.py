"""The gallery port: what the rest of Akin may ask of a vector store.

A gallery holds one point per catalogue image, all encoded by one image tower. SQL is the truth; a
gallery can be dropped and rebuilt from it at any time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from backend.errors import InvalidInput
from backend.gallery.filters import Filter, Kind, Scalar
from backend.gallery.layout import Laid

Vector = NDArray[np.float32]
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# The last bits of a score differ from engine to engine and from call to call.
SCORE_DECIMALS = 6

# product, sku, category, split: str; norm: float; attributes: dict[str, str | int | float | bool]
Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Point:
    """One image to be stored: `id` its UUID, `vector` (dim,) as the tower gave it."""

    id: str
    vector: Vector
    payload: Payload


@dataclass(frozen=True, slots=True)
class Stored:
    """One image as a gallery holds it: `vector` (dim,) of length 1, `norm` its length before."""

    vector: Vector
    norm: float
    payload: Payload


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer of a search; `score` is the cosine, to six decimals."""

    id: str
    score: float
    payload: Payload


class Gallery(Protocol):
    """The vectors of all catalogue images under one image tower fingerprint.

    Ids are canonical UUID strings. Every method may be called from any thread. All raise
    `Unavailable` when the store cannot be reached.
    """

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def upsert(self, points: Sequence[Point]) -> None:
        """Store or replace points; vectors are normalised, their norms kept in the payload.

        Raises `InvalidInput` naming the point for a vector of another length, with NaN or
        infinity, or of length zero; then nothing of the batch is written.
        """

    def restore(self, stored: Mapping[str, Stored]) -> None:
        """Store or replace points exactly as `fetch` gave them, by id."""

    def delete(self, ids: Sequence[str]) -> None:
        """Remove points; ids that are not there are ignored."""

    def set_payload(self, payloads: Mapping[str, Payload]) -> None:
        """Replace the given payload keys of points, by id; vector and norm stay.

        Ids that are not there are ignored.
        """

    def search(
        self,
        vector: ArrayLike,
        *,
        filter: Filter | None = None,  # noqa: A002 (the port's word)
        limit: int,
        offset: int = 0,
        exclude_products: Sequence[str] = (),
        exclude_ids: Sequence[str] = (),
        keys: Sequence[str] | None = None,
    ) -> list[Hit]:
        """The points nearest to `vector` (dim,) by cosine, best first, equal scores by id.

        Their payloads hold `keys` alone where given: what is not read costs nothing.
        Raises `InvalidInput` for a vector that `upsert` would refuse.
        """

    def similarities(self, vectors: Sequence[ArrayLike], ids: Sequence[str]) -> dict[str, Vector]:
        """The cosines (k,) of points to each of k `vectors` (dim,), by id.

        Ids that are not there are absent. Raises `InvalidInput` as `search` does.
        """

    def fetch(self, ids: Sequence[str], keys: Sequence[str] | None = None) -> dict[str, Stored]:
        """Points by id, their payloads with `keys` alone where given.

        Those that are not there are absent.
        """

    def facets(
        self,
        key: str,
        *,
        filter: Filter | None = None,  # noqa: A002
        limit: int = 100,
    ) -> list[tuple[Scalar, int]]:
        """Values of category, split, product, sku or attributes.<slug> with their number of points.

        Most frequent first, equal ones by value. Raises `InvalidInput` for a key without an index
        and for float attributes, whose ranges come from SQL.
        """

    def scroll(self, after: str | None, limit: int) -> list[str]:
        """The next `limit` ids in id order that come after `after` (None: from the start)."""

    def scroll_payloads(
        self, after: str | None, limit: int, keys: Sequence[str]
    ) -> dict[str, Payload]:
        """As `scroll`, each id with these keys of its payload."""

    def count(self, filter: Filter | None = None) -> int:  # noqa: A002
        """The number of points, or of those that match."""

    def index_attribute(self, slug: str, kind: Kind) -> None:
        """Make an attribute fast to filter and count; best before its first point is written.

        Doing it again changes nothing; raises `Conflict` for another kind than the first.
        """

    def indexed_attributes(self) -> dict[str, Kind]:
        """The slugs given to `index_attribute`, with their kinds."""

    def optimise(self, begun: Callable[[int], None] | None = None) -> None:
        """Bring the store into the form it searches fastest; other calls wait for it.

        Where that is more than a look, `begun` is told the number of points; it may take minutes.
        """

    def laid(self) -> Laid:
        """How it is laid out today, which follows the settings as far as the engine can."""

    def close(self) -> None:
        """Flush, and let go of files; doing it again changes nothing."""


class GalleryStore(Protocol):
    """All galleries of an installation."""

    def create(self, name: str, dim: int) -> Gallery:
        """A new, empty gallery; raises `Conflict` when the name is taken."""

    def open(self, name: str) -> Gallery:
        """An existing gallery (the same object each time); raises `NotFound`."""

    def drop(self, name: str) -> None:
        """Remove a gallery with all its points; one that is not there is ignored."""

    def names(self) -> list[str]:
        """The names of all galleries, sorted."""

    def close(self) -> None:
        """Close every gallery that this store opened."""


def normalised(points: Sequence[Point], dim: int) -> dict[str, Stored]:
    """Points as a gallery stores them; raises `InvalidInput` naming the first bad one."""
    return {point.id: _stored(point, dim) for point in points}


def unit_vector(vector: ArrayLike, dim: int, what: str) -> tuple[Vector, float]:
    """`vector` (dim,) scaled to length 1, and its length; raises `InvalidInput` about `what`.

    The engines take NaN and zero silently and then answer nonsense, so they are caught here.
    """
    wide = np.asarray(vector, dtype=np.float64)
    if wide.shape != (dim,):
        raise InvalidInput(
            f"The vector of {what} has shape {wide.shape}, but this gallery holds vectors of "
            f"{dim} numbers: encode with the gallery's own backbone."
        )
    norm = float(np.linalg.norm(wide))
    if not np.isfinite(norm):
        raise InvalidInput(f"The vector of {what} holds NaN or infinity: encode it again.")
    if norm == 0.0:
        raise InvalidInput(f"The vector of {what} is zero and has no direction: encode it again.")
    return (wide / norm).astype(np.float32), norm


def check_name(name: str) -> None:
    """Raises `InvalidInput` unless `name` is safe as a folder and as a collection."""
    if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise InvalidInput(
            f"'{name}' cannot name a gallery: use letters, digits, hyphen and underscore."
        )


def check_ids(ids: Sequence[str]) -> None:
    """Raises `InvalidInput` for the first id that is not a canonical UUID string."""
    for point_id in ids:
        _check_id(point_id)


def _stored(point: Point, dim: int) -> Stored:
    _check_id(point.id)
    vector, length = unit_vector(point.vector, dim, f"point {point.id}")
    # Nine digits are what float32 holds; Edge would change the last bit of a longer number.
    norm = float(f"{length:.9g}")
    return Stored(vector, norm, {**point.payload, "norm": norm})


def only(payload: Payload, keys: Sequence[str] | None) -> Payload:
    """The payload with `keys` alone; all of it for None."""
    return payload if keys is None else {key: payload[key] for key in keys if key in payload}


def unit_vectors(vectors: Sequence[ArrayLike], dim: int) -> list[Vector]:
    """Query `vectors` (dim,) scaled to length 1; raises `InvalidInput` as `unit_vector` does."""
    return [unit_vector(vector, dim, "the query")[0] for vector in vectors]


def _check_id(point_id: str) -> None:
    if not _UUID.fullmatch(point_id):
        raise InvalidInput(
            f"Point id '{point_id}' is not a UUID in lower case with hyphens, such as "
            "'3f2504e0-4f89-41d3-9a0c-0305e82c3301'."
        )
