"""Which sentence an inverted picture is best read in: chosen on a choosing set, never on a test."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from backend.composition.artefact import ComposedModel
from backend.encoding.prompts import Prompt
from backend.errors import InvalidInput

AUTO = "auto"
CANDIDATES = (
    "a photo of $ that {}",
    "a photo of $ , {}",
    "a photo of $ with {}",
    "a photo of a $ {}",
    "photo of a $ {}",
    "a $ {}",
    "$ {}",
    "$ , {}",
    "$ that {}",
    "$ with {}",
    "$ and {}",
    "$ but {}",
    "{} $",
    "{} , $",
    "a {} $",
    "a photo of a {} $",
)
"""The published templates of Pic2Word and LinCIR, and shorter ones."""

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Choice:
    """The best template, and what each of them got."""

    template: str
    figures: Mapping[str, Figures]


def best_prompt(
    asked: Callable[[Prompt], ComposedModel],
    measure: Callable[[ComposedModel], Figures],
    select: str,
    candidates: Sequence[str] = CANDIDATES,
) -> Choice:
    """The template with the highest figure on the choosing set; of equal ones the first.

    asked: the model with a prompt; measure: its figures there; select: the one that chooses.
    """
    found = {text: dict(measure(asked(Prompt.parse(text)))) for text in candidates}
    return Choice(max(found, key=lambda text: found[text][select]), found)


def checked_prompt(template: str, choosing: bool) -> None:
    """Raises InvalidInput for a template that is none, and for `auto` where nothing can choose."""
    if template != AUTO:
        Prompt.parse(template)
    elif not choosing:
        raise InvalidInput(
            "There are no validation triplets to choose the prompt by: give choose=DIR with the "
            "folder of a dataset that has some, or the prompt itself."
        )
