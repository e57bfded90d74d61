"""Model versions brought into memory; versions that share towers share one loaded backbone."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakValueDictionary

import numpy as np

from backend.composition.card import ModelCard, read_card
from backend.encoding.spec import BackboneSpec
from backend.errors import InvalidInput, SetupError
from backend.registry.artefacts import Artefacts

if TYPE_CHECKING:
    from backend.composition.artefact import ComposedModel
    from backend.composition.composer import Composer
    from backend.composition.sphere import Vectors
    from backend.composition.trained import PromptEncoder
    from backend.encoding.backbone import Backbone

KEPT = 2
"""Backbones that stay loaded although nothing uses them at the moment."""
Prints = tuple[str, str]
"""The fingerprints of an image tower and of everything else."""


class Described(Protocol):
    """What has to be known of a version to load it: a row of it, or `Active`."""

    @property
    def backbone(self) -> dict[str, Any]: ...
    @property
    def artefact(self) -> str | None: ...
    @property
    def composer(self) -> str: ...
    @property
    def fingerprint(self) -> str: ...


@dataclass(frozen=True, eq=False)
class LoadedVersion:
    """The towers of a version, and where its composer's weights are.

    folder, card: of its artefact; None for a backbone as it is with a composer of ours.
    """

    backbone: Backbone
    composer: str
    folder: Path | None = None
    card: ModelCard | None = None

    def compose(self, encode: PromptEncoder | None = None) -> Composer:
        """Its own composer, under the name that the registry has for it.

        encode: what reads an inversion's sentences instead of the backbone itself.
        """
        from backend.composition.artefact import load_composer
        from backend.composition.composer import composer_named

        if self.folder is None or self.card is None:
            return composer_named(self.composer)
        named = self.card.model_copy(update={"name": self.composer})
        return load_composer(self.folder, named, self.backbone, encode)

    @property
    def means(self) -> tuple[Vectors | None, Vectors | None]:
        """(dim,) each: the means of unit image and text features; the artefact's, else the
        backbone's."""
        image, text = self.backbone.image_mean, self.backbone.text_mean
        if self.card is None:
            return image, text
        own = (self.card.image_mean, self.card.text_mean)
        found = [None if one is None else np.asarray(one, np.float32) for one in own]
        return (image if found[0] is None else found[0]), (text if found[1] is None else found[1])

    def model(self) -> ComposedModel:
        """The version as recipes and evaluations take it."""
        from backend.composition.artefact import ComposedModel, untrained_model

        if self.card is None:
            return untrained_model(self.backbone, self.composer)
        return ComposedModel(self.backbone, self.compose(), self.card)


class Models:
    """Loads versions, one at a time; the backbones used last stay in memory."""

    def __init__(self, artefacts: Artefacts, device: str, threads: int) -> None:
        """device, threads: as for `load_backbone`."""
        self._artefacts = artefacts
        self._device = device
        self._threads = threads
        self._loading = threading.RLock()
        self._kept: OrderedDict[Prints, Backbone] = OrderedDict()
        self._alive: WeakValueDictionary[Prints, Backbone] = WeakValueDictionary()
        self._plain: WeakValueDictionary[BackboneSpec, Backbone] = WeakValueDictionary()

    def plain(self, spec: BackboneSpec) -> Backbone:
        """A backbone as it is. Raises as `load_backbone` does."""
        from backend.encoding.backbone import load_backbone  # torch: only when it is used

        with self._loading:
            found = self._plain.get(spec)
            if found is None:
                found = self._plain[spec] = load_backbone(spec, self._device, self._threads)
            return self._keep(found)

    def know(self, backbone: Backbone) -> None:
        """Take a backbone that is loaded already, as `plain` would give it."""
        with self._loading:
            self._plain[backbone.spec] = self._keep(backbone)

    def load(self, version: Described) -> LoadedVersion:
        """The version's towers, loaded unless they are in memory, and its artefact's folder.

        Raises SetupError where the towers are not those that the version was made with any more;
        as `load_model` and `Artefacts.folder` for what is gone or damaged.
        """
        if version.artefact is None:
            backbone = self.plain(BackboneSpec(**version.backbone))
            _check(version, backbone)
            return LoadedVersion(backbone, version.composer)
        with self._loading:
            folder = self._artefacts.folder(version.artefact)
            card = read_card(folder)
            backbone = self._towers(folder, card)
            _check(version, backbone)
            return LoadedVersion(backbone, version.composer, folder, card)

    def try_out(self, folder: Path) -> None:
        """Load the artefact in a folder and let it answer once; nothing of it is kept.

        Raises InvalidInput where its weights are damaged or do not fit its backbone, or what it
        answers is no vector; as `load_backbone` for a backbone that is gone.
        """
        from backend.composition.artefact import load_model
        from backend.composition.artefact_files import TOWERS

        with self._loading:
            card = read_card(folder)
            known = None if (folder / TOWERS).is_file() else self.plain(card.backbone.spec)
            model = load_model(folder, self._device, self._threads, known)
        seen = np.ones((1, model.backbone.dim), np.float32)
        if not np.isfinite(model.query_vectors(seen, ["a red dress"])).all():
            raise InvalidInput(
                f"The model {card.name} gives no usable vectors: train it anew, or export it again."
            )

    def _towers(self, folder: Path, card: ModelCard) -> Backbone:
        from backend.composition.artefact import load_model
        from backend.composition.artefact_files import TOWERS

        known = self._alive.get((card.fingerprint, card.text_fingerprint))
        if known is None and not (folder / TOWERS).is_file():
            known = self.plain(card.backbone.spec)
        loaded = load_model(folder, self._device, self._threads, known)
        return self._keep(loaded.backbone)

    def _keep(self, backbone: Backbone) -> Backbone:
        prints = (backbone.fingerprint, backbone.text_fingerprint)
        self._alive[prints] = self._kept[prints] = backbone
        self._kept.move_to_end(prints)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return backbone


def _check(version: Described, backbone: Backbone) -> None:
    if version.fingerprint == backbone.fingerprint:
        return
    from backend.registry.service import backbone_label

    raise SetupError(
        f"The weights of {backbone_label(version.backbone)} are not those that this model version "
        f"was made with (image tower {version.fingerprint[:12]}, and {backbone.fingerprint[:12]} "
        "now): put the old ones back."
    )
