"""Trained models: an artefact's folder in, a backbone with a composer out (`docs/composers.md`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

from backend import clock
from backend.composition.about import About, about_card, about_composer
from backend.composition.artefact_files import COMPOSER, TOWERS, read_tensors, write_artefact
from backend.composition.card import (
    TRAINED,
    BackboneCard,
    ComposerCard,
    DataCard,
    ModelCard,
    read_card,
)
from backend.composition.composed_model import ComposedModel, float_vector
from backend.composition.composer import COMPOSERS, Composer, FeatureSum, composer_named
from backend.encoding.prompts import Prompt
from backend.encoding.spec import DEMO, BackboneSpec
from backend.errors import InvalidInput

if TYPE_CHECKING:
    from torch import Tensor

    from backend.composition.networks import NetworkKind
    from backend.composition.trained import PromptEncoder
    from backend.encoding.backbone import Backbone

SHIPPED = Path(__file__).parent / "akin_demo"

__all__ = [
    "SHIPPED",
    "BackboneCard",
    "ComposedModel",
    "ComposerCard",
    "DataCard",
    "ModelCard",
    "load_composer",
    "load_model",
    "offered_composers",
    "read_card",
    "shipped_models",
    "untrained_model",
    "write_artefact",
]


def load_model(
    folder: Path | str,
    device: str = "auto",
    threads: int | None = None,
    backbone: Backbone | None = None,
) -> ComposedModel:
    """The model of an artefact's folder; `akin-demo` is the demo backbone with the plain sum.

    device, threads: as for `load_backbone`. backbone: one that is loaded already, taken where it
    fits.

    Raises NotFound or InvalidInput as `read_card` and `load_backbone` do, and InvalidInput for
    damaged weights, and for a backbone whose towers or sizes are others than the model's.
    """
    from backend.encoding.backbone import load_backbone

    if str(folder) == DEMO:
        known = backbone is not None and backbone.is_demo
        demo = backbone if known else load_backbone(BackboneSpec(), device, threads)
        return untrained_model(cast("Backbone", demo))
    card = read_card(Path(folder))
    if backbone is None or _misfit(card, backbone):
        towers = Path(folder) / TOWERS
        overlay = read_tensors(towers) if towers.is_file() else None
        if backbone is None or overlay:
            backbone = load_backbone(card.backbone.spec, device, threads, overlay)
    if misfit := _misfit(card, backbone):
        raise InvalidInput(misfit)
    return ComposedModel(backbone, load_composer(Path(folder), card, backbone), card)


def untrained_model(backbone: Backbone, composer: str = "sum") -> ComposedModel:
    """A backbone as it is with one of the composers that need no training."""
    card = ModelCard(
        name=composer,
        recipe="none",
        backbone=BackboneCard.model_validate(asdict(backbone.spec)),
        fingerprint=backbone.fingerprint,
        text_fingerprint=backbone.text_fingerprint,
        dim=backbone.dim,
        composer=ComposerCard.model_validate({"kind": composer_named(composer).name}),
        created=clock.now(),
    )
    return ComposedModel(backbone, composer_named(composer), card)


def shipped_models(backbone: Backbone) -> dict[Path, ModelCard]:
    """The models that come with Akin and fit both towers of a backbone, by their folders."""
    cards = {path.parent: read_card(path.parent) for path in sorted(SHIPPED.glob("*/model.json"))}
    return {folder: card for folder, card in cards.items() if _misfit(card, backbone) is None}


def offered_composers(backbone: Backbone) -> list[About]:
    """What is told of each composer that can answer over a backbone: those that need no training,
    then the shipped ones that fit."""
    plain = [about_composer(composer) for composer in COMPOSERS.values()]
    return plain + [about_card(card) for card in shipped_models(backbone).values()]


def load_composer(
    folder: Path, card: ModelCard, backbone: Backbone, encode: PromptEncoder | None = None
) -> Composer:
    """The composer of an artefact alone, for a backbone that fits it.

    encode: what reads an inversion's sentences instead of the backbone itself. Raises InvalidInput
    for weights that are damaged or of another size than the backbone's.
    """
    if card.composer.kind in TRAINED:
        composer = _trained(card, read_tensors(folder / COMPOSER), backbone, encode)
    elif card.composer.kind == "feature-sum":
        composer = FeatureSum(card.name)
    else:
        composer = COMPOSERS[card.composer.kind]
    if not card.composer.centred:
        return composer
    from backend.composition.trained import Centred

    return Centred(composer, float_vector(card.image_mean), float_vector(card.text_mean))


def _trained(
    card: ModelCard,
    weights: Mapping[str, Tensor],
    backbone: Backbone,
    encode: PromptEncoder | None,
) -> Composer:
    from backend.composition.networks import Combiner, network_of
    from backend.composition.trained import CombinerComposer, InversionComposer

    network = network_of(cast("NetworkKind", card.composer.kind), weights).to(backbone.device)
    _check_size(card, "features", network.dim, backbone.dim)
    about, threads = about_card(card), backbone.threads
    if isinstance(network, Combiner):
        return CombinerComposer(network, about, threads)
    _check_size(card, "numbers in a token", network.token_width, backbone.token_width)
    prompt = Prompt.parse(str(card.composer.prompt))
    return InversionComposer(network, prompt, encode or backbone.encode_prompts, about, threads)


def _check_size(card: ModelCard, what: str, network: int, backbone: int) -> None:
    if network != backbone:
        raise InvalidInput(
            f"The network of the model {card.name} is made for {network} {what}, and its backbone "
            f"has {backbone}: use the backbone that it was trained on."
        )


def _misfit(card: ModelCard, backbone: Backbone) -> str | None:
    """Why the model cannot answer over this backbone, in a sentence; None where it can."""
    if card.dim != backbone.dim:
        reason = f"whose features have {card.dim} numbers, not {backbone.dim}"
    elif card.fingerprint != backbone.fingerprint:
        reason = f"with another image tower ({_pair(card.fingerprint, backbone.fingerprint)})"
    elif card.text_fingerprint != backbone.text_fingerprint:
        prints = _pair(card.text_fingerprint, backbone.text_fingerprint)
        reason = f"with another text tower ({prints})"
    else:
        return None
    return (
        f"The model {card.name} was trained on a backbone {reason}: use {card.backbone.name} "
        "with the weights that it had then, or train the model anew."
    )


def _pair(wanted: str, found: str) -> str:
    return f"{wanted[:12]}, not {found[:12]}"
