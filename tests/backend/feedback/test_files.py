"""Triplets out of files and into files, on both databases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from backend.catalogue import service as catalogue
from backend.catalogue.schemas import BulkEdit
from backend.database import Database
from backend.feedback import exporting, importing
from backend.feedback.exporting import export_triplets
from backend.feedback.importing import import_triplets
from backend.feedback.listing import summary
from backend.feedback.schemas import TripletFormat, TripletImport
from backend.feedback.service import review
from backend.feedback.tables import Triplet
from backend.jobs.broker import Queue
from tests.backend.catalogue.stock import count, product, sha
from tests.backend.feedback.stock import images, say, stocked, triplets
from workers.datasets import cirr, fashioniq
from workers.datasets.catalogue import read_catalogue
from workers.recipes.positives.formats import cirr_row, fashioniq_row
from workers.recipes.positives.pairing import Pair


def bring(database: Database, *rows: dict[str, Any], source: Any = "import") -> TripletImport:
    return import_triplets(database, json.dumps(rows).encode(), "f.json", source, "ann")


def row(candidate: str, target: str, *captions: str) -> dict[str, Any]:
    return {"candidate": candidate, "target": target, "captions": list(captions)}


def accept_all(database: Database, queue: Queue) -> None:
    with database.write() as session:
        review(session, queue, list(triplets(database)), "accepted", "max")


def exported(database: Database, *options: Any) -> Any:
    text = "".join(export_triplets(database, *options))
    return json.loads(text) if text.startswith("[") else list(map(json.loads, text.splitlines()))


def test_each_sentence_becomes_a_candidate_once(database: Database) -> None:
    stocked(database, "A", "B")
    told = bring(database, row("A", "B", "is red", "is longer"))
    assert (told.format, told.rows, told.created, told.unchanged) == ("fashioniq", 1, 2, 0)
    again = bring(database, row("A", "B", "is red", "is blue"), source="import")
    assert (again.created, again.unchanged, again.refused) == (1, 1, 0)
    kept = triplets(database).values()
    assert {one.caption for one in kept} == {"is red", "is longer", "is blue"}
    assert {(one.state, one.source, one.session) for one in kept} == {("candidate", "import", None)}


def test_pictures_are_called_by_sku_by_number_or_by_file(database: Database) -> None:
    with database.write() as session:
        product(session, "A", 1, 2)
        product(session, "B.jpg", 3)
        product(session, "C", 4)
    names = ["A", "A #2", f"images/{sha(2)}.jpg", sha(1), "shots/A.png"]
    told = bring(database, *(row(name, "B.jpg", f"by {name}") for name in names))
    assert (told.created, told.refused) == (5, 0)
    with database.read() as session:
        found = {one.text: one.reference_image_id for one in session.query(Triplet)}
    first = images(database)["A"]
    assert [found[f"by {name}"] == first for name in names] == [True, False, False, True, True]
    assert bring(database, row("C", "B.jpg", "x")).created == 1, "a SKU comes before its stem"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (row("A", "nobody", "red"), "no product or picture is called nobody: import it first."),
        (row("A #2", "B", "red"), "no product or picture is called A #2: import it first."),
        (row("A", "A", "red"), "both sides are pictures of one product."),
        ({"candidate": "A"}, "it lacks the name of its reference or target."),
    ],
)
def test_a_row_is_refused_alone_with_its_reason(
    database: Database, wrong: dict[str, Any], reason: str
) -> None:
    stocked(database, "A", "B")
    told = bring(database, row("A", "B", "is red"), wrong, row("B", "A", "is blue"))
    assert (told.created, told.refused) == (2, 1)
    assert [(one.row, one.reason) for one in told.refusals] == [(1, reason)]


def test_the_report_stays_small(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "TOLD", 2)
    monkeypatch.setattr(importing, "AT_ONCE", 2)
    stocked(database, "A", "B")
    told = bring(database, *(row("A", f"X{n}", "red") for n in range(5)), row("A", "B", "red"))
    assert (told.refused, [one.row for one in told.refusals], told.created) == (5, [0, 1], 1)


def test_what_goes_out_comes_in_again(database: Database, queue: Queue) -> None:
    stocked(database, "A", "B", "C")
    bring(database, row("A", "B", "is red", "is longer"), row("B", "C", "is blue"))
    accept_all(database, queue)
    for form in get_args(TripletFormat):
        data = "".join(export_triplets(database, form)).encode()
        told = import_triplets(database, data, "f", "import", "ann")
        assert (told.format, told.created, told.unchanged) == (form, 0, 3)


def test_rows_are_those_of_each_format(database: Database, queue: Queue) -> None:
    stocked(database, "A", "B", "C")
    bring(database, row("A", "B", "is red", "is longer", "is new"))
    assert exported(database, "fashioniq") == exported(database, "akin") == []
    accept_all(database, queue)
    assert exported(database, "akin") == [
        {"reference": "A", "target": "B", "captions": ["is red", "is longer", "is new"]}
    ]
    assert exported(database, "fashioniq") == [
        row("A", "B", "is red", "is longer"),
        row("A", "B", "is new", "is new"),
    ]
    (first, *_) = exported(database, "cirr")
    assert (first["reference"], first["target_hard"], first["caption"]) == ("A", "B", "is red")
    assert [one["pairid"] for one in exported(database, "cirr")] == [0, 1, 2]
    assert exported(database, "fashioniq", None, "image")[0]["candidate"] != "A"


def test_second_images_keep_their_number_and_products_their_sku(
    database: Database, queue: Queue
) -> None:
    with database.write() as session:
        product(session, "A", 1, 2)
        product(session, "B", 3)
    bring(database, row("A #2", "B", "is red"))
    accept_all(database, queue)
    assert exported(database, "fashioniq")[0]["candidate"] == "A #2"
    assert exported(database, "akin")[0]["reference"] == "A"


def test_only_what_is_meant_accepted_and_in_one_split_goes_out(
    database: Database, queue: Queue
) -> None:
    at = stocked(database, "A", "B", "C", "D")
    yes = say(database, "A", "red", "B")
    say(database, "A", "red", "C", is_target=False)
    mixed = say(database, "A", "blue", "D")
    accept_all(database, queue)
    say(database, "B", "green", "A")
    with database.write() as session:
        moved = catalogue.get_by_sku(session, "D")
        catalogue.bulk_edit(session, queue, BulkEdit(product_ids=[moved.id], split="val"))
    assert {yes, mixed} < set(triplets(database))
    assert at
    assert [one["target"] for one in exported(database, "akin")] == ["B"]
    assert exported(database, "akin", "val") == []
    assert len(exported(database, "akin", "train")) == 1
    with database.read() as session:
        told = summary(session)
    assert (told.accepted_splits, told.accepted_against) == ({"train": 1, "mixed": 1}, 1)
    assert told.states == {"accepted": 3, "candidate": 1}


def test_many_pages_lose_nothing(
    database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 2)
    skus = [f"S{number}" for number in range(6)]
    stocked(database, *skus)
    for first in skus[:3]:
        for second in skus[3:]:
            say(database, first, "red", second)
            say(database, first, "longer", second)
    accept_all(database, queue)
    rows = exported(database, "akin")
    assert len(rows) == 9
    assert all(sorted(one["captions"]) == ["longer", "red"] for one in rows)


def test_the_readers_of_the_datasets_take_them(
    database: Database, queue: Queue, tmp_path: Path
) -> None:
    stocked(database, "A", "B")
    bring(database, row("A", "B", "is red"))
    accept_all(database, queue)
    captions = tmp_path / "captions"
    captions.mkdir()
    for form in get_args(TripletFormat)[:2]:
        (_, name) = exporting.EXPORTED[form]
        (captions / name).write_text("".join(export_triplets(database, form)))
    (tmp_path / "image_splits").mkdir()
    (tmp_path / "image_splits" / "split.rc2.train.json").write_text('{"A": "./A", "B": "./B"}')
    (split,) = fashioniq.load(tmp_path, "train", ["extend_akin"])
    assert [(one.reference, one.target) for one in split.triplets] == [("A", "B")]
    (added,) = cirr.load(tmp_path, "train", "extend_akin")
    assert [one.captions for one in added.triplets] == [("is red",)]
    products = [{"sku": sku, "title": sku, "images": []} for sku in "AB"]
    (tmp_path / "products.jsonl").write_text("\n".join(map(json.dumps, products)))
    (tmp_path / "triplets.jsonl").write_text("".join(export_triplets(database, "akin")))
    assert [one.captions for one in read_catalogue(tmp_path).triplets] == [("is red",)]


def test_what_spn_positives_writes_comes_in(database: Database) -> None:
    stocked(database, "A", "B")
    pair = Pair("A", "B", ("is red",), "a blue tee", "a red tee")
    for row_of in (fashioniq_row, cirr_row):
        told = bring(database, row_of(pair), source="spn-positives")
        assert told.refused == 0
    (kept,) = triplets(database).values()
    assert (kept.source, kept.caption) == ("spn-positives", "is red")


def test_nothing_is_there_before_an_import(database: Database) -> None:
    assert count(database, Triplet) == 0
    assert "".join(export_triplets(database, "cirr")) == "[]\n"
