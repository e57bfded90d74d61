"""A model asked a benchmark's questions: its towers' cached features in, figures out.

    splits = fashioniq.load(folder, "val")
    found = evaluate(model, BENCHMARKS["fashioniq"], splits, "default", FeatureCache(root))
    found.evaluation.row().figures["R@10"]

Beside the composed query stand its two controls, the picture alone and the words alone, because a
third or more of the queries of common benchmarks can be answered by one of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.composition.artefact import ComposedModel
from backend.encoding.prompts import Prompt
from backend.figures import Asking, Evaluation
from workers.datasets.triplets import TripletSplit
from workers.metrics.bootstrap import figures
from workers.metrics.protocols import Benchmark, Outcome, Protocol
from workers.metrics.scores import Scorer
from workers.metrics.tabulating import Answered, tabulated
from workers.trainer.composing import TextFeatures, image_scorer, text_encoder, text_scorer
from workers.trainer.features import FeatureCache
from workers.trainer.posing import Desk, Posed, Progress, composed_of, text_features, untold

WAYS: tuple[Asking, ...] = ("composed", "image only", "text only")


@dataclass(frozen=True, eq=False)
class AnsweredSplit:
    """What the queries of one split got in each way of asking, and by which scores."""

    group: str
    posed: Posed
    prompt: Prompt | None
    scorers: Mapping[Asking, Scorer]
    outcomes: Mapping[Asking, Outcome]

    def answered(self, way: Asking) -> Answered:
        """One way of asking, as a table takes it."""
        asked = self.posed.questions
        terms = asked.terms(self.posed.captions.name)
        if way == "composed" and self.prompt is not None:
            terms = terms.model_copy(update={"prompt": self.prompt.template})
        return Answered(self.group, self.outcomes[way], terms, asked.groups)


@dataclass(frozen=True, eq=False)
class Evaluated:
    """The figures, and the answers they were taken from."""

    evaluation: Evaluation
    splits: tuple[AnsweredSplit, ...]


def evaluate(
    model: ComposedModel,
    benchmark: Benchmark,
    splits: Sequence[TripletSplit],
    protocol: str | Protocol,
    cache: FeatureCache,
    *,
    frozen_text: bool = False,
    seed: int = 0,
    progress: Progress = untold,
) -> Evaluated:
    """The figures of a model on a benchmark's splits, with its controls and their intervals.

    protocol: one of the benchmark's, or its name. frozen_text: whether texts may come from the
    cache; not while the text tower is being trained. seed: of the intervals.

    Pictures come from the cache by the backbone's fingerprint, which is taken once: an image tower
    in training is evaluated as a new backbone.

    Raises InvalidInput where a split has nothing to ask, the protocol is unknown, or it reads
    pictures in another sentence than the model was loaded with (`prompted`).
    """
    rules = benchmark.protocol(protocol) if isinstance(protocol, str) else protocol
    desk = Desk(model, rules, cache, text_features(model, cache, frozen_text, progress), progress)
    asked = tuple(_answered(desk, benchmark, desk.pose(one)) for one in splits)
    rows = (
        row
        for way in WAYS
        for row in tabulated(benchmark, way, [one.answered(way) for one in asked], seed)
    )
    evaluation = Evaluation(
        benchmark=benchmark.name,
        split=", ".join(one.posed.questions.split.name for one in asked),
        model=model.card.name,
        backbone=model.card.backbone.name,
        rows=tuple(rows),
        remarks=tuple(remark for one in asked for remark in one.posed.remarks),
    )
    return Evaluated(evaluation, asked)


def quick_figures(
    model: ComposedModel,
    benchmark: Benchmark,
    posed: Sequence[Posed],
    texts: TextFeatures | None = None,
) -> dict[str, float]:
    """The composed figures alone, as `evaluate` has them: what a run is steered by.

    posed: the questions, put once, of a frozen image tower. texts: the text tower; by default the
    model's own as it is now.
    """
    read = texts or text_encoder(model.backbone)
    outcomes = [
        benchmark.measure(
            composed_of(model, one, read), one.questions.asked, one.questions.protocol
        )
        for one in posed
    ]
    names = list(outcomes[0].values)
    medians = [number for number, name in enumerate(names) if name in benchmark.medians]
    values = figures([outcome.table(names) for outcome in outcomes], medians)
    return dict(zip(names, values.tolist(), strict=True))


def _answered(desk: Desk, benchmark: Benchmark, posed: Posed) -> AnsweredSplit:
    scorers: dict[Asking, Scorer] = {
        "composed": composed_of(desk.model, posed, desk.texts),
        "image only": image_scorer(posed.images, posed.gallery),
        "text only": text_scorer(posed.wordings, desk.texts, posed.gallery),
    }
    asked = posed.questions
    return AnsweredSplit(
        group=asked.split.name.split("/")[1] if benchmark.parts else "all",
        posed=posed,
        prompt=desk.model.composer.prompt,
        scorers=scorers,
        outcomes={
            way: benchmark.measure(scorer, asked.asked, desk.protocol)
            for way, scorer in scorers.items()
        },
    )
