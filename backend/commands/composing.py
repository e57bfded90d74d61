"""The query vector of a picture and words, computed here: no server, no gallery."""

from __future__ import annotations

from collections.abc import Sequence

from backend.composition.artefact import (
    ComposedModel,
    load_model,
    shipped_models,
    untrained_model,
)
from backend.composition.composer import COMPOSERS, QueryFeatures, unknown_composer
from backend.composition.query import compose_query
from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from backend.encoding.decoding import decode_image
from backend.errors import InvalidInput
from backend.settings import Settings, read_settings


def query_vector(
    model: ComposedModel,
    picture: bytes | None,
    text: str,
    without: Sequence[str] = (),
    strength: float = 0.0,
) -> list[float]:
    """The unit query vector, (dim,).

    Raises:
        InvalidInput: for a query with neither picture nor words.
    """
    towers, image = model.backbone, None
    if picture is not None:
        see = towers.preprocessing
        pixels = see.pixels(decode_image(picture, draft=see.draft))
        image = towers.encode_images(pixels[None])[0]
    caption = text.strip() or None
    query = compose_query(
        model.composer,
        QueryFeatures(image, towers.encode_texts([caption])[0] if caption else None, caption),
        strength=strength,
        without=towers.encode_texts(list(without)) if without else None,
        text_mean=model.text_mean,
    )
    return [float(value) for value in query.vector]


def chosen_model(
    model: str | None, composer: str | None, backbone: str | None, pretrained: str | None
) -> ComposedModel:
    """A model by its folder (or `akin-demo`); else a backbone, of the settings unless named, with
    a composer by its name: one that needs no training, or a shipped one that fits.

    Raises:
        InvalidInput: for a model and one of the others, an unknown composer or backbone, and a
            model that cannot be read.
        NotFound: for a folder without a model.
        SetupError: for a backbone that cannot be loaded.
    """
    settings = read_settings()
    if model is None:
        return _composed(composer or "sum", _towers(settings, backbone, pretrained))
    others = {"--composer": composer, "--backbone": backbone, "--pretrained": pretrained}
    if given := [option for option, value in others.items() if value]:
        raise InvalidInput(
            "A model has its own backbone and composer: leave out --model, or "
            f"{' and '.join(given)}."
        )
    return load_model(model, device=settings.device, threads=settings.query_threads)


def _composed(composer: str, towers: Backbone) -> ComposedModel:
    if composer in COMPOSERS:
        return untrained_model(towers, composer)
    shipped = {card.name: folder for folder, card in shipped_models(towers).items()}
    if composer not in shipped:
        raise unknown_composer(composer, [*COMPOSERS, *shipped])
    return load_model(shipped[composer], backbone=towers)


def _towers(settings: Settings, backbone: str | None, pretrained: str | None) -> Backbone:
    spec = BackboneSpec(
        backbone or settings.backbone,
        pretrained if backbone else pretrained or settings.pretrained,
        settings.preprocessing,
    )
    return load_backbone(spec, device=settings.device, threads=settings.query_threads)
