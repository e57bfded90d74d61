"""The figures by which a run chooses its weights: a dataset's validation split, asked again and
again while all that is frozen is looked at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import fmean, geometric_mean, harmonic_mean

from backend.composition.artefact import ComposedModel
from workers.datasets.opening import Dataset
from workers.metrics.benchmarks import benchmark_named
from workers.trainer.benchmarking import quick_figures
from workers.trainer.composing import TextFeatures, text_encoder
from workers.trainer.features import FeatureCache
from workers.trainer.posing import Desk, Progress, text_features, untold
from workers.trainer.triplet_data import choosing_splits

SELECTED = "selected"
"""The figure that chooses, whatever the benchmark calls its parts."""

Figures = Mapping[str, float]
Combined = Callable[[list[float]], float]

CIRR = ("Rs@1", "Rs@2", "Rs@3", "R@1", "R@5", "R@10", "R@50")
_FASHIONIQ = ("R@10", "R@50")
_SHOP = ("R@1", "R@10")
MEANS: Mapping[str, Combined] = {
    "arithmetic": fmean,
    "harmonic": harmonic_mean,
    "geometric": lambda values: geometric_mean(values) if min(values) > 0 else 0.0,
}


def choosing_figures(
    dataset: Dataset,
    model: ComposedModel,
    cache: FeatureCache,
    *,
    frozen_text: bool,
    mean: str = "arithmetic",
    cirr: tuple[str, ...] = CIRR,
    progress: Progress = untold,
) -> Callable[[ComposedModel], Figures] | None:
    """What to measure a model in training with; None where the dataset has no validation split.

    model: whose image tower stays as it is. frozen_text: whether the text tower does too. mean: of
    the figures that choose: FashionIQ's R@10 and R@50, a shop's R@1 and R@10, and those of CIRR
    named by `cirr`: seven of them (Baldrati et al. 2022 keep one model for each kind of mean), or
    what another method goes by.
    """
    splits = choosing_splits(dataset)
    if not splits:
        return None
    benchmark = benchmark_named(dataset.kind.name)
    desk = Desk(
        model,
        benchmark.protocol("default"),
        cache,
        text_features(model, cache, frozen_text, progress),
        progress,
    )
    posed = [desk.pose(split) for split in splits]
    combined = MEANS[mean]
    chosen = {"fashioniq": _FASHIONIQ, "cirr": cirr}.get(benchmark.name, _SHOP)

    def figures(now: ComposedModel) -> Figures:
        texts: TextFeatures = desk.texts if frozen_text else text_encoder(now.backbone)
        found = quick_figures(now, benchmark, posed, texts)
        return {**found, SELECTED: combined([found[name] for name in chosen])}

    return figures
