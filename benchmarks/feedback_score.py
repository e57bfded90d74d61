"""How well the consistency score tells wrong feedback from right, on drawn Wardrobes.

How much each part counts was chosen on one Wardrobe; the figures to believe are those of another,
drawn from another seed. Many draws of wrong triplets, since thirty of them say little.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from backend.composition.artefact import load_composer, shipped_models
from backend.composition.composer import COMPOSERS, Composer
from backend.composition.sphere import normalise
from backend.encoding.backbone import BackboneSpec, load_backbone
from backend.encoding.decoding import decode_image
from benchmarks.tables import RESULTS, Table, write
from benchmarks.wrong_triplets import WRONG, Kind, Planted, planted
from workers.datasets.triplets import Triplet
from workers.datasets.wardrobe.dataset import write_dataset
from workers.datasets.wardrobe_folder import load
from workers.feedback.consistency import consistency
from workers.feedback.evidence import Found, Question, Sample, examine

if TYPE_CHECKING:
    from backend.encoding.backbone import Backbone

NAME = "feedback_score"
CHOSEN, REPORTED = 7, 8
ITEMS, DRAWS, SAID = 1_500, 20, 200
QUICK_ITEMS, QUICK_DRAWS, QUICK_SAID = 60, 2, 40
PIXELS, BATCH = 256, 64
ABOVE, BELOW = (0.5, 0.8, 0.9, 0.95, 0.98), (0.05, 0.1, 0.2, 0.35)

Scored = list[tuple[Planted, Found]]
Features = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class World:
    """A drawn catalogue as a gallery has it, and its true triplets."""

    skus: tuple[str, ...]
    features: Features
    truth: tuple[Triplet, ...]

    def sample(self) -> Sample:
        """Every image, each of a product of its own."""
        return Sample(normalise(self.features), self.skus)

    def question(self, said: Planted) -> Question:
        """What is asked of the models about what a shopper said."""
        at = {sku: number for number, sku in enumerate(self.skus)}
        sides = (said.reference, said.target)
        reference, target = (self.features[at[sku]] for sku in sides)
        return Question(said.caption, reference, target, frozenset(sides))


def main(*, quick: bool = False) -> None:
    """Draw both Wardrobes, plant wrong triplets, score, and write the tables.

    quick: small ones and few draws, to see that all of it works; the table is only printed.
    """
    backbone = load_backbone(BackboneSpec(), device="cpu", threads=1)
    combiner = next(
        load_composer(path, card, backbone)
        for path, card in shipped_models(backbone).items()
        if card.name == "combiner"
    )
    active: dict[str, Composer] = {"sum": COMPOSERS["sum"], "combiner": combiner}
    scored: dict[tuple[int, str], list[Scored]] = {}
    for seed in (CHOSEN, REPORTED):
        world = _world(backbone, seed, quick=quick)
        for name, composer in active.items():
            scored[seed, name] = list(_draws(world, backbone, composer, seed, quick=quick))
    caption = (
        f"{len(scored[CHOSEN, 'sum'])} draws of {len(scored[CHOSEN, 'sum'][0])} triplets, 15 % of "
        "them wrong, a quarter of those of each kind; demo backbone, 1,500 products. Area under "
        "the ROC curve: how often a right triplet scores above a wrong one; 0.5 is chance."
    )
    out = Path(tempfile.gettempdir()) if quick else RESULTS
    write(
        NAME,
        "Consistency score of feedback",
        Table(("active version", "Wardrobe", "all", *WRONG), _by_kind(scored), caption),
        Table(
            ("evidence", *(f"{name}, {_told(seed)}" for seed, name in scored)),
            _by_evidence(scored),
            "The same area, over all kinds, of each part of the score alone and of some together.",
        ),
        Table(
            ("active version", "decision", "of all", "of them right", "worst draw"),
            list(_in_bulk(scored)),
            f"What is decided in bulk on Wardrobe {REPORTED}, in percent: means over the draws.",
        ),
        command="feedback-score --quick" if quick else "feedback-score",
        folder=out,
    )


def area(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The share of pairs of a right and a wrong one in which the right one scores higher."""
    differences = scores[right][:, None] - scores[~right][None]
    return float(((differences > 0) + 0.5 * (differences == 0)).mean())


def _world(backbone: Backbone, seed: int, *, quick: bool) -> World:
    print(f"Drawing and encoding Wardrobe {seed}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        drawn = Path(scratch) / "wardrobe"
        items = QUICK_ITEMS if quick else ITEMS
        write_dataset(drawn, items, seed, size=PIXELS, processes=1, all_pairs=True)
        splits = [load(drawn, split)[0] for split in ("train", "val", "test")]
        files = {sku: path for split in splits for sku, path in split.images.items()}
        skus = tuple(sorted(files))
        features = np.concatenate(list(_encoded(backbone, [files[sku] for sku in skus])))
    return World(skus, features, tuple(one for split in splits for one in split.triplets))


def _encoded(backbone: Backbone, paths: Sequence[Path]) -> Iterator[Features]:
    see = backbone.preprocessing.pixels
    for start in range(0, len(paths), BATCH):
        part = paths[start : start + BATCH]
        yield backbone.encode_images(
            np.stack([see(decode_image(path.read_bytes())) for path in part])
        )


def _draws(
    world: World, backbone: Backbone, composer: Composer, seed: int, *, quick: bool
) -> Iterator[Scored]:
    sample = world.sample()
    count = QUICK_SAID if quick else SAID
    for draw in range(QUICK_DRAWS if quick else DRAWS):
        said = planted(world.truth, world.skus, f"{seed} {draw}", count)
        found = examine([world.question(one) for one in said], sample, backbone, composer)
        yield list(zip(said, found, strict=True))


def _told(seed: int) -> str:
    return f"{seed} (chosen on)" if seed == CHOSEN else f"{seed}"


def _right(draw: Scored) -> NDArray[np.bool_]:
    return np.array([said.kind == "right" for said, _ in draw])


def _scores(draw: Scored) -> NDArray[np.float64]:
    return np.array([found.score for _, found in draw])


def _by_kind(scored: Mapping[tuple[int, str], list[Scored]]) -> list[list[object]]:
    def mean(draws: Sequence[Scored], kind: Kind | None) -> float:
        kept = [
            [pair for pair in draw if kind is None or pair[0].kind in ("right", kind)]
            for draw in draws
        ]
        areas = [area(_scores(draw), right) for draw in kept if not (right := _right(draw)).all()]
        return round(float(np.mean(areas)), 3)

    return [
        [name, _told(seed), mean(draws, None), *(mean(draws, kind) for kind in WRONG)]
        for (seed, name), draws in scored.items()
    ]


def _by_evidence(scored: Mapping[tuple[int, str], list[Scored]]) -> list[list[object]]:
    def column(draw: Scored, name: str) -> NDArray[np.float64]:
        return np.array([getattr(found, name) for _, found in draw])

    def together(*names: str) -> Callable[[Scored], NDArray[np.float64]]:
        def found(draw: Scored) -> NDArray[np.float64]:
            places = [column(draw, one) for one in names if one in ("active", "zero_shot")]
            nothing = np.zeros(len(draw))
            words = column(draw, "words") if "words" in names else nothing
            moved = column(draw, "direction") if "direction" in names else nothing
            return consistency(places or [nothing], words, moved)

        return found

    tried = (
        ("place under the zero-shot sum", ("zero_shot",)),
        ("place under the active version", ("active",)),
        ("place by the words alone", ("words",)),
        ("direction: words fit target better than reference", ("direction",)),
        ("places under both", ("active", "zero_shot")),
        ("place under the zero-shot sum, direction", ("zero_shot", "direction")),
        ("places under both, direction", ("active", "zero_shot", "direction")),
        ("the score: both places, words, direction", ("active", "zero_shot", "words", "direction")),
    )
    return [
        [
            title,
            *(
                round(float(np.mean([area(together(*names)(d), _right(d)) for d in draws])), 3)
                for draws in scored.values()
            ),
        ]
        for title, names in tried
    ]


def _in_bulk(scored: Mapping[tuple[int, str], list[Scored]]) -> Iterator[list[object]]:
    for (seed, name), draws in scored.items():
        if seed != REPORTED:
            continue
        for limit in ABOVE:
            yield [name, f"accept from {limit:g} on", *_decided(draws, limit, accept=True)]
        for limit in BELOW:
            yield [name, f"reject below {limit:g}", *_decided(draws, limit, accept=False)]


def _decided(draws: Sequence[Scored], limit: float, *, accept: bool) -> list[object]:
    """How many are decided, and how many of those decisions are right, in percent."""
    shares, precisions = [], []
    for draw in draws:
        scores, right = _scores(draw), _right(draw)
        taken = scores >= limit if accept else scores < limit
        shares.append(taken.mean())
        if taken.any():
            precisions.append((right if accept else ~right)[taken].mean())
    if not precisions:
        return ["0", "", ""]
    mean, worst = np.mean(precisions), np.min(precisions)
    return [f"{100 * np.mean(shares):.1f}", f"{100 * mean:.1f}", f"{100 * worst:.1f}"]
