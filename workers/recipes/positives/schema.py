"""What can be set about new triplets, and what the published runs set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from backend.errors import InvalidInput
from workers.recipes.positives.rank_bands import RankBand, fraction_band

Protocol = Literal["default", "published:fashioniq", "published:cirr"]
Source = Literal["metadata", "coca", "endpoint", "file"]

PUBLISHED: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "published:fashioniq": MappingProxyType(
            {"references": "existing", "images": "triplets", "templates": (2,), "words": 4}
        ),
        "published:cirr": MappingProxyType(
            {"references": "all", "images": "triplets", "templates": (0, 1), "words": 8}
        ),
    }
)
"""The settings of SPN4CIR's runs for CLIP4Cir (Feng et al. 2024); their bands are `_RANKS`."""

_RANKS = {"published:fashioniq": (10_000, 20_000), "published:cirr": (10_000, 15_000)}


class PositivesParams(BaseModel):
    """The default draws from 40 to 80 % of the other images and leaves out pairs whose captions
    are the same. A published protocol fixes the band by absolute ranks, counts the reference
    itself as rank 0, keeps every pair, and sets what `PUBLISHED` lists."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: Protocol = Field("default", description="Or published:fashioniq, published:cirr.")
    seed: int = Field(42, ge=0, description="The same seed draws the same targets.")
    low: float = Field(0.4, ge=0, lt=1, description="Where the band begins, as a share of ranks.")
    high: float = Field(0.8, gt=0, le=1, description="Where the band ends.")
    targets: int = Field(1, ge=1, le=1000, description="How many targets each reference gets.")
    most: int | None = Field(None, ge=1, description="How many triplets at most, drawn at random.")
    references: Literal["all", "existing"] = Field(
        "all", description="Every image, or those that are references of triplets already."
    )
    images: Literal["all", "triplets"] = Field(
        "all", description="Every image of the split, or those that its triplets name."
    )
    templates: tuple[Annotated[int, Field(ge=0, le=2)], ...] = Field(
        (0, 1, 2), min_length=1, max_length=3, description="The sentences made of two captions."
    )
    name: str = Field("akin", pattern=r"^[a-z0-9_]+$", description="Ends the files' names.")
    review_pairs: int | None = Field(
        None,
        ge=0,
        description="How many triplets are shown for review, at random; all if unset.",
    )

    captions: Source = Field("metadata", description="metadata, coca, endpoint or file.")
    words: int = Field(10, ge=1, le=200, description="How many words a vision model is asked for.")
    caption_file: Path | None = Field(None, description="JSON list of image_id and caption.")
    manifest: Path | None = Field(None, description="The product table; the folder's own if unset.")
    caption_template: str | None = Field(None, description='Columns in braces: "{colour} {type}".')
    coca: str = Field("coca_ViT-L-14", description="Architecture of the captioner.")
    coca_weights: Path | None = Field(None, description="Its .safetensors or .pt file.")
    coca_batch: int = Field(16, ge=1, description="How many pictures it looks at at once.")
    endpoint_url: str | None = Field(None, description="AKIN_CAPTION_URL if unset.")
    endpoint_model: str | None = Field(None, description="AKIN_CAPTION_MODEL if unset.")
    endpoint_requests: int | None = Field(None, ge=0, description="How many may be sent.")
    endpoint_tokens: int | None = Field(None, ge=0, description="How many may be used.")
    endpoint_concurrency: int | None = Field(None, ge=1, description="Pictures asked at once.")

    backbone: str = Field("akin-demo", description="Whose features rank the pictures.")
    pretrained: str | None = Field(None, description="Its pretrained tag or weights file.")

    @model_validator(mode="before")
    @classmethod
    def _published(cls, given: Any) -> Any:
        fixed = PUBLISHED.get(given.get("protocol", "")) if isinstance(given, dict) else None
        if fixed is None:
            return given
        chosen = sorted({"low", "high", *fixed} & given.keys())
        if chosen:
            raise ValueError(f"{given['protocol']} fixes {chosen[0]}: leave it out")
        return {**given, **fixed}

    @model_validator(mode="after")
    def _fits(self) -> PositivesParams:
        if self.low >= self.high:
            raise ValueError(f"the band ends at {self.high:g}, before it begins at {self.low:g}")
        if len(set(self.templates)) != len(self.templates):
            raise ValueError("a template is named twice")
        return self

    @classmethod
    def given(cls, values: Sequence[str]) -> PositivesParams:
        """The options with some set: `name=value` each, a value being JSON or else plain text.

        Raises InvalidInput for a text that sets nothing, an unknown name or a value that does not
        fit.
        """
        try:
            return cls.model_validate(dict(map(_named, values)))
        except ValidationError as error:
            raise InvalidInput(cls._refusal(error)) from error

    @classmethod
    def _refusal(cls, error: ValidationError) -> str:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        if first["type"] == "extra_forbidden":
            return f"There is no option {name}: choose of {', '.join(cls.model_fields)}."
        told = first["msg"].removeprefix("Value error, ")
        which = f"option {name} is" if name else "options are"
        return f"The {which} refused: {told[0].lower()}{told[1:]}."

    @property
    def is_published(self) -> bool:
        return self.protocol in PUBLISHED

    def band(self, gallery: int) -> RankBand:
        """The ranks of other images that targets are drawn from, in a gallery of that size."""
        if self.is_published:
            first, stop = _RANKS[self.protocol]
            return RankBand(first - 1, stop - 1)  # they rank the reference itself, at 0
        return fraction_band(gallery, self.low, self.high)


def _named(text: str) -> tuple[str, Any]:
    name, found, value = text.partition("=")
    if not found:
        raise InvalidInput(f'"{text}" sets nothing: write an option as name=value.')
    try:
        return name.strip(), json.loads(value)
    except ValueError:
        return name.strip(), value.strip()
