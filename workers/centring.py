"""`akin models centre`: the means of unit features out of a model's queries.

METHODS calls the gap that this closes the modality gap: image and text features lie in two cones
(Liang et al. 2022, "Mind the gap: understanding the modality gap in multi-modal contrastive
representation learning"). It helps weak backbones and does nothing for strong ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from backend.commands.centring import CentringWanted
from backend.commands.terminal import err, progress, stages
from backend.composition.card import ModelCard, check_name
from backend.encoding.spec import DEMO
from backend.errors import InvalidInput

if TYPE_CHECKING:
    from backend.composition.artefact import ComposedModel
    from workers.recipes.recipe import Said
    from workers.trainer.features import FeatureCache
    from workers.trainer.split_features import Features

SAMPLE = 20_000
"""Pictures, and texts, that a mean is taken of at most, evenly over all there are."""


def centre_here(wanted: CentringWanted) -> ModelCard:
    """Measure where that is asked for, and write the model.

    Raises InvalidInput for a model that is centred already, one without means where no data is
    named, and data without pictures or texts; NotFound or SetupError as `load_model`.
    """
    from backend.composition.artefact import load_model, untrained_model, write_artefact
    from backend.composition.artefact_files import COMPOSER, TOWERS, read_tensors

    if wanted.name is not None:
        check_name(wanted.name)
    model = load_model(wanted.model, wanted.device)
    if wanted.model == DEMO and wanted.composer is not None:
        model = untrained_model(model.backbone, wanted.composer)
    if model.card.composer.centred:
        raise InvalidInput(f"The model {model.card.name} is centred already: use it as it is.")
    images, texts, note = _means(model, wanted)
    card = model.card.model_copy(
        update={
            "name": wanted.name or f"{model.card.name[:90]} centred",
            "composer": model.card.composer.model_copy(update={"centred": True}),
            "image_mean": images.astype(float).tolist(),
            "text_mean": texts.astype(float).tolist(),
            "parent": model.card.name,
            "metrics": {},  # of the parent; this one answers otherwise
            "note": note,
        }
    )
    files = [Path(wanted.model) / name for name in (COMPOSER, TOWERS)]
    found = [read_tensors(path) if path.is_file() else None for path in files]
    write_artefact(wanted.out, card, *found)
    return card


def _means(model: ComposedModel, wanted: CentringWanted) -> tuple[Features, Features, str]:
    """(dim,) of pictures and of texts, and where they are from."""
    if wanted.data is None:
        if model.image_mean is None or model.text_mean is None:
            raise InvalidInput(
                f"The model {model.card.name} comes without means: name with --data pictures and "
                "texts to measure them on."
            )
        return model.image_mean, model.text_mean, "The means are those it came with."
    from workers.trainer.features import FeatureCache, default_root

    cache = FeatureCache(wanted.cache or default_root())
    with progress() as bars:
        return _measured(model, wanted.data, cache, stages(bars))


def _measured(
    model: ComposedModel, data: Path, cache: FeatureCache, said: Said
) -> tuple[Features, Features, str]:
    from workers.trainer.corpora import seen_pictures, training_pictures

    pictures = training_pictures(data)
    chosen = _evenly(len(pictures.names))
    sample = replace(
        pictures,
        names=[pictures.names[row] for row in chosen],
        take=lambda number: pictures.take(chosen[number]),
    )
    seen = seen_pictures(cache, model.backbone, sample, said)
    for sentence in (*pictures.remarks, *seen.remarks):
        err.print(sentence, markup=False, highlight=False)
    texts = _texts(data)
    read = cache.text_features(
        model.backbone, texts, lambda done, total: said("Reading texts", done, total)
    )
    images = seen.take(np.arange(len(seen.rows)))
    note = f"The means are of {len(images):,} pictures and {len(read):,} texts of {data.name}."
    return _mean(images), _mean(read), note


def _texts(data: Path) -> Sequence[str]:
    """Captions of its training triplets where it has some, else its own captions or titles."""
    from workers.trainer.corpora import training_texts
    from workers.trainer.triplet_data import training_triplets

    found: Sequence[str] = ()
    with suppress(InvalidInput):
        found = training_triplets(data).texts
    if found:
        return [found[row] for row in _evenly(len(found))]
    corpus = training_texts(data)
    return corpus.take(_evenly(len(corpus)))


def _evenly(count: int) -> list[int]:
    """Row numbers of a sample, all of them where they are few."""
    return [int(row) for row in np.linspace(0, count - 1, min(count, SAMPLE))]


def _mean(features: Features) -> Features:
    """(n, dim) un-normalised to the (dim,) mean of their directions."""
    from workers.metrics.scores import unit

    found: Features = unit(np.asarray(features)).mean(axis=0)
    return found
