"""Composers with trained weights, and mean-centring around any composer.

What they share: a query of one part is answered by that part's direction. Only an inverted picture
without words has an answer of its own, the prompt without a text ("a photo of $").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from backend.composition.about import COMBINED, INVERTED, About
from backend.composition.composer import CANCELLED, Composer, NormalisedSum, QueryFeatures
from backend.composition.networks import Combiner, Im2Text, Network, Phi
from backend.composition.sphere import Vectors, direction, normalise
from backend.encoding.prompts import Prompt

PromptEncoder = Callable[[Prompt, Vectors, Sequence[str | None]], Vectors]
"""A prompt, pseudo tokens (n, width) and n captions in; un-normalised features (n, dim) out."""


class CombinerComposer(Composer):
    """A Combiner (Baldrati et al. 2022) over the un-normalised features of both parts."""

    def __init__(
        self, network: Combiner, about: About = COMBINED, threads: int | None = None
    ) -> None:
        """threads: how many threads a call may use."""
        self.name, self.label, self.description = about
        self._network = network
        self._threads = threads

    @property
    def network(self) -> Combiner:
        """Its weights, which a second stage of training begins with."""
        return self._network

    def compose(self, features: QueryFeatures) -> Vectors:
        return self.compose_each([features])[0]

    def compose_each(self, queries: Sequence[QueryFeatures]) -> list[Vectors]:
        images = [q.image for q in queries if q.image is not None and q.text is not None]
        texts = [q.text for q in queries if q.image is not None and q.text is not None]
        answers = _answers(self._network, self._threads, images, texts)
        # A network's weights may overflow though they are finite, and an answer must be a unit.
        rows = iter(normalise(answers) if len(answers) else answers)
        return [next(rows) if len(q.units) == 2 else q.units[0] for q in queries]


class InversionComposer(Composer):
    """Textual inversion: the picture as a pseudo token, read in a sentence with the words.

    Pic2Word (Saito et al. 2023), SEARLE (Baldrati et al. 2023), LinCIR (Gu et al. 2024). The words
    are read as typed (`QueryFeatures.caption`); their own feature is not looked at.
    """

    def __init__(
        self,
        network: Phi | Im2Text,
        prompt: Prompt,
        encode: PromptEncoder,
        about: About = INVERTED,
        threads: int | None = None,
    ) -> None:
        """encode: the text tower. threads: how many threads a call of the network may use."""
        self.name, self.label, self.description = about
        self._network = network
        self.prompt: Prompt = prompt
        self._encode = encode
        self._threads = threads

    def compose(self, features: QueryFeatures) -> Vectors:
        return self.compose_each([features])[0]

    def compose_each(self, queries: Sequence[QueryFeatures]) -> list[Vectors]:
        seen = [query for query in queries if query.image is not None]
        rows = iter(self._read(seen))
        return [q.units[0] if q.image is None else next(rows) for q in queries]

    def _read(self, queries: Sequence[QueryFeatures]) -> Vectors:
        images = [query.image for query in queries if query.image is not None]
        pseudo = _answers(self._network, self._threads, images)
        if len(pseudo) == 0:
            return pseudo
        return normalise(self._encode(self.prompt, pseudo, [query.caption for query in queries]))


class Centred(Composer):
    """Any composer over features without the mean of their kind (the modality gap).

    The sum is (i - mean_i) + (t - mean_t) of the unit features; other composers are given the
    differences at the features' own lengths. Where the words are read in a sentence, its feature
    is what is centred. The query alone: the gallery is searched as it is.
    """

    def __init__(self, composer: Composer, image_mean: Vectors, text_mean: Vectors) -> None:
        """image_mean, text_mean: (dim,) means of the unit features of each tower."""
        self._composer = composer
        self._image_mean, self._text_mean = image_mean, text_mean
        self.name = composer.name
        self.label, self.description = composer.label, composer.description
        self.rescores, self.prompt = composer.rescores, composer.prompt

    def compose(self, features: QueryFeatures) -> Vectors:
        """Raises InvalidInput where nothing is left of picture and words."""
        return self.compose_each([features])[0]

    def compose_each(self, queries: Sequence[QueryFeatures]) -> list[Vectors]:
        if self.prompt is not None:
            answers = self._composer.compose_each(queries)
            return [self._read(*pair) for pair in zip(queries, answers, strict=True)]
        whole = [query for query in queries if len(query.units) == 2]
        rows = iter(self._composed(whole))
        return [next(rows) if len(query.units) == 2 else query.units[0] for query in queries]

    def factors(self, features: QueryFeatures) -> tuple[Vectors, Vectors]:
        image, text = (direction(part, CANCELLED) for part in self._differences(features))
        return image, text

    def _read(self, features: QueryFeatures, answer: Vectors) -> Vectors:
        if features.image is None:
            return answer
        return direction(answer - self._text_mean, CANCELLED)

    def _composed(self, queries: Sequence[QueryFeatures]) -> list[Vectors]:
        if isinstance(self._composer, NormalisedSum):
            return [direction(np.sum(self._differences(q), axis=0), CANCELLED) for q in queries]
        return self._composer.compose_each([self._without_means(query) for query in queries])

    def _without_means(self, features: QueryFeatures) -> QueryFeatures:
        image, text = self._differences(features)
        return QueryFeatures(
            image * np.linalg.norm(np.asarray(features.image)),
            text * np.linalg.norm(np.asarray(features.text)),
            features.caption,
        )

    def _differences(self, features: QueryFeatures) -> tuple[Vectors, Vectors]:
        image, text = features.units
        return image - self._image_mean, text - self._text_mean


def _answers(network: Network, threads: int | None, *inputs: Sequence[Vectors]) -> Vectors:
    """What the network makes of n rows a column; (0, 0) for none."""
    if not inputs[0]:
        return np.empty((0, 0), np.float32)
    if threads is not None and torch.get_num_threads() != threads:
        torch.set_num_threads(threads)  # torch keeps this for each calling thread
    device = next(network.parameters()).device
    with torch.inference_mode():
        columns = (torch.from_numpy(np.stack(rows)).to(device) for rows in inputs)
        answers: Vectors = network(*columns).float().cpu().numpy()
    return answers
