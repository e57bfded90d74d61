"""The features that galleries hold already, given to the child: it never opens the shard.

A gallery keeps a picture's feature as a unit vector and a norm; their product is what the frozen
image tower said. Where a version has no gallery, or an image is not in it yet, the child looks at
the picture itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from sqlalchemy import select

from backend.catalogue.tables import Image
from backend.gallery.port import Gallery
from backend.registry.tables import Embedding, GalleryRow
from backend.runtime import Runtime
from workers.trainer.features import FeatureCache

PAGE = 500
Said = Callable[[str, int, int], None]


def export_features(
    runtime: Runtime, fingerprint: str, images: Path, cache: FeatureCache, said: Said
) -> int:
    """Put the gallery's features of the snapshot's pictures into the cache; how many were put.

    images: the folder of the snapshot, whose files are named after the SHA-256 of their bytes.
    said: told how many of how many were looked at; what it raises loses none that are done.
    """
    with runtime.database.read() as session:
        row = session.scalars(
            select(GalleryRow).where(GalleryRow.fingerprint == fingerprint)
        ).one_or_none()
    if row is None or row.id not in runtime.galleries.names():
        return 0
    names = [path.stem for path in images.iterdir()] if images.is_dir() else []
    keys = [bytes.fromhex(name) for name in names]
    wanted = {key.hex() for key in cache.missing(fingerprint, row.dim, keys)}
    gallery, put = runtime.galleries.open(row.id), 0
    for start in range(0, len(wanted), PAGE):
        some = sorted(wanted)[start : start + PAGE]
        found = _features(gallery, _image_ids(runtime, row.id, some))
        if found:
            cache.keep(fingerprint, row.dim, found)
        put += len(found)
        said("Taking features", start + len(some), len(wanted))
    return put


def _image_ids(runtime: Runtime, gallery_id: str, sha256s: list[str]) -> dict[str, str]:
    """SHA-256 of each picture by the id of one of its images that the gallery holds."""
    held = (
        select(Image.id, Image.sha256)
        .join(Embedding, Embedding.image_id == Image.id)
        .where(Embedding.gallery_id == gallery_id, Embedding.error.is_(None))
        .where(Image.sha256.in_(sha256s))
    )
    with runtime.database.read() as session:
        found = {sha256: image_id for image_id, sha256 in session.execute(held)}
    return {image_id: sha256 for sha256, image_id in found.items()}


def _features(gallery: Gallery, images: Mapping[str, str]) -> dict[bytes, np.ndarray]:
    points = gallery.fetch(list(images), keys=["norm"])
    return {
        bytes.fromhex(images[image_id]): np.asarray(point.vector, np.float32)
        * np.float32(point.payload["norm"])
        for image_id, point in points.items()
    }
