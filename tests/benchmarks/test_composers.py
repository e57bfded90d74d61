"""The table of composers, made whole by its command on a few products and with a few steps."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from backend.errors import InvalidInput
from benchmarks import composers
from benchmarks.composer_stages import Stage, Workshop, each_trained, shortened
from benchmarks.tables import RESULTS
from workers.datasets.wardrobe.dataset import write_dataset

pytestmark = pytest.mark.long

WAYS = [
    "image only",
    "text only",
    "sum",
    "slerp",
    "product",
    "Combiner",
    "Combiner, with SPN bank",
    "Pic2Word",
    "LinCIR",
    "fine-tuned text, sum",
    "fine-tuned text, sum, with SPN bank",
    "fine-tuned text + Combiner",
    "fine-tuned text + Combiner, with SPN bank",
]


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """Where the command left its trainings and its table; the measured one stays as it is."""
    folder: Path = tmp_path_factory.mktemp("composers")
    before = measured()
    composers.main(out=folder, quick=True)
    assert measured() == before
    return folder


def measured() -> str | None:
    path = RESULTS / "composers.md"
    return path.read_text() if path.exists() else None


@pytest.fixture
def workshop(out) -> Workshop:
    return Workshop(out / f"wardrobe-{composers.QUICK_ITEMS}", out)


def cells(table: str) -> list[list[str]]:
    lines = table[table.index("| composer |") :].splitlines()
    lines = lines[2 : lines.index("")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.slow
def test_one_command_makes_the_whole_table(out):
    rows = cells((out / "composers.md").read_text())
    assert [row[0] for row in rows] == WAYS
    for row in rows:
        figures = dict(zip(composers.COLUMNS, row, strict=True))
        at = [float(figures[name].split()[0]) for name in ("R@1", "R@5", "R@10", "R@50")]
        assert 0 <= at[0] <= at[1] <= at[2] <= at[3] == 100  # there are twelve pictures
        assert at[0] <= float(figures["MRR"]) <= 100
        trained = WAYS.index(row[0]) >= WAYS.index("Combiner")
        assert bool(figures["in all"]) is trained
        assert bool(figures["prompt"]) is (row[0] in ("Pic2Word", "LinCIR"))


@pytest.mark.slow
def test_what_is_trained_is_taken_up_again(workshop, capsys):
    done = {stage.name: took for stage, took in each_trained(workshop, shortened(composers.STAGES))}
    assert "Training" not in capsys.readouterr().out
    assert len(done) == len(composers.STAGES)
    last = done["finetuned-combiner-bank"]
    before = ("finetuned", "finetuned-combiner")
    in_all = last.seconds + sum(done[name].seconds for name in before)
    assert last.seconds_in_all == pytest.approx(in_all)
    assert done["combiner"].seconds_in_all == done["combiner"].seconds > 0


@pytest.mark.slow
def test_what_was_trained_in_another_way_is_refused(workshop, out, tmp_path):
    (stage, *_) = shortened(composers.STAGES)
    with pytest.raises(InvalidInput, match="trained with other options"):
        workshop.trained(replace(stage, options=[*stage.options, "dropout=0.1"]))
    write_dataset(tmp_path / "other", 24, seed=3, size=48)
    with pytest.raises(InvalidInput, match="on other data"):
        Workshop(tmp_path / "other", out).trained(stage)


@pytest.mark.slow
def test_a_stopped_training_goes_on(workshop, tmp_path):
    """Ctrl-C comes as soon as there are steps."""
    mine = Workshop(workshop.data, tmp_path)
    stage = Stage(
        "combiner", "Combiner", "combiner", ["batch=48", "epochs=20", "projection=1", "hidden=1"]
    )

    def interrupt() -> None:
        while not (tmp_path / stage.name / "curves.jsonl").exists():
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(SystemExit, match="of combiner: the same command goes on from there"):
        mine.trained(stage)
    thread.join()
    assert mine.trained(stage).steps == 100


def test_a_folder_that_is_no_wardrobe_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="is no Wardrobe"):
        composers.main(folder=tmp_path, out=tmp_path / "out", quick=True)


def test_a_command_is_told_as_it_would_be_typed():
    told = {stage.name: stage.command for stage in composers.STAGES}
    assert told["combiner"] == "akin train combiner --preset small-data --set epochs=20"
    assert told["finetuned-bank"].startswith("akin train spn-bank --model finetuned/model --set")
