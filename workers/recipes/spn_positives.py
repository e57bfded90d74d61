"""SPN4CIR's scaling of positives: new triplets from unlabelled pictures (Feng et al. 2024,
"Improving Composed Image Retrieval via Contrastive Learning with Scaling Positives and Negatives").

Pictures that show the same pixels are taken once, each gets a caption, references are paired with
targets of a band of ranks, and templates make relative captions of their two captions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from workers.captioning.captions import Cancelled, Captions, Report, write_captions
from workers.datasets.opening import Dataset, open_dataset
from workers.datasets.triplets import TripletSplit
from workers.recipes.positives.duplicates import Distinct, distinct_images
from workers.recipes.positives.formats import TripletFiles, read_accepted
from workers.recipes.positives.making import Stopped, Summary, make_triplets
from workers.recipes.positives.material import gather
from workers.recipes.positives.schema import PositivesParams
from workers.recipes.positives.sources import captioner_of, categories_of
from workers.trainer.features import CachedFeatures, FeatureCache

CAPTIONS = "captions.json"
ACCEPTED = "accepted"


@dataclass(frozen=True)
class Surroundings:
    """What a run stands in. features: the cache that runs share. captions: the file where an
    endpoint's answers are kept for later runs. report: told what is done, how much, of how much."""

    features: FeatureCache
    captions: Path
    report: Report = lambda what, done, total: None
    cancelled: Cancelled = lambda: False
    device: str = "auto"


def spn_positives(data: Path, params: PositivesParams, out: Path, around: Surroundings) -> Summary:
    """New triplets of the training pictures in the dataset folder `data`, written below `out`.

    Cancelled, it leaves the triplets of an earlier run as they were, and what was paid for stays
    in the caches. Raises InvalidInput, SetupError or Unavailable where the data or the settings
    will not do, or an endpoint answers nothing.
    """
    material = gather(_training(open_dataset(data)), named_only=params.images == "triplets")
    captioner = captioner_of(params, data, around.captions, around.device)
    categories = categories_of(params, data, material) if params.captions == "endpoint" else {}
    report, cancelled = around.report, around.cancelled
    try:
        distinct = distinct_images(material.pictures, report, cancelled)
        _check_complete(distinct)
        captions = captioner.caption(distinct.kept, categories, report, cancelled)
        _check_complete(captions)
        write_captions(out / CAPTIONS, captions, distinct.kept)
        backbone = load_backbone(BackboneSpec(params.backbone, params.pretrained), around.device)
        return make_triplets(
            distinct,
            captions,
            _features(backbone, distinct, captions, around),
            params,
            out,
            report,
            cancelled,
            cut=backbone.cut,
            references=None if params.references == "all" else material.references,
            missing=material.missing,
        )
    except Stopped:
        return Summary("cancelled", params.protocol)


def accept(out: Path, name: str, accepted: Sequence[Path]) -> int:
    """Write the triplets that the review accepted beside all of a run's, as `{name}_accepted`.

    accepted: what the review sheets saved. Returns how many; raises as `read_accepted` does.
    """
    files = TripletFiles(out, f"{name}_{ACCEPTED}")
    kept = read_accepted(out, name, accepted)
    with files.opened():
        files.write(kept)
    return files.count


def _training(dataset: Dataset) -> tuple[TripletSplit, ...]:
    """Its training split; all of a plain folder of pictures."""
    return dataset.load("all" if dataset.kind.name == "images" else "train")


def _check_complete(work: Distinct | Captions) -> None:
    if not work.complete:
        raise Stopped


def _features(
    backbone: Backbone, distinct: Distinct, captions: Captions, around: Surroundings
) -> CachedFeatures:
    def progress(done: int, total: int) -> None:
        around.report("features", done, total)
        if around.cancelled():
            raise Stopped

    told = {name: path for name, path in distinct.kept.items() if name in captions.texts}
    return around.features.image_features(backbone, told, progress)
