"""What the HTTP API says about measuring and comparing finished versions on held-out triplets."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

MOST_TOLD = 20
"""Triplets that are told one by one, of those that gained and of those that lost."""

VersionId = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Interval = tuple[float, float, float]


class CompareRequest(BaseModel):
    """Two versions by id: the second is told against the first."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "a": "5f1c2b7e-93a1-4a7e-8d2f-0c9a4be07d11",
                    "b": "0b9f2f0e-6d0c-4f59-9a3f-2f6b8a1b7c11",
                }
            ]
        },
    )

    a: VersionId
    b: VersionId


class RankedTriplet(BaseModel):
    """A held-out triplet, and where each version has its target; a half where scores tie."""

    reference: str = Field(description="SKU.")
    words: str
    target: str = Field(description="SKU.")
    rank_a: float
    rank_b: float


class Comparison(BaseModel):
    """The result of a job of the kind compare: B against A on the same triplets."""

    a: str = Field(description="Its name.")
    b: str = Field(description="Its name.")
    split: str
    triplets: int
    wins: int = Field(description="Triplets whose target B ranks better.")
    losses: int = Field(description="Triplets whose target A ranks better.")
    ties: int
    p_value: float = Field(
        description="Of the two-sided sign test: how often chance alone is at least as uneven."
    )
    figures_a: dict[str, Interval] = Field(
        description="Recalls in percent: value, lower and upper end of the 95 % interval."
    )
    figures_b: dict[str, Interval]
    gains: list[RankedTriplet] = Field(description="The largest gains of B, at most 20.")
    drops: list[RankedTriplet] = Field(description="The largest losses of B, at most 20.")

    @property
    def sentence(self) -> str:
        """Wins, losses and their chance in words."""
        if not self.wins and not self.losses:
            return f"Both rank the target alike for all {self.triplets:,} triplets."
        return (
            f"{self.b} finds the right product sooner for {self.wins:,} of {self.triplets:,} "
            f"triplets and later for {self.losses:,}; chance alone would be as uneven in "
            f"{_percent(self.p_value)} of cases."
        )


def _percent(share: float) -> str:
    """Two figures that count, and never none: `32 %`, `0.0031 %`, `less than 0.001 %`."""
    percent = 100 * share
    if percent < 0.001:
        return "less than 0.001 %"
    return f"{float(f'{percent:.2g}'):.10f}".rstrip("0").rstrip(".") + " %"
