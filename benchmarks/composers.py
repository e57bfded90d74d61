"""Every way of composing a query, trained and untrained, on the held-out families of Wardrobe.

Draws the Wardrobe, trains each recipe as `akin train` does, asks each model as `akin evaluate`
does. Stopped at any point, the same command goes on from there. Weights and prompts are chosen by
the validation split; the test split is asked once a row, at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from backend.commands.evaluating import EvaluationWanted
from backend.encoding.spec import DEMO
from backend.errors import AkinError, InvalidInput
from backend.figures import Asking, Row
from benchmarks.composer_stages import (
    TRIPLETS,
    Stage,
    Trained,
    Workshop,
    each_trained,
    shortened,
)
from benchmarks.tables import RESULTS, Table, write
from workers.datasets.wardrobe.dataset import write_dataset
from workers.evaluating import evaluate_here

NAME = "composers"
OUT, QUICK_OUT = Path("runs/composers"), Path("runs/composers-quick")
ITEMS, QUICK_ITEMS = 12_000, 72
SEED, PIXELS = 0, 256
UNTRAINED = ("sum", "slerp", "product")
CONTROLS: tuple[Asking, ...] = ("image only", "text only")

# Of what was tried on the validation split of a smaller Wardrobe: higher rates read the training
# captions' templates better, and others worse.
_BANK = ["batch=128", "epochs=2", "lr=2e-5", "schedule=cosine"]
_COMBINER = ["epochs=20"]
_FINETUNED = ["encoder=text", "epochs=2", "lr=5e-5", "schedule=cosine", "scale=30"]
_PIC2WORD = [
    "batch=512", "epochs=12", "lr=2e-3", "dropout=0.3", "weight_decay=0.5", "evaluate_every=3",
    "prompt=auto", "half=true",
]  # fmt: skip
_LINCIR = [
    "batch=256", "steps=600", "lr=1e-3", "schedule=cosine", "noise=0.5", "evaluate_every=100",
    "tagger=rules", "prompt=auto", "half=true",
]  # fmt: skip
_SUM, _WITH_COMBINER = "fine-tuned text, sum", "fine-tuned text + Combiner"
_ON_COMBINER = "finetuned-combiner"
STAGES = (
    Stage("combiner", "Combiner", "combiner", _COMBINER, "small-data"),
    Stage("combiner-bank", "Combiner, with SPN bank", "spn-bank", _BANK, after="combiner"),
    Stage("pic2word", "Pic2Word", "pic2word", _PIC2WORD),
    Stage("lincir", "LinCIR", "lincir", _LINCIR),
    Stage("finetuned", _SUM, "clip-finetune", _FINETUNED),
    Stage("finetuned-bank", f"{_SUM}, with SPN bank", "spn-bank", _BANK, after="finetuned"),
    Stage(_ON_COMBINER, _WITH_COMBINER, "combiner", _COMBINER, "small-data", "finetuned"),
    Stage(
        "finetuned-combiner-bank",
        f"{_WITH_COMBINER}, with SPN bank",
        "spn-bank",
        _BANK,
        after=_ON_COMBINER,
    ),
)
FIGURES = ("R@1", "R@5", "R@10", "R@50", "MRR")
COLUMNS = ("composer", *FIGURES, "min", "in all", "stage", "trained for", "prompt")
CAPTION = (
    "{questions:,} questions of the test split over {pictures:,} pictures of 256 pixels, of "
    "families that nothing was trained on or chosen by; reference {reference}; in percent, MRR "
    "too, in brackets 95 % intervals (bootstrap over the questions). *min*: minutes by the clock "
    "of a stage's own steps and looks at the validation split, on the processor; *in all*: with "
    "the stages that it starts from. Encoding pictures and captions once, and choosing a prompt, "
    "are not in it."
)
STAGES_CAPTION = "How each stage was trained; without `--model` it starts from the demo backbone."


@dataclass(frozen=True)
class _Asked:
    """A line of the table: what is called so, its figures, and its training if it had one."""

    title: str
    row: Row
    stage: Stage | None = None
    trained: Trained | None = None

    @property
    def cells(self) -> tuple[object, ...]:
        figures = {name: f"{figure.value:.1f}" for name, figure in self.row.figures.items()}
        for name in ("R@1", "R@10"):
            found = self.row.figures[name]
            figures[name] += f" ({found.low:.1f}-{found.high:.1f})"
        shown = [figures[name] for name in FIGURES]
        if self.stage is None or self.trained is None:
            return (self.title, *shown, "", "", "", "not at all", "")
        took = self.trained
        trained_for = f"{took.steps:,} steps of {took.batch}, chosen: {took.best_step:,}"
        prompt = self.row.terms.prompt
        return (
            self.title, *shown, took.seconds / 60, took.seconds_in_all / 60, self.stage.name,
            trained_for, f"`{prompt}`" if prompt else "",
        )  # fmt: skip


def main(folder: Path | None = None, out: Path | None = None, *, quick: bool = False) -> None:
    """Train what is not trained yet, ask everything, and write the table.

    folder: a Wardrobe that is there already; else it is drawn. out: where trainings stay. quick: a
    few steps on a few products, to see that all of it works; its table stays in `out`.
    """
    out = out or (QUICK_OUT if quick else OUT)
    items = QUICK_ITEMS if quick else ITEMS
    try:
        workshop = Workshop(_wardrobe(folder, out, items), out)
        stages = shortened(STAGES) if quick else list(STAGES)
        asked = [*_untrained(workshop), *_trained(workshop, stages)]
    except AkinError as error:
        raise SystemExit(error.sentence) from error
    settings = [(stage.name, f"`{stage.command}`") for stage in stages]
    write(
        NAME,
        "Composers on held-out Wardrobe",
        Table(COLUMNS, [line.cells for line in asked], _caption(asked[0].row)),
        Table(("stage", "command"), settings, STAGES_CAPTION),
        command=f"{NAME} --quick" if quick else NAME,
        folder=out if quick else RESULTS,
    )


def _wardrobe(folder: Path | None, out: Path, items: int) -> Path:
    """The folder, or one that is drawn as `akin dataset wardrobe --all-pairs` does."""
    if folder is not None:
        if not (folder / TRIPLETS).is_file():
            raise InvalidInput(
                f"{folder} is no Wardrobe, since it lacks {TRIPLETS}: make one with akin dataset "
                "wardrobe --all-pairs, or leave out --folder."
            )
        return folder
    drawn = out / f"wardrobe-{items}"
    if not drawn.exists():
        print(f"Drawing {items:,} products", flush=True)
        write_dataset(
            drawn, items, SEED, size=PIXELS, processes=os.cpu_count() or 1, all_pairs=True
        )
    return drawn


def _untrained(workshop: Workshop) -> Iterator[_Asked]:
    """Both controls, then the composers that need no training."""
    first, *others = (_rows(workshop, DEMO, composer) for composer in UNTRAINED)
    yield from (_Asked(way, first[way]) for way in CONTROLS)
    for composer, rows in zip(UNTRAINED, (first, *others), strict=True):
        yield _Asked(composer, rows["composed"])


def _trained(workshop: Workshop, stages: list[Stage]) -> Iterator[_Asked]:
    for stage, trained in each_trained(workshop, stages):
        row = _rows(workshop, str(trained.model))["composed"]
        yield _Asked(stage.title, row, stage, trained)


def _rows(workshop: Workshop, model: str, composer: str | None = None) -> Mapping[Asking, Row]:
    """The figures over all questions, by the way of asking."""
    print(f"Asking {composer or model}", flush=True)
    wanted = EvaluationWanted(
        "wardrobe", workshop.data, model, composer=composer, device="cpu", cache=workshop.cache
    )
    found = evaluate_here(wanted, lambda what, done, total: None)
    return {way: found.row(way) for way in ("composed", *CONTROLS)}


def _caption(row: Row) -> str:
    terms = row.terms
    return CAPTION.format(
        questions=terms.queries_asked, pictures=terms.images_found, reference=terms.reference
    )
