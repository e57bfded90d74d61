"""Why this result: how much of a hit's score comes from the picture and how much from the words.

Raw cosines nearly always favour the picture, because image features lie nearer to each other than
to text (the modality gap). So the shares are Shapley values (Shapley 1953, "A value for n-person
games") of a game of two players, the picture and the words, in which a part that does not play is
replaced by its mean. They speak of similarity, not of cause.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from backend.composition.composer import ComposedQuery, QueryFeatures
from backend.composition.sphere import Vectors, normalise

Compose = Callable[[QueryFeatures], ComposedQuery]
Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FeatureMeans:
    """Means of a model's unit image features and unit text features, (dim,) each."""

    image: Vectors
    text: Vectors


@dataclass(frozen=True, eq=False)
class Shares:
    """float64, (n,) each: image + text + baseline is the score. Shares may be negative.

    `baseline` is the score that the candidate has without knowing anything of the query.
    """

    image: Scores
    text: Scores
    baseline: Scores


def explain(
    compose: Compose, features: QueryFeatures, means: FeatureMeans | None, candidates: Vectors
) -> Shares:
    """Shares of (n, dim) unit candidates in their scores under compose(features).

    `compose` is the query as asked, with its strength and its words to leave out. Without means, a
    part that does not play says nothing: the query is made of the other part alone, a factor of
    a re-scorer is 1, and the baseline is the score of no query (0, or 1 with a re-scorer).
    A query of a single part gives the other no share.
    """
    both, image, text, neither = (
        _value(compose, features, means, candidates, players)
        for players in ({"image", "text"}, {"image"}, {"text"}, set[str]())
    )
    return Shares(
        image=((image - neither) + (both - text)) / 2,
        text=((text - neither) + (both - image)) / 2,
        baseline=neither,
    )


def _value(
    compose: Compose,
    features: QueryFeatures,
    means: FeatureMeans | None,
    candidates: Vectors,
    players: set[str],
) -> Scores:
    """(n,) scores where only `players` are known of the query."""
    if means is None:
        return _value_without_means(compose, features, candidates, players)
    image, text = features.image, features.text
    if "image" not in players:
        image = _averaged(image, means.image)
    if "text" not in players:
        text = _averaged(text, means.text)
    return compose(QueryFeatures(image, text)).score(candidates).astype(np.float64)


def _averaged(feature: Vectors | None, mean: Vectors) -> Vectors | None:
    """The mean's direction at the feature's own length, so that only what it says is lost."""
    return None if feature is None else normalise(mean) * np.linalg.norm(feature)


def _value_without_means(
    compose: Compose, features: QueryFeatures, candidates: Vectors, players: set[str]
) -> Scores:
    rescorer = compose(features).rescorer
    if rescorer is not None:
        silenced = replace(
            rescorer,
            image=rescorer.image * ("image" in players),
            text=rescorer.text * ("text" in players),
        )
        return silenced.score(candidates).astype(np.float64)
    image = features.image if "image" in players else None
    text = features.text if "text" in players else None
    if image is None and text is None:
        return np.zeros(len(candidates))
    return compose(QueryFeatures(image, text)).score(candidates).astype(np.float64)
