"""`lincir`: an inversion network trained on captions alone, by self-masking projection.

Gu et al. 2024, "Language-only efficient training of zero-shot composed image retrieval", section
3.2. A caption's own feature, with noise that bridges the gap to pictures, goes through the network
and takes the place of the caption's keywords; the sentence is to keep its meaning. The text tower
is frozen: the feature of the whole caption is computed once, and no weight of it has a gradient.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, ClassVar, cast

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from backend.composition.artefact import DataCard
from backend.composition.networks import Phi
from backend.encoding.backbone import Backbone
from backend.encoding.injection import check_injectable, injected_features
from backend.encoding.towers import text_features
from backend.errors import InvalidInput
from workers.recipes.inversion import InversionParameters, inversion
from workers.recipes.recipe import LARGEST_SEED, Recipe, Training
from workers.trainer.corpora import Texts, training_texts
from workers.trainer.fitting import fit
from workers.trainer.keywords import TaggerKind, keyword_tagger
from workers.trainer.losses import reconstruction_loss
from workers.trainer.masking import Masker, cleaned
from workers.trainer.objective import Outcome
from workers.trainer.order import Rows

KEPT = 500_000  # captions whose features and masked tokens are kept; of more, each is made anew
FRAME = 2  # tokens around a text
BLOCK = 2_048  # captions that are made ready at a time


class LincirParameters(InversionParameters):
    """Published values: batch 512, 20,000 steps of AdamW at 1e-4 with weight decay 0.01, dropout
    one half, noise of scale 1; figures every 1,000 steps."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"8gb": {"chunk": 128}}

    batch: int = Field(512, ge=1)
    epochs: int | None = Field(None, ge=1, description="Length in epochs, instead of steps.")  # type: ignore[assignment]
    steps: int = Field(20_000, ge=1, description="Length of the run.")
    lr: float = Field(1e-4, gt=0)
    weight_decay: float = Field(0.01, ge=0)
    evaluate_every: int = Field(1_000, ge=1, description="Steps between two looks (or epochs).")
    dropout: float = Field(0.5, ge=0, lt=1)
    noise: float = Field(1.0, ge=0, description="Largest standard deviation of the noise.")
    chunk: int | None = Field(None, ge=1, description="Captions that are read at a time.")
    tagger: TaggerKind = Field("auto", description="Who finds keywords: spacy or rules.")
    seed: int = Field(12_345, ge=0, le=LARGEST_SEED)
    column: str | None = Field(None, description="Column of the captions in CSV or JSON lines.")
    prompt: str = Field(
        "a photo of $ that {}",
        description="Sentence that pictures are read in, or auto: the best on validation triplets.",
    )

    @model_validator(mode="before")
    @classmethod
    def _look_at_each_epoch(cls, given: Any) -> Any:
        """Where the length is in epochs, so is the time between two looks."""
        counted = isinstance(given, dict) and given.get("epochs") is not None
        return {"evaluate_every": 1, **given} if counted else given


@dataclass(frozen=True)
class Masked:
    """n captions. tokens, marks: (n, context) of the masked ones; whole: (n, dim) features of the
    whole captions, or (n, context) ids where they are not kept."""

    tokens: Tensor
    marks: Tensor
    whole: Tensor


@dataclass(eq=False)
class LincirObjective:
    """Self-masking projection over captions.

    rows: (n,) numbers of the usable captions. kept: all of them made ready, where they are few.
    """

    network: Phi
    backbone: Backbone
    texts: Texts
    rows: Rows
    masker: Masker
    noise: float
    run: Mapping[str, Any]
    kept: Masked | None
    in_batch: bool = field(default=False, init=False)

    @property
    def count(self) -> int:
        return len(self.rows)

    def trained(self) -> Mapping[str, Tensor]:
        return dict(self.network.named_parameters())

    def train_mode(self) -> None:
        self.network.train()

    def load(self, rows: Rows, epoch: int) -> Masked:
        if self.kept is not None:
            return Masked(self.kept.tokens[rows], self.kept.marks[rows], self.kept.whole[rows])
        numbers = self.rows[rows]
        captions = _cleaned(self.backbone, self.texts.take(numbers))
        return Masked(
            *self.masker(captions, numbers.tolist()), whole=self.backbone.tokenize(captions)
        )

    def encode(self, batch: Masked) -> tuple[Tensor, ...]:
        device, model = self.backbone.device, self.backbone.model
        whole = batch.whole.to(device)
        if self.kept is None:
            with torch.no_grad():
                whole = text_features(model, whole).float()
        pseudo = self.network(noisy(whole, self.noise))
        tokens, marks = batch.tokens.to(device), batch.marks.to(device)
        return injected_features(model, tokens, marks, pseudo), whole

    def loss(self, features: tuple[Tensor, ...]) -> Tensor:
        return reconstruction_loss(*features)

    def facts(self) -> Mapping[str, Any]:
        return {
            **self.run,
            "data": self.texts.digest,
            "tagger": self.masker.tagger.name,
            "noise": self.noise,
            "published": self.masker.published,
        }


def noisy(features: Tensor, scale: float) -> Tensor:
    """Features (n, dim) with noise of a length of its own in each row: u times n, u uniform in
    [0, scale) and n standard normal (Gu et al. 2024, section 3.3)."""
    lengths = torch.rand(len(features), 1, device=features.device)
    return features + scale * lengths * torch.randn_like(features)


def train(training: Training) -> Outcome:
    """Train Phi on the captions of a file or folder, and write it as an artefact.

    Raises InvalidInput for data without usable captions and a text tower that takes no pseudo
    token, SetupError for a tagger that is not installed, and what `fit` raises.
    """
    parameters = cast(LincirParameters, training.parameters)
    objective = lincir_objective(training, parameters)
    made = inversion("phi", objective.network, training, parameters)
    length: dict[str, Any] = {"epochs": parameters.epochs}
    outcome = fit(
        objective,
        parameters.fit_options(
            weight_decay=parameters.weight_decay,
            chunk=parameters.chunk,
            select=made.select,
            segment_seconds=training.segment_seconds,
            loaders=0 if objective.kept else 2,
            **(length if parameters.epochs else {"epochs": None, "steps": parameters.steps}),
        ),
        training.out,
        evaluate=made.evaluate(),
        cancelled=training.cancelled,
        report=training.report,
        team=training.team,
    )
    if outcome.stopped in ("done", "early") and training.team.leads:
        texts, used = objective.texts, objective.count
        counts = {"captions": used, "without words": len(texts) - used}
        data = DataCard(description=texts.about, hash=texts.digest, counts=counts)
        made.finish(data, outcome, f"Keywords by {objective.masker.tagger.name}.")
    return outcome


def lincir_objective(training: Training, parameters: LincirParameters) -> LincirObjective:
    """The objective; captions that are empty when they are cleaned are left out.

    Raises InvalidInput where that leaves none, and SetupError as `keyword_tagger` does.
    """
    backbone = training.parent.backbone
    check_injectable(backbone.model)
    published = parameters.protocol == "published"
    masker = Masker(
        keyword_tagger(parameters.tagger),
        backbone.parts_tokenizer,
        backbone.context_length,
        parameters.seed,
        published,
    )
    texts = training_texts(training.data, parameters.column, training.cache.root / "captions")
    rows = np.arange(len(texts)) if published else _usable(texts, training)
    torch.manual_seed(parameters.seed)
    network = Phi(backbone.dim, backbone.token_width, dropout=parameters.dropout)
    kept = _kept(training, texts, rows, masker) if len(rows) <= KEPT else None
    return LincirObjective(
        network.to(backbone.device),
        backbone,
        texts,
        rows,
        masker,
        parameters.noise,
        training.facts,
        kept,
    )


def _usable(texts: Texts, training: Training) -> Rows:
    """The numbers of the captions that say something."""
    found = [
        number
        for block in _blocks(range(len(texts)))
        for number, text in zip(block, texts.take(block), strict=True)
        if cleaned(text)
    ]
    if not found:
        raise InvalidInput(
            f"None of the {len(texts):,} captions in {training.data} says anything: bring some "
            "with words."
        )
    if len(found) < len(texts):
        empty = len(texts) - len(found)
        training.tell([f"{empty:,} of the {len(texts):,} captions say nothing and are left out."])
    return np.array(found, dtype=np.int64)


def _kept(training: Training, texts: Texts, rows: Rows, masker: Masker) -> Masked:
    """All captions made ready, the features of the whole ones from the cache."""
    backbone = training.parent.backbone

    def read(done: int, total: int) -> None:
        training.said("Reading captions", done, total)

    blocks = list(_blocks(rows.tolist()))
    captions = [_cleaned(backbone, texts.take(block)) for block in blocks]
    whole = training.cache.text_features(backbone, list(chain.from_iterable(captions)), read)
    made = [masker(*pair) for pair in zip(captions, blocks, strict=True)]
    tokens, marks = (torch.cat(column) for column in zip(*made, strict=True))
    return Masked(tokens, marks, torch.from_numpy(whole.copy()))


def _blocks(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(numbers), BLOCK):
        yield numbers[start : start + BLOCK]


def _cleaned(backbone: Backbone, captions: Sequence[str]) -> list[str]:
    """Captions that fit into the context, cleaned; only those are counted that may not: a token is
    a byte at least."""
    room = backbone.context_length - FRAME

    def fits(text: str) -> bool:
        return len(text.encode(errors="replace")) <= room or not backbone.cut([text])[0]

    return [cleaned(caption, fits) for caption in captions]


RECIPE = Recipe(
    name="lincir",
    about="A network that makes a word of a picture, learned from captions alone (LinCIR).",
    data="captions: text, CSV, JSON lines or tar shards, or the titles of a Wardrobe or catalogue",
    takes="titles",
    parameters=LincirParameters,
    train=train,
)
