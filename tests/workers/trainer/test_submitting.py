"""The servers' files of a small model, read back and scored."""

from __future__ import annotations

import json

import numpy as np
import pytest

from backend.composition.artefact import untrained_model
from backend.errors import InvalidInput
from tests.workers.trainer import benchmark_data
from workers.datasets import circo, cirr
from workers.metrics.benchmarks import BENCHMARKS
from workers.metrics.scoring import score
from workers.trainer.benchmarking import evaluate
from workers.trainer.composing import text_encoder
from workers.trainer.features import FeatureCache
from workers.trainer.posing import Desk
from workers.trainer.submitting import submit_circo, submit_cirr


@pytest.fixture
def cache(tmp_path):
    return FeatureCache(tmp_path / "features")


@pytest.fixture
def model(backbone):
    return untrained_model(backbone)


def desk(model, benchmark, cache):
    protocol = BENCHMARKS[benchmark].protocol("default")
    return Desk(model, protocol, cache, text_encoder(model.backbone))


def test_the_files_of_cirr_have_no_reference_and_members_alone(model, cache, tmp_path):
    (split,) = cirr.load(benchmark_data.cirr(tmp_path, "test1"), "test1")
    files = submit_cirr(desk(model, "cirr", cache), split, tmp_path / "out")
    recall, subset = (json.loads(path.read_text()) for path in files)
    assert recall["metric"] == "recall"
    for one in split.triplets:
        assert len(set(recall[one.id])) == 50
        assert one.reference not in recall[one.id]
        assert set(subset[one.id]) <= set(one.subset) - {one.reference}
        assert len(set(subset[one.id])) == 3


def test_scoring_the_files_gives_the_figures_of_the_evaluation(model, cache, tmp_path):
    root = benchmark_data.cirr(tmp_path)
    files = submit_cirr(desk(model, "cirr", cache), *cirr.load(root), tmp_path / "out")
    scored = score("cirr", [root / "cirr/captions/cap.rc2.val.json"], files).row("submitted")
    found = evaluate(model, BENCHMARKS["cirr"], cirr.load(root), "default", cache).evaluation.row()
    assert scored.figures == found.figures
    assert scored.terms.reference == "removed"


def test_scoring_the_file_of_circo_gives_the_figures_of_the_evaluation(model, cache, tmp_path):
    root = benchmark_data.circo(tmp_path)
    files = submit_circo(desk(model, "circo", cache), *circo.load(root), tmp_path / "out")
    scored = score("circo", [root / "annotations/val.json"], files)
    found = evaluate(model, BENCHMARKS["circo"], circo.load(root), "default", cache).evaluation
    for group in ("all", "addition", "negation"):
        ours = found.row("composed", group).figures
        theirs = scored.row("submitted", group).figures
        assert theirs == ours
    assert scored.remarks == ()


def test_the_server_of_circo_wants_all_eight_hundred(model, cache, tmp_path):
    (split,) = circo.load(benchmark_data.circo(tmp_path, "test"), "test")
    with pytest.raises(InvalidInput, match="788 of 800 queries have no list"):
        submit_circo(desk(model, "circo", cache), split, tmp_path / "out")
    whole = benchmark_data.circo(tmp_path / "whole", "test", queries=800)
    (path,) = submit_circo(
        desk(model, "circo", cache), *circo.load(whole, "test"), tmp_path / "out"
    )
    lists = json.loads(path.read_text())
    assert list(lists) == [str(n) for n in range(800)]
    assert all(len(set(ids)) == 50 and min(ids) >= 1 for ids in lists.values())
    assert np.array(list(lists.values())).dtype.kind == "i"


def test_nothing_is_written_where_a_picture_is_missing(model, cache, tmp_path):
    root = benchmark_data.cirr(tmp_path, "test1")
    (root / "test1/test1-3-0-img0.png").unlink()
    (split,) = cirr.load(root, "test1")
    with pytest.raises(InvalidInput, match=r"1 of 66 images are missing .*none may be missing"):
        submit_cirr(desk(model, "cirr", cache), split, tmp_path / "out")
    assert not (tmp_path / "out").exists()
