"""`akin evaluate`, `akin score` and `akin submit`, as they are typed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from backend.cli import main
from backend.commands.evaluating import GROUPS_SHOWN, _show, tables
from backend.encoding.backbone import BackboneSpec, load_backbone
from backend.figures import Evaluation, Figure, Row, Terms
from tests.backend.composition.trained_models import write_model
from tests.backend.search.shop import write_tiny_backbone
from tests.workers.trainer import benchmark_data


@pytest.fixture
def akin(capsys, monkeypatch, tmp_path):
    """Runs the command; what it printed, what it remarked, and its exit code."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["akin", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return printed.out, " ".join(printed.err.split()), ended.value.code

    return run


def test_threads_of_every_command_wait_without_spinning(akin, monkeypatch):
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    akin("--help")
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    akin("--help")
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny backbone, a Combiner and an inversion over it, and FashionIQ in small."""
    root = tmp_path_factory.mktemp("evaluating")
    spec = BackboneSpec(f"local-dir:{write_tiny_backbone(root / 'backbone')}")
    backbone = load_backbone(spec, "cpu", 1)
    for kind in ("combiner", "phi"):
        write_model(root / kind, backbone, kind)
    benchmark_data.fashioniq(root / "fiq")
    benchmark_data.cirr(root / "cirr")
    benchmark_data.cirr(root / "cirr", "test1")
    benchmark_data.catalogue(root / "shop")
    return root


def options(folder, data, model="combiner"):
    return ["--data", folder / data, "--model", folder / model, "--cache", folder / "features"]


def test_a_catalogues_own_triplets_are_measured(akin, folder):
    out, _, code = akin("evaluate", "catalogue", *options(folder, "shop"), "--json")
    assert code == 0
    found = json.loads(out)
    assert found["benchmark"] == "catalogue"
    (row,) = [row for row in found["rows"] if row["asking"] == "composed" and row["group"] == "all"]
    assert row["terms"]["queries_asked"] == 11
    assert row["figures"].keys() >= {"R@1", "R@50", "MRR"}


def test_evaluate_prints_figures_with_controls_intervals_and_terms(akin, folder):
    out, remarks, code = akin("evaluate", "fashioniq", *options(folder, "fiq"))
    assert code == 0
    for part in ("R@10", "mean", "dress", "shirt", "composed", "image only", "text only"):
        assert part in out
    told = " ".join(out.split())
    assert "Protocol default: gallery original, reference kept, captions first and second" in told
    assert "120 of 120 images found, 60 of 60 queries" in told
    assert "…" not in out
    assert "Traceback" not in remarks


def test_evaluate_prints_json_and_writes_a_report(akin, folder, tmp_path):
    report = tmp_path / "reports/r.html"
    wanted = ["--protocol", "val", "--out", report, "--json"]
    out, remarks, _ = akin("evaluate", "fashioniq", *options(folder, "fiq"), *wanted)
    told = Evaluation.model_validate(json.loads(out))
    assert (told.benchmark, told.model) == ("fashioniq", "my-combiner")
    assert told.row().terms.protocol == "val"
    assert "report is in" in remarks
    assert report.read_text().count("data:image/jpeg;base64,") > 20


def test_a_prompt_of_ones_own_is_in_the_terms(akin, folder):
    wanted = ["--prompt", "the $ but {}", "--json"]
    out, _, _ = akin("evaluate", "fashioniq", *options(folder, "fiq", "phi"), *wanted)
    terms = Evaluation.model_validate(json.loads(out)).row().terms
    assert (terms.protocol, terms.prompt) == ("default, own prompt", "the $ but {}")


def test_a_published_protocol_brings_its_prompt(akin, folder):
    wanted = ["--protocol", "published:lincir", "--json"]
    out, _, _ = akin("evaluate", "fashioniq", *options(folder, "fiq", "phi"), *wanted)
    assert json.loads(out)["rows"][0]["terms"]["prompt"] == "a photo of $ that {}"


def test_what_is_submitted_can_be_scored(akin, folder, tmp_path):
    out, _, code = akin(
        "submit", "cirr", *options(folder, "cirr"), "--split", "val", "--out", tmp_path / "files"
    )
    assert code == 0
    files = out.split()
    assert [name.rsplit("/", 1)[1] for name in files] == [
        "cirr_recall.json",
        "cirr_recall_subset.json",
    ]
    annotations = folder / "cirr/cirr/captions/cap.rc2.val.json"
    given = [part for name in files for part in ("--predictions", name)]
    scored, _, _ = akin("score", "cirr", "--annotations", annotations, *given, "--json")
    found, _, _ = akin("evaluate", "cirr", *options(folder, "cirr"), "--json")
    assert json.loads(scored)["rows"][0]["figures"] == json.loads(found)["rows"][0]["figures"]


def test_the_test_split_is_what_is_submitted(akin, folder, tmp_path):
    out, _, _ = akin(
        "submit", "cirr", *options(folder, "cirr"), "--out", tmp_path / "files", "--json"
    )
    (recall, _) = json.loads(out)["files"]
    assert json.loads(Path(recall).read_text())["100"][0].startswith("test1-")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["evaluate", "fashionlq"], 'There is no benchmark "fashionlq": choose one of fashioniq'),
        (["evaluate", "fashioniq", "--protocol", "clip4cir"], 'has no protocol "clip4cir"'),
        (["evaluate", "cirr", "--split", "test1"], "no answers to compare with"),
        (["evaluate", "fashioniq", "--composer", "slerp"], "has a composer of its own"),
        (["submit", "genecis"], 'No server takes rankings of "genecis"'),
    ],
)
def test_a_slip_is_one_sentence(akin, folder, tmp_path, arguments, sentence):
    name, benchmark, *rest = arguments
    data = "cirr" if benchmark == "cirr" else "fiq"
    place = ["--out", tmp_path / "files"] if name == "submit" else []
    out, told, code = akin(name, benchmark, *options(folder, data), *place, *rest)
    assert (code, out) == (1, "")
    assert sentence in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [("a photo that {}", "has no places for the picture"), ("$ or $", "has 2 places")],
)
def test_a_prompt_that_is_none_is_told(akin, folder, prompt, sentence):
    _, told, code = akin(
        "evaluate", "fashioniq", *options(folder, "fiq", "phi"), "--prompt", prompt
    )
    assert code == 1
    assert sentence in told


def test_wrong_folders_are_told(akin, folder, tmp_path):
    for data, model in (("fiq", "fiq"), ("phi", "phi"), ("nowhere", "phi")):
        out, told, code = akin("evaluate", "fashioniq", *options(folder, data, model))
        assert (code, out) == (1, "")
        assert str(folder) in told


def test_a_report_that_cannot_be_written_is_told_before_the_work(akin, folder, tmp_path):
    _, told, code = akin("evaluate", "fashioniq", *options(folder, "fiq"), "--out", tmp_path)
    assert code == 1
    assert f"{tmp_path} is a folder: name an HTML file in it." in told


def test_a_damaged_ranking_is_told(akin, folder, tmp_path):
    path = tmp_path / "p.json"
    path.write_text("[[")
    annotations = folder / "fiq/captions/cap.dress.val.json"
    _, told, code = akin("score", "fashioniq", "--annotations", annotations, "--predictions", path)
    assert code == 1
    assert "p.json is cut short, or no JSON" in told


def test_of_many_groups_a_terminal_shows_the_first(capsys):
    terms = Terms(
        protocol="default",
        gallery="paired",
        reference="kept",
        captions="as written",
        images_found=1,
        images_listed=1,
        queries_asked=1,
        queries_listed=1,
    )
    figures = {"R@1": Figure(value=1, low=0, high=2)}
    rows = [
        Row(asking="composed", group=f"class {n}", queries=1, figures=figures, terms=terms)
        for n in range(80)
    ]
    found = Evaluation(benchmark="coco", split="val", model="m", rows=tuple(rows))
    assert len(tables(found)) == GROUPS_SHOWN
    _show(found, as_json=False)
    assert "68 more categories: see --json or --out" in capsys.readouterr().out
