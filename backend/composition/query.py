"""A composed query under the shopper's two controls: the strength, and words to keep away from."""

from __future__ import annotations

import numpy as np

from backend.composition.composer import ComposedQuery, Composer, QueryFeatures, Rescorer
from backend.composition.sphere import Vectors, direction, normalise, slerp
from backend.errors import InvalidInput

MAX_WITHOUT = 5
WITHOUT_WEIGHT = 0.5


def compose_query(
    composer: Composer,
    features: QueryFeatures,
    *,
    strength: float = 0.0,
    without: Vectors | None = None,
    text_mean: Vectors | None = None,
    lam: float = WITHOUT_WEIGHT,
) -> ComposedQuery:
    """Compose the features, slide the answer by `strength`, move it away from `without`.

    strength: from -1 (image only) over 0 (the composer's own answer) to 1 (text only); without
    effect where only one part is given, which is then the query.
    without: (k, dim) text features of at most five phrases, of any norm.
    text_mean: (dim,) mean of the model's unit text features; without it, phrases are not centred.
    lam: the weight of one phrase.

    Raises InvalidInput for a strength outside [-1, 1], more than five phrases, phrases of another
    size than the query, and phrases that leave nothing of it.
    """
    if not -1 <= strength <= 1:
        raise InvalidInput(f"The strength is {strength:g}: choose a number from -1 to 1.")
    away = _away(without, text_mean, lam, features.units[0].size)
    return ComposedQuery(
        vector=_moved(_placed(composer, features, strength), away),
        rescorer=_rescorer(features, strength, away) if composer.rescores else None,
        image_unit=features.image_unit,
        text_unit=features.text_unit,
    )


def _placed(composer: Composer, features: QueryFeatures, strength: float) -> Vectors:
    """Decision 3: on the arc from image over the composer's own answer to text."""
    if features.image_unit is None or features.text_unit is None:
        return features.units[0]
    composed = composer.compose(features)
    if strength < 0:
        return slerp(features.image_unit, composed, 1 + strength)
    return slerp(composed, features.text_unit, strength)


def _rescorer(features: QueryFeatures, strength: float, away: Vectors | None) -> Rescorer | None:
    """Both directions move away from the words, so `without` holds at any strength."""
    if features.image_unit is None or features.text_unit is None:
        return None
    return Rescorer(
        image=_moved(features.image_unit, away),
        text=_moved(features.text_unit, away),
        image_exponent=1 - strength,
        text_exponent=1 + strength,
    )


def _away(
    without: Vectors | None, text_mean: Vectors | None, lam: float, dim: int
) -> Vectors | None:
    """Decision 4: lam x the sum of the centred unit phrases, (dim,)."""
    if without is None or len(without) == 0:
        return None
    if len(without) > MAX_WITHOUT:
        raise InvalidInput(
            f"The query leaves out {len(without)} phrases: give at most {MAX_WITHOUT}."
        )
    if without.shape[-1] != dim:
        raise InvalidInput(
            f"The phrases to leave out have {without.shape[-1]} features and the query {dim}: "
            "encode both with the same backbone."
        )
    centre = np.float32(0) if text_mean is None else text_mean
    away: Vectors = lam * (normalise(without) - centre).sum(axis=0, dtype=np.float32)
    return away


def _moved(unit: Vectors, away: Vectors | None) -> Vectors:
    if away is None:
        return unit
    return direction(
        unit - away, "The words to leave out cancel the whole query: remove one of them."
    )
