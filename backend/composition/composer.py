"""What every composer takes and returns, and the three composers that need no training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from backend.composition.sphere import Vectors, direction, normalise, slerp
from backend.encoding.prompts import Prompt
from backend.errors import InvalidInput

CANCELLED = "Picture and words cancel each other out: change one of them."

RESCORED_CANDIDATES = 1_000
"""How many images a query with a re-scorer fetches by its vector before it re-scores them."""


@dataclass(frozen=True, eq=False)
class QueryFeatures:
    """Un-normalised features of the reference image and of the text, (dim,); one may be missing.

    caption: the words as typed, for a composer that reads them itself.

    Raises InvalidInput if both are missing, one is zero or not finite, or their sizes differ.
    """

    image: Vectors | None
    text: Vectors | None
    caption: str | None = None
    image_unit: Vectors | None = field(init=False)
    text_unit: Vectors | None = field(init=False)

    def __post_init__(self) -> None:
        if self.image is None and self.text is None:
            raise InvalidInput("The query is empty: give a picture, a sentence, or both.")
        if self.image is not None and self.text is not None and self.image.shape != self.text.shape:
            raise InvalidInput(
                f"The picture has {self.image.size} features and the text {self.text.size}: "
                "encode both with the same backbone."
            )
        object.__setattr__(self, "image_unit", _unit(self.image))
        object.__setattr__(self, "text_unit", _unit(self.text))

    @property
    def units(self) -> list[Vectors]:
        """The unit features of the parts that are present: image first, then text."""
        return [unit for unit in (self.image_unit, self.text_unit) if unit is not None]


def _unit(feature: Vectors | None) -> Vectors | None:
    return None if feature is None else normalise(feature)


@dataclass(frozen=True, eq=False)
class Rescorer:
    """Late fusion: the product of both similarities, each moved to [0, 2] (Decisions, 2 and 3)."""

    image: Vectors
    text: Vectors
    image_exponent: float = 1.0
    text_exponent: float = 1.0

    def score(self, candidates: Vectors) -> Vectors:
        """(n,) scores (1 + s_image)^a (1 + s_text)^b of (n, dim) unit candidates."""
        return self.fuse(candidates @ np.stack([self.image, self.text], axis=1))

    def fuse(self, similarities: Vectors) -> Vectors:
        """(n,) scores of candidates whose similarities to image and text are known, (n, 2)."""
        # Rounding can put a cosine below -1, and a power of a negative number is not a number.
        factors = np.maximum(1 + similarities, 0)
        powers = factors ** np.array([self.image_exponent, self.text_exponent], dtype=np.float32)
        scores: Vectors = powers[:, 0] * powers[:, 1]
        return scores


@dataclass(frozen=True, eq=False)
class ComposedQuery:
    """What the gallery is asked: a unit vector, and what re-scores the images it finds, if any.

    `image_unit` and `text_unit` are the unit features that went in, (dim,).
    """

    vector: Vectors
    rescorer: Rescorer | None
    image_unit: Vectors | None
    text_unit: Vectors | None

    def score(self, candidates: Vectors) -> Vectors:
        """(n,) final scores of (n, dim) unit candidates: the re-scorer's, else the cosines."""
        if self.rescorer is not None:
            return self.rescorer.score(candidates)
        cosines: Vectors = candidates @ self.vector
        return cosines


class Composer(ABC):
    """Turns features into a query vector.

    `name` is for programs; `label` and `description`, one plain sentence, are for people.
    """

    name: str
    label: str
    description: str
    rescores: bool = False
    """Whether images found by the vector are re-scored by the product of similarities."""
    prompt: Prompt | None = None
    """The sentence in which it reads the words itself; None where it takes their feature."""

    @abstractmethod
    def compose(self, features: QueryFeatures) -> Vectors:
        """The unit (dim,) query vector; of a single part, its own answer to that part."""

    def compose_each(self, queries: Sequence[QueryFeatures]) -> list[Vectors]:
        """The same of several queries, in as few calls of a network and a tower as it can."""
        return [self.compose(features) for features in queries]

    def factors(self, features: QueryFeatures) -> tuple[Vectors, Vectors]:
        """The unit directions, of picture and words, whose similarities a re-scorer multiplies;
        both parts must be there."""
        image, text = features.units
        return image, text


class NormalisedSum(Composer):
    """normalise(i / |i| + t / |t|): both parts weigh the same, whatever their norms."""

    name = "sum"
    label = "Sum of picture and words"
    description = "Looks for what is near to the picture and to the words, both alike."

    def compose(self, features: QueryFeatures) -> Vectors:
        """Raises InvalidInput where picture and words point in opposite directions."""
        if len(features.units) == 1:
            return features.units[0]
        return direction(np.sum(features.units, axis=0), CANCELLED)


class FeatureSum(Composer):
    """normalise(i + t), at the features' own lengths: what towers are trained for in CLIP4Cir's
    first stage (Baldrati et al. 2022, "Conditioned and composed image retrieval combining and
    partially fine-tuning CLIP-based features", section 3.1). Of a trained model only: lengths of
    other towers say nothing."""

    label = "Learned sum"
    description = "Adds picture and words as its model was trained to, each as strong as it comes."

    def __init__(self, name: str = "feature-sum") -> None:
        self.name = name

    def compose(self, features: QueryFeatures) -> Vectors:
        """Raises InvalidInput where picture and words point in opposite directions."""
        if features.image is None or features.text is None:
            return features.units[0]
        longest = max(np.linalg.norm(features.image), np.linalg.norm(features.text))
        return direction((features.image + features.text) / longest, CANCELLED)


class Slerp(Composer):
    """The middle of the great circle from image to text (Jang et al. 2024, "Spherical linear
    interpolation and text-anchoring for zero-shot composed image retrieval")."""

    name = "slerp"
    label = "Midway between picture and words"
    description = "Goes half of the way from the picture to the words."

    def compose(self, features: QueryFeatures) -> Vectors:
        units = features.units
        return slerp(units[0], units[-1], 0.5)


class LateFusion(NormalisedSum):
    """Finds candidates by the sum, then ranks them by the product of both similarities.

    The product wants both to hold where the sum lets one make up for the other (Psomas et al.
    2025, "Instance-level composed image retrieval").
    """

    name = "product"
    label = "Product of similarities"
    description = "Wants both: what looks like the picture but does not fit the words comes late."
    rescores = True


COMPOSERS: Mapping[str, Composer] = MappingProxyType(
    {composer.name: composer for composer in (NormalisedSum(), Slerp(), LateFusion())}
)


def composer_named(name: str, among: Mapping[str, Composer] = COMPOSERS) -> Composer:
    """The composer of that name; InvalidInput lists the names there are."""
    if name not in among:
        raise unknown_composer(name, among)
    return among[name]


def unknown_composer(name: str, known: Iterable[str]) -> InvalidInput:
    """What is told where no composer has that name."""
    return InvalidInput(f'No composer is called "{name}": choose one of {", ".join(known)}.')
