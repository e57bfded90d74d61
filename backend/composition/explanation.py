"""Why this result: how much of a hit's score comes from the picture and how much from the words.

Raw cosines nearly always favour the picture, because image features lie nearer to each other than
to text (the modality gap). So the shares are Shapley values (Shapley 1953, "A value for n-person
games") of a game of two players, the picture and the words, in which a part that does not play is
replaced by its mean. They speak of similarity, not of cause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from backend.composition.composer import ComposedQuery, QueryFeatures, Rescorer
from backend.composition.sphere import Vectors, normalise

Compose = Callable[[Sequence[QueryFeatures]], list[ComposedQuery]]
Scores = npt.NDArray[np.float64]
Players = frozenset[str]

_COALITIONS = tuple(map(frozenset, (("image", "text"), ("image",), ("text",), ())))


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
    """Shares of (n, dim) unit candidates in their scores under compose([features]).

    `compose` is the query as asked, with its strength and its words to leave out; it is called
    once. Without means, a part that does not play says nothing: the query is made of the other
    part alone, a factor of a re-scorer is 1, and the baseline is the score of no query (0, or 1
    with a re-scorer). Words that do not play are not read either: an inverted picture then stands
    alone in its sentence. A query of a single part gives the other no share.
    """
    if means is None:
        values = _values(compose, features, candidates)
    else:
        values = _values_by_means(compose, features, means, candidates)
    both, image, text, neither = values
    return Shares(
        image=((image - neither) + (both - text)) / 2,
        text=((text - neither) + (both - image)) / 2,
        baseline=neither,
    )


def _values_by_means(
    compose: Compose, features: QueryFeatures, means: FeatureMeans, candidates: Vectors
) -> list[Scores]:
    """(n,) scores of each coalition, parts that do not play replaced by their means."""
    asked = [_averaged(features, means, players) for players in _COALITIONS]
    return [_scores(query, candidates) for query in compose(asked)]


def _averaged(features: QueryFeatures, means: FeatureMeans, players: Players) -> QueryFeatures:
    image, text, caption = features.image, features.text, features.caption
    if "image" not in players:
        image = _mean_of_length(image, means.image)
    if "text" not in players:
        text, caption = _mean_of_length(text, means.text), None
    return QueryFeatures(image, text, caption)


def _mean_of_length(feature: Vectors | None, mean: Vectors) -> Vectors | None:
    """The mean's direction at the feature's own length, so that only what it says is lost."""
    return None if feature is None else normalise(mean) * np.linalg.norm(feature)


def _values(compose: Compose, features: QueryFeatures, candidates: Vectors) -> list[Scores]:
    """(n,) scores of each coalition, parts that do not play left out."""
    asked = [_only(features, players) for players in _COALITIONS]
    answers = iter(compose([query for query in asked if query is not None]))
    composed = [None if query is None else next(answers) for query in asked]
    if composed[0] is not None and composed[0].rescorer is not None:
        fused = (_silenced(composed[0].rescorer, players) for players in _COALITIONS)
        return [rescorer.score(candidates).astype(np.float64) for rescorer in fused]
    nothing = np.zeros(len(candidates))
    return [nothing if query is None else _scores(query, candidates) for query in composed]


def _only(features: QueryFeatures, players: Players) -> QueryFeatures | None:
    image = features.image if "image" in players else None
    text, caption = (features.text, features.caption) if "text" in players else (None, None)
    return None if image is None and text is None else QueryFeatures(image, text, caption)


def _silenced(rescorer: Rescorer, players: Players) -> Rescorer:
    return replace(
        rescorer,
        image=rescorer.image * ("image" in players),
        text=rescorer.text * ("text" in players),
    )


def _scores(query: ComposedQuery, candidates: Vectors) -> Scores:
    return query.score(candidates).astype(np.float64)
