"""What an evaluation says: figures with their intervals, each row under its protocol.

All figures are percentages but ranks, which count from 1.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Asking = Literal["composed", "image only", "text only", "submitted"]


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True)


class Figure(_Said):
    """A figure and the 95 % bootstrap interval over its queries."""

    value: float
    low: float
    high: float


class Terms(_Said):
    """Under which rules a row's figures were taken, and of how much of the data.

    gallery: `original`, the split's own list; `val`, the images that its triplets name; `paired`,
    the targets alone; `own`, a gallery for each query. reference: whether it may be among the
    results. captions: how the captions became one text. prompt: the sentence in which a composer
    of pseudo tokens read them, where it is one.
    """

    protocol: str
    gallery: str
    reference: str
    captions: str
    prompt: str | None = None
    images_found: int
    images_listed: int
    queries_asked: int
    queries_listed: int

    @property
    def complete(self) -> bool:
        """Whether every image and every query that the dataset lists took part."""
        return (self.images_found, self.queries_asked) == (self.images_listed, self.queries_listed)

    @property
    def sentence(self) -> str:
        """The same in words."""
        prompt = f', prompt "{self.prompt}"' if self.prompt else ""
        return (
            f"Protocol {self.protocol}: gallery {self.gallery}, reference {self.reference}, "
            f"captions {self.captions}{prompt}; {self.images_found:,} of {self.images_listed:,} "
            f"images found, {self.queries_asked:,} of {self.queries_listed:,} queries asked."
        )


class Row(_Said):
    """The figures of one way of asking on one group of queries."""

    asking: Asking
    group: str
    queries: int
    figures: dict[str, Figure]
    terms: Terms


class Evaluation(_Said):
    """All rows of one model on one benchmark, and what is to be known beside them.

    model: its name, or of ranked lists their file. backbone: the towers under the model.
    """

    benchmark: str
    split: str
    model: str
    backbone: str = ""
    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()

    def row(self, asking: Asking = "composed", group: str | None = None) -> Row:
        """The row of that group, by default the one over everything, which comes first."""
        fitting = (r for r in self.rows if r.asking == asking and group in (None, r.group))
        return next(fitting)
