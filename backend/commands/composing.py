"""The query vector of a picture and words, computed here: no server, no gallery."""

from __future__ import annotations

from collections.abc import Sequence

from backend.composition.composer import QueryFeatures, composer_named
from backend.composition.query import compose_query
from backend.encoding.backbone import BackboneSpec, load_backbone
from backend.encoding.decoding import decode_image
from backend.settings import read_settings


def query_vector(
    picture: bytes | None,
    text: str,
    without: Sequence[str],
    *,
    strength: float,
    composer: str,
    backbone: str | None,
    pretrained: str | None,
) -> list[float]:
    """The unit query vector, (dim,).

    Raises:
        InvalidInput: for a query with neither picture nor words, or an unknown composer.
        SetupError: for a backbone that cannot be loaded.
    """
    settings = read_settings()
    chosen = composer_named(composer)
    spec = BackboneSpec(
        backbone or settings.backbone,
        pretrained if backbone else pretrained or settings.pretrained,
        settings.preprocessing,
    )
    towers = load_backbone(spec, device=settings.device, threads=settings.query_threads)
    image = None
    if picture is not None:
        see = towers.preprocessing
        pixels = see.pixels(decode_image(picture, draft=see.draft))
        image = towers.encode_images(pixels[None])[0]
    words = towers.encode_texts([text])[0] if text.strip() else None
    phrases = towers.encode_texts(list(without)) if without else None
    query = compose_query(
        chosen,
        QueryFeatures(image, words),
        strength=strength,
        without=phrases,
        text_mean=towers.text_mean,
    )
    return [float(value) for value in query.vector]
