"""`akin train`, as anyone types it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from backend.cli import app
from backend.composition.artefact import read_card, untrained_model, write_artefact
from backend.encoding.backbone import BackboneSpec, load_backbone
from backend.errors import InvalidInput, SetupError
from tests.backend.search.shop import write_tiny_backbone
from tests.workers.trainer.benchmark_data import catalogue
from workers.datasets.wardrobe.dataset import write_dataset

SMALL = ("batch=20", "epochs=2", "projection=2", "hidden=2")


@pytest.fixture
def given(tmp_path):
    """Data, a model to start from, a run's folder and a cache of its own."""
    write_dataset(tmp_path / "wardrobe", 72, size=48)
    tiny = write_tiny_backbone(tmp_path / "tiny")
    model = untrained_model(load_backbone(BackboneSpec(f"local-dir:{tiny}"), device="cpu"))
    write_artefact(tmp_path / "start", model.card)
    return [
        "--data", str(tmp_path / "wardrobe"), "--model", str(tmp_path / "start"),
        "--out", str(tmp_path / "run"), "--cache", str(tmp_path / "cache"), "--device", "cpu",
    ]  # fmt: skip


def run(*arguments: str):
    return CliRunner().invoke(app, ["train", *arguments])


def test_it_trains_and_says_where_the_model_is(given, tmp_path):
    options = [word for option in SMALL for word in ("--set", option)]
    done = run("combiner", *given, *options, "--name", "mine", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["stopped"], told["steps"]) == ("done", 4)
    assert told["figures"]["R@50"] > 0
    assert read_card(tmp_path / "run" / "model").name == "mine"
    again = run("combiner", *given, *options)
    assert again.exit_code == 0
    assert "The model is in" in again.stderr
    assert (tmp_path / "run" / "curves.png").is_file()


@pytest.mark.parametrize("told", [("train", "val"), ("train",)])
def test_a_catalogues_own_triplets_are_trained_on(given, tmp_path, told):
    given[1] = str(catalogue(tmp_path / "shop", told))
    small = ("batch=5", *SMALL[1:])
    options = [word for option in small for word in ("--set", option)]
    done = run("combiner", *given, *options, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert ("MRR" in found["figures"]) == ("val" in told)  # chosen by it, or the last is kept
    assert read_card(tmp_path / "run" / "model").data.counts == {"triplets": 11, "images": 12}


def test_a_second_stage_that_helps_nothing_says_so(given, tmp_path):
    small = [word for option in ("batch=20", "epochs=1", "lr=1e-12") for word in ("--set", option)]
    assert run("spn-bank", *given, *small).exit_code == 0  # from a plain sum to a learned one
    given[3], given[5] = str(tmp_path / "run" / "model"), str(tmp_path / "again")
    done = run("spn-bank", *given, *small)
    assert done.exit_code == 0, done.output
    assert "No step made the model that it starts from better: " in done.stderr
    assert "Try a lower learning rate, or more data." in done.stderr


def test_missing_pictures_are_told_before_anything_is_trained(given, tmp_path):
    gone = {}
    for split in ("train", "val"):
        told = json.loads((tmp_path / f"wardrobe/captions/cap.wardrobe.{split}.json").read_text())
        gone[split] = told[0]["target"]
        (tmp_path / "wardrobe" / "images" / f"{gone[split]}.jpg").unlink()
    done = run("combiner", *given, *(word for option in SMALL for word in ("--set", option)))
    assert done.exit_code == 0, done.output
    told = done.stderr.replace("\n", " ")
    for split, name in gone.items():
        assert f"wardrobe/{split}: 1 of " in told
        assert f"({name}): " in told


def test_texts_beyond_what_the_model_reads_are_told_and_cut(given, tmp_path):
    path = tmp_path / "wardrobe/captions/cap.wardrobe.train.json"
    told = json.loads(path.read_text())
    told[0]["captions"] = ["very " * 200 + "red", ""]
    path.write_text(json.dumps(told))
    done = run("combiner", *given, *(word for option in SMALL for word in ("--set", option)))
    assert done.exit_code == 0, done.output
    assert "texts are cut: the model reads no more." in " ".join(done.stderr.split())


@pytest.mark.parametrize(
    "recipe",
    [
        "combiner",
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("clip-finetune", "spn-bank")),
    ],
)
def test_a_run_is_not_gone_on_with_over_another_backbone(given, tmp_path, recipe):
    own = SMALL if recipe == "combiner" else SMALL[:2]
    options = [word for option in own for word in ("--set", option)]
    assert run(recipe, *given, *options).exit_code == 0
    other = write_tiny_backbone(tmp_path / "other", seed=1)
    model = untrained_model(load_backbone(BackboneSpec(f"local-dir:{other}"), device="cpu"))
    write_artefact(tmp_path / "elsewhere", model.card)
    given[3] = str(tmp_path / "elsewhere")
    refused = run(recipe, *given, *options).exception
    assert isinstance(refused, InvalidInput)
    assert refused.sentence == (
        f"The checkpoint {tmp_path / 'run' / 'checkpoint.pt'} belongs to another run (another "
        "backbone): train into another folder, or use the options it was started with."
    )


@pytest.mark.parametrize(
    ("option", "was", "now"),
    [
        ("dropout", "0.5", "0.1"),
        pytest.param("mean", "arithmetic", "harmonic", marks=pytest.mark.slow),
        pytest.param("seed", "0", "1", marks=pytest.mark.slow),
    ],
)
def test_a_run_is_not_gone_on_with_other_options(given, option, was, now):
    options = [word for one in SMALL for word in ("--set", one)]
    assert run("combiner", *given, *options).exit_code == 0
    refused = run("combiner", *given, *options, "--set", f"{option}={now}").exception
    assert isinstance(refused, InvalidInput)
    assert f"({option} was {was} and is now {now})" in refused.sentence


def test_without_validation_triplets_a_preset_that_stops_early_trains_to_its_end(given, tmp_path):
    (tmp_path / "wardrobe/captions/cap.wardrobe.val.json").unlink()
    options = [word for one in SMALL for word in ("--set", one)]
    done = run("combiner", *given, "--preset", "small-data", *options)
    assert done.exit_code == 0, done.output
    assert "There are no validation triplets to stop early by" in " ".join(done.stderr.split())


@pytest.mark.parametrize("device", ["foo", "mps", "meta", "cuda:x"])
def test_an_unknown_device_is_one_sentence(given, device):
    given[given.index("--device") + 1] = device
    refused = run("combiner", *given).exception
    assert isinstance(refused, SetupError)
    assert refused.sentence == f"There is no device {device!r}: use auto, cpu or cuda."


def test_a_seed_beyond_what_torch_takes_is_refused(given):
    refused = run("combiner", *given, "--set", "seed=99999999999999999999").exception
    assert isinstance(refused, InvalidInput)
    assert refused.sentence.startswith("The option seed is refused: input should be less than or")


def test_added_triplets_of_a_catalogue_belong_into_its_own_file(given, tmp_path):
    given[1] = str(catalogue(tmp_path / "shop"))
    refused = run("combiner", *given, "--set", "added=mine").exception
    assert isinstance(refused, InvalidInput)
    assert "write these into its triplets.jsonl instead" in refused.sentence


def test_a_recipes_options_are_listed():
    done = run("combiner", "--options")
    assert done.exit_code == 0
    assert "batch=4096" in done.stdout
    assert "preset small-data" in done.stdout


def test_without_data_it_is_wrong_usage(tmp_path):
    done = run("combiner", "--out", str(tmp_path))
    assert done.exit_code == 2
    assert "--options" in done.stderr


def test_a_name_that_is_too_long_is_told_before_anything_is_trained(given, tmp_path):
    refused = run("combiner", *given, "--name", "n" * 101).exception
    assert isinstance(refused, InvalidInput)
    assert refused.sentence == (
        "A model's name has 1 to 100 letters and no line breaks, and this one has 101: choose "
        "another with --name."
    )
    assert not (tmp_path / "run").exists()


def test_what_does_not_fit_is_one_sentence(given):
    done = run("combiner", *given, "--set", "speed=3")
    assert isinstance(done.exception, InvalidInput)
    assert "There is no option speed" in done.exception.sentence
    assert isinstance(run("blip", *given).exception, InvalidInput)
