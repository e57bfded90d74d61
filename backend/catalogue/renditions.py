"""Renditions: the smaller WebP forms of a picture, the only forms a browser is given.

They are drawn by a decoding child (`backend.encoding.rendering`); here they are kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from backend.blobs import BlobStore, RenditionKind
from backend.encoding.decode_pool import DecodePool
from backend.encoding.rendering import is_whole


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the catalogue keeps about a blob: size in bytes, format, upright width and height."""

    size: int
    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """Bytes found to be a picture, with their facts and renditions; not stored yet."""

    data: bytes
    facts: ImageFacts
    renditions: dict[RenditionKind, bytes]


def prepare_image(decoder: DecodePool, data: bytes, *, name: str) -> PreparedImage:
    """Decode the picture in `data` and make its renditions.

    Raises UnsupportedImage, TooLarge and Unavailable as `DecodePool.pixels` does, naming `name`.
    """
    made = decoder.render(data, name=name)
    facts = ImageFacts(len(data), made.form, made.width, made.height)
    return PreparedImage(data, facts, made.renditions)


def store_image(blobs: BlobStore, image: PreparedImage) -> str:
    """Write the blob and its renditions; the SHA-256. Stored twice, nothing changes."""
    sha256 = blobs.put(image.data)
    _store_renditions(blobs, sha256, image)
    return sha256


def rendition(blobs: BlobStore, sha256: str, kind: RenditionKind, decoder: DecodePool) -> bytes:
    """The WebP bytes of a blob's rendition, made again where it is missing or not whole.

    Raises NotFound where there is no such blob, and what `prepare_image` does.
    """
    stored = blobs.read_rendition(sha256, kind)
    if stored is not None and is_whole(stored):
        return stored
    image = prepare_image(decoder, blobs.read(sha256), name=f"blob {sha256}")
    _store_renditions(blobs, sha256, image)
    return image.renditions[kind]


def _store_renditions(blobs: BlobStore, sha256: str, image: PreparedImage) -> None:
    for kind, data in image.renditions.items():
        blobs.put_rendition(sha256, kind, data)
