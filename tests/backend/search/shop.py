"""A small shop to search in: real rows, a real gallery, and a tiny backbone of random weights."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from PIL import Image as Pillow
from safetensors.torch import save_file
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue import service as catalogue
from backend.catalogue.attributes import filterable_attributes
from backend.catalogue.presenting import payload_of
from backend.catalogue.renditions import ImageFacts
from backend.catalogue.schemas import ProductCreate
from backend.catalogue.tables import Image, Product
from backend.encoding.backbone import Backbone, BackboneSpec, Features, load_backbone
from backend.encoding.decoding import decode_image
from backend.gallery.port import Gallery, Point, Stored
from backend.registry.deployments import Active
from backend.registry.tables import Embedding
from backend.runtime import Runtime
from backend.search.schemas import SearchResponse

COLOURS = ("red", "green", "blue", "yellow", "black", "white", "orange", "purple")
TINY = {
    "embed_dim": 16,
    "vision_cfg": {"image_size": 32, "patch_size": 16, "width": 32, "layers": 1, "head_width": 16},
    "text_cfg": {"context_length": 12, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
PREPROCESSING = {
    "mean": [0.5, 0.5, 0.5],
    "std": [0.5, 0.5, 0.5],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
    "size": 32,
}


def write_tiny_backbone(folder: Path, seed: int = 0) -> Path:
    """A folder that `local-dir:` can name: a CLIP of random weights, 32 pixels, 16 features."""
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    weights = open_clip.CLIP(**TINY).state_dict()
    save_file({k: v.contiguous() for k, v in weights.items()}, folder / "model.safetensors")
    config = {"model_cfg": TINY, "preprocess_cfg": PREPROCESSING}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    return folder


def load_tiny_backbone(folder: Path) -> Backbone:
    """The backbone of such a folder, on one thread of the CPU."""
    return load_backbone(BackboneSpec(f"local-dir:{folder}"), device="cpu", threads=1)


def picture(colour: str, stripe: str | None = None) -> bytes:
    """A JPEG of one colour, its upper half of another if `stripe` is given."""
    image = Pillow.new("RGB", (40, 40), colour)
    if stripe is not None:
        image.paste(stripe, (0, 0, 40, 20))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def skus(answer: SearchResponse) -> list[str]:
    """The products of an answer, best first."""
    return [hit.product.sku for hit in answer.results]


@dataclass
class Shop:
    """A runtime with an active version, to be filled."""

    runtime: Runtime
    backbone: Backbone
    active: Active

    @property
    def gallery(self) -> Gallery:
        return self.runtime.galleries.open(self.active.gallery_id)

    def add(
        self, sku: str, *pictures: bytes, embed: bool = True, fields: Mapping[str, Any] = {}
    ) -> list[str]:
        """A product with these pictures, embedded unless told otherwise; its images' ids."""
        new = ProductCreate.model_validate({"sku": sku, "title": f"Title of {sku}", **fields})
        with self.runtime.database.write() as session:
            product = catalogue.create_product(session, new)
            for data in pictures:
                facts = ImageFacts(size=len(data), format="JPEG", width=40, height=40)
                digest = hashlib.sha256(data).hexdigest()
                catalogue.attach_image(session, product, digest, facts)
            ids = _image_ids(session, product)
            if embed:
                self._embed(session, product, ids, pictures)
        return ids

    def embed(self, sku: str, image_id: str, data: bytes) -> None:
        """Put one image into the gallery, and the row that says so."""
        with self.runtime.database.write() as session:
            self._embed(session, catalogue.get_by_sku(session, sku), [image_id], [data])

    def mark_unreadable(self, image_id: str, error: str) -> None:
        """Say that an image cannot be encoded."""
        with self.runtime.database.write() as session:
            session.add(self._row(image_id, error))

    def delete(self, sku: str) -> None:
        """Delete a product from SQL; the gallery does not know yet."""
        with self.runtime.database.write() as session:
            session.delete(catalogue.get_by_sku(session, sku))

    def feature(self, data: bytes) -> Features:
        """The un-normalised feature of a picture, (16,)."""
        feature: Features = self._features([data])[0]
        return feature

    def stored(self) -> dict[str, Stored]:
        """All that the gallery holds, by SKU; for products of one image."""
        points = self.gallery.fetch(self.gallery.scroll(None, 10_000))
        return {point.payload["sku"]: point for point in points.values()}

    def _features(self, pictures: Sequence[bytes]) -> Features:
        pixels = [self.backbone.preprocessing.pixels(decode_image(data)) for data in pictures]
        return self.backbone.encode_images(np.stack(pixels))

    def _embed(
        self, session: Session, product: Product, ids: Sequence[str], pictures: Sequence[bytes]
    ) -> None:
        filterable = filterable_attributes(session)
        for slug, kind in filterable.items():
            self.gallery.index_attribute(slug, kind)
        payload = payload_of(product, filterable)
        if ids:
            rows = zip(ids, self._features(pictures), strict=True)
            self.gallery.upsert([Point(image_id, feature, payload) for image_id, feature in rows])
            session.add_all([self._row(image_id, None) for image_id in ids])

    def _row(self, image_id: str, error: str | None) -> Embedding:
        return Embedding(
            image_id=image_id,
            gallery_id=self.active.gallery_id,
            image_revision=1,
            error=error,
            created_at=clock.now(),
        )


def _image_ids(session: Session, product: Product) -> list[str]:
    images = select(Image.id).where(Image.product_id == product.id)
    return list(session.scalars(images.order_by(Image.position)))
