from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from backend.errors import Conflict, InvalidInput
from workers.datasets.wardrobe.dataset import COLUMNS, write_dataset

ROOT = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wardrobe") / "shop"
    write_dataset(out, 60, seed=2, size=64)
    return out


def products(folder: Path) -> list[dict[str, str]]:
    with (folder / "products.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_manifest_lists_every_picture_once(shop):
    rows = products(shop)
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 60
    assert {row["image"] for row in rows} == {
        f"images/{p.name}" for p in (shop / "images").iterdir()
    }
    with Image.open(shop / rows[0]["image"]) as picture:
        assert (picture.format, picture.size) == ("JPEG", (64, 64))


def test_each_product_looks_like_no_other(shop):
    seen = ("category", *COLUMNS[COLUMNS.index("image") + 1 :])
    looks = {tuple(row[name] for name in seen) for row in products(shop)}
    assert len(looks) == 60


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_fashioniq_files_of_a_split_name_its_own_products(shop, split):
    """FashionIQ: caption rows of target, candidate and two captions; a list of ids per split."""
    own = {row["sku"] for row in products(shop) if row["split"] == split}
    ids = json.loads((shop / f"image_splits/split.wardrobe.{split}.json").read_text())
    rows = json.loads((shop / f"captions/cap.wardrobe.{split}.json").read_text())
    assert set(ids) == own
    assert len(rows) == len(own) * 5 // 6
    for row in rows:
        assert set(row) == {"target", "candidate", "captions"}
        assert {row["target"], row["candidate"]} <= own
        assert len(row["captions"]) == 2


def test_seventy_fifteen_fifteen(tmp_path):
    summary = write_dataset(tmp_path / "shop", 120, size=32)
    assert summary.items == {"train": 84, "val": 18, "test": 18}
    assert summary.triplets == {"train": 70, "val": 15, "test": 15}


@pytest.mark.long
def test_same_seed_same_bytes_by_one_process_or_two(shop, tmp_path):
    write_dataset(tmp_path / "again", 60, seed=2, size=64, processes=2)
    assert contents(tmp_path / "again") == contents(shop)


def test_progress_counts_the_looks_by_family_then_the_pictures(tmp_path):
    calls: list[tuple[str, int, int]] = []
    write_dataset(tmp_path / "shop", 18, size=32, progress=lambda *call: calls.append(call))
    looks = [("looks", done, 18) for done in (6, 12, 18)]
    assert calls == looks + [("pictures", done, 18) for done in range(1, 19)]


def test_a_broken_off_run_leaves_no_folder_and_is_begun_anew(tmp_path):
    def interrupt(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path / "shop", 18, size=32, progress=interrupt)
    assert not (tmp_path / "shop").exists()
    write_dataset(tmp_path / "shop", 18, size=32)
    assert [path.name for path in tmp_path.iterdir()] == ["shop"]


DRAWING = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
from workers.datasets.wardrobe.dataset import write_dataset

def progress(stage, done, total):
    if stage == "pictures" and done == total:
        print("drawn", flush=True)
        time.sleep(60)

write_dataset(Path(sys.argv[1]), 120, size=32, processes=2, progress=progress)
"""


def test_an_interrupt_is_answered_by_the_caller_alone(tmp_path):
    command = [sys.executable, "-c", DRAWING, str(tmp_path / "shop")]
    drawing = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    assert drawing.stdout is not None
    assert drawing.stdout.readline() == "drawn\n"
    os.killpg(drawing.pid, signal.SIGINT)
    _, told = drawing.communicate(timeout=30)
    assert told.count("Traceback") == 1
    assert "Process Spawn" not in told


def test_too_few_items_is_told(tmp_path):
    with pytest.raises(InvalidInput, match="ask for at least 18, one family of six for each split"):
        write_dataset(tmp_path / "shop", 12)


def test_too_small_pictures_are_told(tmp_path):
    with pytest.raises(
        InvalidInput, match="Pictures of 8 pixels are too small: ask for at least 32"
    ):
        write_dataset(tmp_path / "shop", 18, size=8)


def test_a_folder_in_use_is_told(shop):
    with pytest.raises(Conflict, match="already exists and is not an empty folder: name another"):
        write_dataset(shop, 18)


@pytest.mark.parametrize("name", ["file/shop", "x" * 300])
def test_a_place_where_no_folder_can_be_made_is_told(tmp_path, name):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InvalidInput, match=r"cannot be made \(.+\): name a folder in a place"):
        write_dataset(tmp_path / name, 18)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_where_one_may_not_write_is_told(tmp_path):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(InvalidInput, match=r"shop cannot be made \(permission denied\)"):
        write_dataset(tmp_path / "locked" / "shop", 18)
