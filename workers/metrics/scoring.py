"""Metrics of ranked lists that anyone made: `akin score`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from backend.errors import InvalidInput
from backend.figures import Evaluation, Terms
from workers.metrics import circo, cirr, fashioniq
from workers.metrics.answers import (
    Answers,
    circo_answer,
    cirr_answer,
    fashioniq_answer,
    known_images,
    read_answers,
)
from workers.metrics.average_precision import average_precision_of_lists
from workers.metrics.protocols import DEFAULT, Benchmark, Outcome
from workers.metrics.questions import groups_of, padded
from workers.metrics.ranking import Counts, Values
from workers.metrics.ranking_files import RankingFile, read_circo, read_cirr, read_fashioniq
from workers.metrics.tabulating import Answered, tabulated

UNKNOWN = "not known"
LISTED = 50


@dataclass(frozen=True, eq=False)
class _Scored:
    """What the lists of one annotation file got. `file` is the one whose gallery is the split."""

    benchmark: Benchmark
    name: str
    file: RankingFile | None
    answers: Answers
    values: Mapping[str, Values]
    known: Collection[str] | None

    @property
    def answered(self) -> Answered:
        targets = np.full(len(self.answers), np.nan)
        groups = groups_of(self.answers, self.answers)
        return Answered(self.name, Outcome(self.values, targets), self._terms, groups)

    @property
    def _terms(self) -> Terms:
        images, queries = len(self.known or ()), len(self.answers)
        return Terms(
            protocol="submitted",
            gallery="original" if self.known else UNKNOWN,
            reference="kept" if self._naming_references else "removed",
            captions=UNKNOWN,
            images_found=images,
            images_listed=images,
            queries_asked=queries,
            queries_listed=queries,
        )

    @property
    def _naming_references(self) -> int:
        lists = self.file.lists if self.file else {}
        return sum(one.reference in lists.get(one.id, ()) for one in self.answers)

    def remarks(self) -> Iterator[str]:
        """What is to be known of these figures."""
        if self.known is None:
            yield (
                f"{self.name}: the names were not checked against the images of the split, whose "
                "list is not beside the annotations: give it with --images."
            )
        removed = self.benchmark.protocol(DEFAULT).reference == "removed"
        if removed and self._naming_references:
            yield (
                f"{self.name}: {self._naming_references:,} of {len(self.answers):,} lists name "
                "their own reference, which takes a place in them."
            )


def score(
    benchmark: str,
    annotations: Sequence[Path],
    predictions: Sequence[Path],
    images: Sequence[Path] = (),
) -> Evaluation:
    """The metrics of ranking files against the answers in annotation files.

    benchmark: cirr (one annotation file; a recall file, a recall_subset file, or both), circo (one
    of each) or fashioniq (a ranking for each category's captions, in the same order). images: the
    lists of all images, where they do not lie beside the annotations as published.

    Raises InvalidInput for files that are damaged, lists that are missing, too short, of unknown
    queries, or name an image twice or one that is not in the split.
    """
    if benchmark not in _SCORERS:
        raise InvalidInput(
            f'Rankings of "{benchmark}" cannot be scored: choose one of {", ".join(_SCORERS)}.'
        )
    return _SCORERS[benchmark](list(annotations), list(predictions), list(images))


def _cirr(annotations: list[Path], predictions: list[Path], images: list[Path]) -> Evaluation:
    source = _only(annotations, "annotation file")
    answers = read_answers(source, cirr_answer)
    choices = [f"image_splits/{source.name.replace('cap.', 'split.', 1)}"]
    known = known_images(_first(images), source.parent.parent, choices)
    files = {file.kind: file for file in map(read_cirr, predictions)}
    if len(files) < len(predictions) or not files:
        raise InvalidInput("CIRR has one recall and one recall_subset file: give either, or both.")
    values: dict[str, Values] = {}
    if "recall" in files:
        _check(files["recall"], answers, LISTED, known)
        values |= _recalls(files["recall"], answers, cirr.BENCHMARK.protocol("default").ks)
    if "recall_subset" in files:
        _check(files["recall_subset"], answers, max(cirr.SUBSET_KS), known)
        _check_members(files["recall_subset"], answers)
        values |= _recalls(files["recall_subset"], answers, cirr.SUBSET_KS, "Rs@")
    if len(files) == 2:
        values["mean(R@5,Rs@1)"] = (values["R@5"] + values["Rs@1"]) / 2
    scored = _Scored(cirr.BENCHMARK, "all", files.get("recall"), answers, values, known)
    return _evaluation(source.stem, predictions, [scored])


def _circo(annotations: list[Path], predictions: list[Path], images: list[Path]) -> Evaluation:
    source = _only(annotations, "annotation file")
    answers = read_answers(source, circo_answer)
    info = "annotations/image_info_unlabeled2017.json"
    choices = [f"COCO2017_unlabeled/{info}", info]
    known = known_images(_first(images), source.parent.parent, choices)
    file = read_circo(_only(predictions, "ranking file"))
    _check(file, answers, LISTED, known)
    places = positions(file, answers)
    totals = np.array([len(one.answers) for one in answers])
    precisions = average_precision_of_lists(places, totals, circo.KS)
    values = {f"mAP@{k}": 100.0 * precisions[k] for k in circo.KS}
    values |= _recalls(file, answers, circo.KS)
    scored = _Scored(circo.BENCHMARK, "all", file, answers, values, known)
    return _evaluation(source.stem, predictions, [scored])


def _fashioniq(annotations: list[Path], predictions: list[Path], images: list[Path]) -> Evaluation:
    if not annotations or len(annotations) != len(predictions):
        raise InvalidInput(
            f"{len(annotations)} annotation and {len(predictions)} ranking files do not pair up: "
            "give one --predictions for each --annotations, in the same order."
        )
    lists = [*images, *[None] * len(annotations)]
    scored = [_category(a, p, i) for a, p, i in zip(annotations, predictions, lists, strict=False)]
    return _evaluation(annotations[0].stem, predictions, scored)


def _category(source: Path, prediction: Path, images: Path | None) -> _Scored:
    answers = read_answers(source, fashioniq_answer)
    choices = [f"image_splits/{source.name.replace('cap.', 'split.', 1)}"]
    known = known_images(images, source.parent.parent, choices)
    file = read_fashioniq(prediction, [one.reference for one in answers])
    _check(file, answers, LISTED, known)
    values = _recalls(file, answers, (10, 50))
    values["mean"] = (values["R@10"] + values["R@50"]) / 2
    name = source.stem.removeprefix("cap.").split(".")[0]
    return _Scored(fashioniq.BENCHMARK, name, file, answers, values, known)


def positions(file: RankingFile, answers: Answers) -> Counts:
    """(q, m) place of each right answer in its query's list, from 1; 0 where it is not in it."""
    places = []
    for one in answers:
        place = {name: number for number, name in enumerate(file.lists[one.id], start=1)}
        places.append([place.get(name, 0) for name in one.answers])
    return np.maximum(padded(places), 0)


def _recalls(
    file: RankingFile, answers: Answers, ks: Sequence[int], prefix: str = "R@"
) -> dict[str, Values]:
    target = positions(file, answers)[:, 0]
    hits = {k: (target > 0) & (target <= k) for k in ks}
    return {f"{prefix}{k}": np.where(hits[k], 100.0, 0.0) for k in ks}


def _check(file: RankingFile, answers: Answers, least: int, known: Collection[str] | None) -> None:
    file.check_queries([one.id for one in answers])
    # A gallery smaller than the list that is asked for can only be ranked to its end.
    file.check_names(least if known is None else min(least, len(known) - 1), known)


def _check_members(file: RankingFile, answers: Answers) -> None:
    for one in answers:
        allowed = set(one.subset) - {one.reference}
        strange = next((name for name in file.lists[one.id] if name not in allowed), None)
        if strange is not None:
            raise InvalidInput(
                f"{file.source}, query {one.id}: {strange} is not one of the five members of its "
                "set besides the reference: rank those alone."
            )


def _evaluation(split: str, predictions: Sequence[Path], scored: Sequence[_Scored]) -> Evaluation:
    answered, benchmark = [one.answered for one in scored], scored[0].benchmark
    return Evaluation(
        benchmark=benchmark.name,
        split=split,
        model=", ".join(path.name for path in predictions),
        rows=tuple(tabulated(benchmark, "submitted", answered)),
        remarks=tuple(remark for one in scored for remark in one.remarks()),
    )


def _only(paths: list[Path], what: str) -> Path:
    if len(paths) != 1:
        raise InvalidInput(f"Give one {what}, not {len(paths)}.")
    return paths[0]


def _first(paths: list[Path]) -> Path | None:
    return paths[0] if paths else None


_SCORERS: Mapping[str, Callable[[list[Path], list[Path], list[Path]], Evaluation]] = (
    MappingProxyType({"cirr": _cirr, "circo": _circo, "fashioniq": _fashioniq})
)
