"""The card of a model artefact, `model.json`: what it is, what it fits, where it comes from."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from backend.encoding.preprocessing import PreprocessingKind
from backend.encoding.prompts import Prompt
from backend.encoding.spec import BackboneSpec
from backend.errors import InvalidInput, NotFound

FORMAT: Final = 1
CARD = "model.json"

ComposerKind = Literal["sum", "slerp", "product", "feature-sum", "combiner", "phi", "im2text"]
TRAINED = ("combiner", "phi", "im2text")
INVERSIONS = ("phi", "im2text")

LONGEST_NAME = 100
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_NAME, pattern=r"^[^\x00-\x1f]+$")
]


class BackboneCard(BaseModel):
    """The parent backbone, as `load_backbone` finds it."""

    name: str
    pretrained: str | None = None
    preprocessing: PreprocessingKind = "clip"

    @property
    def spec(self) -> BackboneSpec:
        """The same, as `load_backbone` takes it."""
        return BackboneSpec(self.name, self.pretrained, self.preprocessing)


class ComposerCard(BaseModel):
    """Which composer it is; an inversion has the prompt it was chosen with."""

    kind: ComposerKind
    prompt: str | None = None
    centred: bool = False


class DataCard(BaseModel):
    """What it was trained on: in words, as a hash of the snapshot, and how much of it."""

    description: str = ""
    hash: str = ""
    counts: dict[str, int] = {}


class ModelCard(BaseModel):
    """Everything about a model but its weights.

    fingerprint and text_fingerprint are those of the towers it answers with, changed weights
    included. image_mean and text_mean, (dim,), are of unit features, where they were measured.
    """

    format: Literal[1] = FORMAT
    name: Name
    recipe: str
    backbone: BackboneCard
    fingerprint: str
    text_fingerprint: str
    dim: Annotated[int, Field(ge=1)]
    composer: ComposerCard
    parameters: dict[str, Any] = {}
    data: DataCard = DataCard()
    metrics: dict[str, Any] = {}
    parent: str | None = None
    protocol: str = ""
    created: datetime
    note: str = ""
    image_mean: list[float] | None = None
    text_mean: list[float] | None = None

    @model_validator(mode="after")
    def _fits_itself(self) -> Self:
        if (self.composer.kind in INVERSIONS) != (self.composer.prompt is not None):
            raise ValueError("an inversion has a prompt, and nothing else has")
        if self.composer.prompt is not None:
            try:
                Prompt.parse(self.composer.prompt)
            except InvalidInput as error:
                raise ValueError(error.sentence.rstrip(".")) from error
        if any(mean is not None and len(mean) != self.dim for mean in self._means()):
            raise ValueError("a mean has another size than the features")
        if self.composer.centred and None in self._means():
            raise ValueError("a centred composer needs both means")
        return self

    def _means(self) -> tuple[list[float] | None, list[float] | None]:
        return self.image_mean, self.text_mean


def check_name(name: str) -> None:
    """Raises InvalidInput for what no model can be called, before it is trained or converted."""
    try:
        TypeAdapter(Name).validate_python(name)
    except ValidationError as error:
        raise InvalidInput(
            f"A model's name has 1 to {LONGEST_NAME} letters and no line breaks, and this one has "
            f"{len(name):,}: choose another with --name."
        ) from error


def read_card(folder: Path) -> ModelCard:
    """The card of the artefact in a folder.

    Raises NotFound where there is none; InvalidInput for one that is damaged, or of a newer format
    than this Akin reads.
    """
    path = folder / CARD
    if not path.is_file():
        raise NotFound(f"There is no model in {folder}: name a folder that holds a {CARD}.")
    try:
        facts = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "it is not JSON") from error
    written = facts.get("format") if isinstance(facts, dict) else None
    if isinstance(written, int) and written > FORMAT:
        raise InvalidInput(
            f"The model in {folder} has format {written}, and this Akin reads up to {FORMAT}: "
            "use a newer Akin."
        )
    try:
        return ModelCard.model_validate(facts)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole"
        raise _damaged(path, f"{where}: {first['msg'].lower()}") from error


def _damaged(path: Path, reason: str) -> InvalidInput:
    return InvalidInput(f"{path} is damaged ({reason}): copy the model again, or train it anew.")
