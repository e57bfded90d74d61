"""A composed query under the shopper's two controls: the strength, and words to keep away from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from backend.composition.composer import (
    COMPOSERS,
    ComposedQuery,
    Composer,
    QueryFeatures,
    Rescorer,
)
from backend.composition.sphere import Vectors, direction, normalise, slerp
from backend.errors import InvalidInput

MAX_WITHOUT = 5
WITHOUT_WEIGHT = 0.5


def answering(composer: Composer, features: QueryFeatures) -> Composer:
    """The composer that answers a query: `composer` where both parts are there.

    A query of one part is that part's direction, whatever the method: an inverted picture finds
    less than the picture itself.
    """
    both = features.image is not None and features.text is not None
    return composer if both else COMPOSERS["sum"]


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

    Of a single part the query is that part's direction. The rest is as `compose_queries` says.
    """
    (query,) = compose_queries(
        answering(composer, features),
        [features],
        strength=strength,
        without=without,
        text_mean=text_mean,
        lam=lam,
    )
    return query


def compose_queries(
    composer: Composer,
    queries: Sequence[QueryFeatures],
    *,
    strength: float = 0.0,
    without: Vectors | None = None,
    text_mean: Vectors | None = None,
    lam: float = WITHOUT_WEIGHT,
) -> list[ComposedQuery]:
    """Several queries (at least one) under the same controls, composed in as few calls as can be.

    strength: from -1 (image only) over 0 (the composer's own answer) to 1 (text only); without
    effect where only one part is given, of which the composer's own answer is the query.
    without: (k, dim) text features of at most five phrases, of any norm.
    text_mean: (dim,) mean of the model's unit text features; without it, phrases are not centred.
    lam: the weight of one phrase.

    Raises InvalidInput for a strength outside [-1, 1], more than five phrases, phrases of another
    size than the query, and phrases that leave nothing of it.
    """
    if not -1 <= strength <= 1:
        raise InvalidInput(f"The strength is {strength:g}: choose a number from -1 to 1.")
    away = _away(without, text_mean, lam, queries[0].units[0].size)
    return [
        ComposedQuery(
            vector=_moved(_placed(features, own, strength), away),
            rescorer=_rescorer(composer, features, strength, away),
            image_unit=features.image_unit,
            text_unit=features.text_unit,
        )
        for features, own in zip(queries, composer.compose_each(queries), strict=True)
    ]


def _placed(features: QueryFeatures, own: Vectors, strength: float) -> Vectors:
    """Decision 3: on the arc from image over the composer's own answer to text."""
    if features.image_unit is None or features.text_unit is None:
        return own
    if strength < 0:
        return slerp(features.image_unit, own, 1 + strength)
    return slerp(own, features.text_unit, strength)


def _rescorer(
    composer: Composer, features: QueryFeatures, strength: float, away: Vectors | None
) -> Rescorer | None:
    """Both directions move away from the words, so `without` holds at any strength."""
    if not composer.rescores or len(features.units) == 1:
        return None
    image, text = composer.factors(features)
    return Rescorer(
        image=_moved(image, away),
        text=_moved(text, away),
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
