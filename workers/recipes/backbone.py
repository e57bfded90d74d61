"""The demo backbone: a small CLIP trained from scratch on drawn garments, and photos if there.

It learns from pictures and their captions only, never from triplets: a caption, be it "a red
striped dress" or just "in red", is a positive of every picture in the batch it is true of, and
half of each batch is whole families whose members differ in one attribute.

    python -m workers.recipes.backbone train --out runs/backbone --photos ../shared/data/clothing
    python -m workers.recipes.backbone evaluate --model backend/encoding/akin_demo

The first command resumes by itself where `--out` already holds a checkpoint.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch: see DESIGN, Rules of speed

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import open_clip
import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from backend.encoding.backbone import Backbone, load_backbone, wrap
from backend.encoding.loading import CARD
from backend.encoding.preprocessing import Preprocessing
from backend.encoding.spec import FOLDER, BackboneSpec
from backend.encoding.towers import Model
from backend.errors import AkinError
from workers.trainer import checkpoints
from workers.trainer.batches import Batches, Mixture, Stage
from workers.trainer.contrastive import Schedule, Trainer
from workers.trainer.evaluation import composed_recall, photo_accuracy, questions
from workers.trainer.export import export, write_card
from workers.trainer.pictures import drawn_pictures, load_photos
from workers.trainer.vocabulary import training_vocabulary

ARCHITECTURE: dict[str, Any] = {
    "embed_dim": 256,
    "vision_cfg": {
        "timm_model_name": "regnetx_002",
        "timm_model_pretrained": False,
        "timm_pool": "avg",
        "timm_proj": "linear",
        "image_size": 112,
    },
    "text_cfg": {
        "context_length": 48,
        "vocab_size": 49408,
        "width": 192,
        "heads": 3,
        "layers": 3,
    },
}
FIRST_SIZE = 80  # pixels a side for the first half of the steps: it costs half as much
STORED = 128  # pixels a side of training pictures, of which a random crop is taken
CHECKPOINT, COMMAND = "checkpoint.pt", "command.txt"

app = typer.Typer(help=__doc__, no_args_is_help=True, add_completion=False)
console = Console()


def new_model(seed: int) -> Model:
    """The architecture with fresh weights."""
    torch.manual_seed(seed)
    return open_clip.CLIP(**ARCHITECTURE)


def preprocessing(size: int) -> Preprocessing:
    """How the demo backbone sees a picture, at `size` pixels a side."""
    return Preprocessing(kind="clip", size=size)


def stages(steps: int) -> Callable[[int], Stage]:
    """The first half of a run sees small pictures (progressive resizing, Tan and Le 2021, section
    4), the second half full ones and twice as many photos."""
    first = Stage(FIRST_SIZE, photo_share=0.12)
    second = Stage(int(ARCHITECTURE["vision_cfg"]["image_size"]), photo_share=0.25)
    return lambda step: first if step < steps // 2 else second


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Folder of checkpoints, log and drawn pictures.")],
    photos: Annotated[Path | None, typer.Option(help="Folder with train/<category>/*.jpg.")] = None,
    steps: int = 1100,
    families: Annotated[int, typer.Option(help="Families of six to draw.")] = 5_000,
    batch: int = 256,
    lr: float = 2e-3,
    seed: int = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: int = 2,
    checkpoint_seconds: int = 180,
    evaluate_every: Annotated[int, typer.Option(help="Steps between quick figures.")] = 100,
    held_out: Annotated[int, typer.Option(help="Families of the final figures.")] = 300,
    export_to: Annotated[Path | None, typer.Option(help="Where the finished model goes.")] = None,
) -> None:
    """Train, resuming where `out` holds a checkpoint, and export the result."""
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    (out / COMMAND).write_text(
        f"python -m workers.recipes.backbone train --out DIR{' --photos DIR' if photos else ''} "
        f"--steps {steps} --families {families} --batch {batch} --lr {lr} --seed {seed}"
    )
    snaps = load_photos(photos / "train", preprocessing(STORED)) if photos else None
    console.print(f"Drawing or opening {families:,} families of six")
    drawn = drawn_pictures(out, families, STORED)
    batches = Batches(drawn, snaps, Mixture(batch, captions=batch), stages(steps), seed)
    trainer = Trainer(new_model(seed), Schedule(steps, lr=lr), device)
    run(trainer, batches, steps, out, checkpoint_seconds, evaluate_every)
    export_run(out, export_to or out / "model", photos, held_out)


@app.command("export")
def export_run(
    out: Annotated[Path, typer.Option(help="Folder of the run, finished or not.")],
    to: Annotated[Path, typer.Option(help="Where the model goes.")],
    photos: Annotated[Path | None, typer.Option(help="Folder with validation/<category>.")] = None,
    held_out: Annotated[int, typer.Option(help="Families of the figures.")] = 300,
) -> None:
    """Export the newest checkpoint of a run as a model folder, with its figures."""
    model = new_model(seed=0)
    state = checkpoints.restore(out / CHECKPOINT, model=model)
    facts = {
        "command": (out / COMMAND).read_text(),
        "steps": state.step,
        "seconds": round(state.seconds),
        "machine": f"{os.cpu_count()} CPU cores",
    }
    validation = photos / "validation" if photos else None
    export(model, ARCHITECTURE, to, facts, validation, held_out)
    show(load_backbone(BackboneSpec(f"{FOLDER}{to}")), validation, held_out)


def run(
    trainer: Trainer, batches: Batches, steps: int, out: Path, save_seconds: float, every: int
) -> None:
    """Trains from the newest checkpoint in `out` to `steps`, saving and reporting on the way."""
    path, parts = out / CHECKPOINT, trainer.parts()
    state = checkpoints.restore(path, **parts) if path.exists() else checkpoints.Progress()
    saved, started = time.monotonic(), time.monotonic() - state.seconds
    for step in _steps(state.step, steps):
        loss = trainer.step(batches.batch(step))
        state.step, state.seconds = step + 1, time.monotonic() - started
        figures = quick_figures(trainer) if state.step % every == 0 else {}
        _report(out, state, loss, float(trainer.scheduler.get_last_lr()[0]), figures)
        if time.monotonic() - saved > save_seconds or state.step == steps:
            checkpoints.save(path, state, **parts)
            saved = time.monotonic()


def quick_figures(trainer: Trainer) -> dict[str, float]:
    """R@10 of sum, image and text on a hundred families that are for choosing settings."""
    backbone = wrap(trainer.model, ARCHITECTURE, BackboneSpec(), str(trainer.device))
    recall = composed_recall(backbone, questions(backbone, "choose", 100))
    return {f"r10_{name}": round(figures[10], 1) for name, figures in recall.items()}


def _report(
    out: Path, state: checkpoints.Progress, loss: float, lr: float, figures: dict[str, float]
) -> None:
    """A line of JSON a step in the log; figures on the terminal too."""
    facts = {"step": state.step, "seconds": round(state.seconds, 1), "loss": round(loss, 4)}
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps({**facts, "lr": lr, **figures}) + "\n")
    if figures:
        console.print({**facts, **figures})


def _steps(first: int, last: int) -> Iterator[int]:
    columns = (TextColumn("Training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=last, completed=first)
        for step in range(first, last):
            yield step
            bar.advance(task)


@app.command()
def evaluate(
    model: Annotated[str, typer.Option(help="A model folder, or `akin-demo`.")] = "akin-demo",
    families: int = 300,
    photos: Annotated[Path | None, typer.Option(help="Folder with validation/<category>.")] = None,
) -> None:
    """Print the figures of a model on held-out families, and on photos if given."""
    name = f"{FOLDER}{model}" if Path(model).is_dir() else model
    show(load_backbone(BackboneSpec(name)), photos / "validation" if photos else None, families)


@app.command()
def vocabulary(
    model: Annotated[Path, typer.Option(help="A model folder whose card lacks its words.")],
    photos: Annotated[bool, typer.Option(help="Whether it was trained on photos too.")] = True,
) -> None:
    """Write the words of the training captions into the card of a model; nothing else changes."""
    words = training_vocabulary(photos=photos)
    card = json.loads((model / CARD).read_text())
    write_card(model, {**card, "vocabulary": words})
    console.print(f"{len(words)} words are in {model / CARD} now.")


def show(backbone: Backbone, photos: Path | None, families: int = 300) -> None:
    figures = composed_recall(backbone, questions(backbone, "heldout", families))
    table = Table("held-out Wardrobe", *(f"R@{k}" for k in figures["sum"]))
    for name, recall in figures.items():
        table.add_row(name, *(f"{value:.1f}" for value in recall.values()))
    console.print(table)
    accuracy = photo_accuracy(backbone, photos) if photos else None
    if accuracy is not None:
        console.print(f"zero-shot top-1 on the photos: {accuracy:.1f} %")


if __name__ == "__main__":
    try:
        app()
    except AkinError as error:
        Console(stderr=True).print(error.sentence)
        raise SystemExit(1) from error
