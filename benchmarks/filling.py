"""A data folder with very many products, made in minutes: rows straight into SQL, and points whose
vectors lie about those of drawn pictures. Everything but the pictures is as an import leaves it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete

from backend.catalogue.attributes import filterable_attributes
from backend.encoding.decoding import decode_image
from backend.gallery.port import Point
from backend.registry.deployments import active
from backend.registry.tables import Embedding
from backend.runtime import Runtime, open_runtime
from backend.settings import Settings
from benchmarks.serving import served
from tests.backend.catalogue.hundred_thousand import seed
from workers.embedding_rows import Wanted, missing_images, note_embedded

AT_ONCE = 1_000
SPREAD = 0.3  # of a point about the picture's own vector, as a share of its length
NORM = 10.0  # of the demo backbone's features

Features = NDArray[np.float32]


def filled_home(home: Path, products: int, pictures: list[Path]) -> Path:
    """A folder that `akin up` serves: `products` of one image each in the active gallery."""
    with served(home):
        pass  # makes the tables, the version and its gallery
    runtime = open_runtime(Settings(home=home))
    try:
        _fill(runtime, products, _vectors_about(runtime, pictures))
    finally:
        runtime.close()
    return home


def _fill(runtime: Runtime, products: int, vectors: Iterator[Features]) -> None:
    database = runtime.database
    with database.read() as session:
        gallery_id = active(session).gallery_id
    seed(database, products, gallery_id=gallery_id)
    gallery = runtime.galleries.open(gallery_id)
    with database.write() as session:
        session.execute(delete(Embedding))
        attributes = filterable_attributes(session)
    for slug, kind in attributes.items():
        gallery.index_attribute(slug, kind)
    while wanted := _some(runtime, gallery_id):
        drawn = zip(wanted, vectors, strict=False)
        gallery.upsert([Point(one.image_id, vector, one.payload) for one, vector in drawn])
        with database.write() as session:
            note_embedded(session, gallery_id, [(one, None) for one in wanted])


def _some(runtime: Runtime, gallery_id: str) -> list[Wanted]:
    with runtime.database.read() as session:
        return missing_images(session, gallery_id, AT_ONCE)


def _vectors_about(runtime: Runtime, pictures: list[Path]) -> Iterator[Features]:
    """Without end; each is a picture's feature moved at random, (dim,)."""
    backbone = runtime.backbone()
    see = backbone.preprocessing.pixels
    pixels = np.stack([see(decode_image(path.read_bytes())) for path in pictures])
    features = backbone.encode_images(pixels)
    rng = np.random.default_rng(5)
    while True:
        chosen = features[rng.integers(len(features), size=AT_ONCE)]
        noise = rng.standard_normal(chosen.shape) * SPREAD * NORM / np.sqrt(backbone.dim)
        yield from (chosen + noise).astype(np.float32)
