"""A manifest before it is imported: what it would become, over HTTP, with nothing written."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import select

from backend.accounts.actor import Actor, current_actor
from backend.catalogue import previewing
from backend.catalogue.import_routes import router
from backend.catalogue.preview_schemas import MAX_PICTURES, PreviewRequest, named_pictures
from backend.catalogue.previewing import known_to, preview_manifest
from backend.catalogue.tables import Attribute
from backend.database import Database
from backend.jobs.tables import Job
from backend.runtime import Runtime
from tests.api import api_of, client_of
from tests.backend.catalogue.stock import product

MANIFEST = (
    "Artikelnummer;Titel;Bild;Preis;Farbe;Größe;intern\n"
    "A1;Kleid;a.jpg;19,90 €;rot;38;x\n"
    "A2;Hut;b.jpg|c.jpg;5 EUR;blau;S;\n"
    "A3;Schal;gone.jpg;billig;grün;;\n"
)


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    return api_of(runtime, router)


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app)


def look(client: TestClient, text: str | bytes, name: str = "p.csv", **request: Any) -> Any:
    data = text.encode() if isinstance(text, str) else text
    answer = client.post(
        "/v1/imports/preview",
        files={"manifest": (name, data)},
        data={"request": json.dumps(request)},
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_columns_products_and_problems_are_shown(client: TestClient, runtime: Runtime) -> None:
    with runtime.database.write() as session:
        product(session, "A2")
    found = look(client, MANIFEST)
    assert (found["name"], found["encoding"], found["delimiter"]) == ("p.csv", "UTF-8", ";")
    assert (found["rows"], found["good"], found["bad"], found["existing"]) == (3, 2, 1, 1)
    columns = [
        (c["name"], c["use"], c["chosen_by"], c["kind"], c["filled"]) for c in found["columns"]
    ]
    assert columns == [
        ("Artikelnummer", "sku", "name", None, 3),
        ("Titel", "title", "name", None, 3),
        ("Bild", "image", "name", None, 3),
        ("Preis", "price", "name", None, 3),
        ("Farbe", "attribute", None, "keyword", 3),
        ("Größe", "attribute", None, "keyword", 2),
        ("intern", "attribute", None, "keyword", 1),
    ]
    assert found["columns"][4]["examples"] == ["rot", "blau", "grün"]
    first, second = found["products"]
    assert (first["row"], first["sku"], first["title"], first["images"]) == (
        2,
        "A1",
        "Kleid",
        ["a.jpg"],
    )
    assert (first["price"], first["currency"], first["exists"]) == ("19.90", "EUR", False)
    assert first["attributes"] == {"Farbe": "rot", "Größe": "38", "intern": "x"}
    assert (second["images"], second["exists"]) == (["b.jpg", "c.jpg"], True)
    assert found["problems"] == [
        {
            "row": 4,
            "sku": "A3",
            "sentence": "p.csv, row 4: column Preis: 'billig' is not a number such as 19.90.",
        }
    ]


def test_nothing_is_written(client: TestClient, runtime: Runtime) -> None:
    look(client, MANIFEST)
    with runtime.database.read() as session:
        assert session.scalars(select(Attribute)).all() == []
        assert session.scalars(select(Job)).all() == []
    assert not (runtime.settings.home / "blobs").exists()


def test_a_required_column_that_is_missing_can_be_chosen(client: TestClient) -> None:
    text = "code A,code B,image\n1,2,a.jpg\n"
    found = look(client, text)
    assert (found["missing"], found["good"], found["products"]) == (["sku"], 0, [])
    assert found["refusal"].startswith("p.csv has no column 'sku' (its columns: code A, code B")
    assert found["columns"][0]["examples"] == ["1"]
    chosen = look(client, text, columns={"sku": "code B"}, ignored_columns=["code A"])
    assert (chosen["missing"], chosen["refusal"], chosen["good"]) == ([], None, 1)
    uses = [(column["use"], column["chosen_by"]) for column in chosen["columns"]]
    assert uses == [("ignored", "you"), ("sku", "you"), ("image", "name")]


def test_rows_whose_pictures_did_not_come_along_are_told(client: TestClient) -> None:
    found = look(client, MANIFEST, "shop/p.csv", pictures=["shop/a.jpg", "shop/b.jpg"])
    assert (found["absent"], found["good"]) == (1, 1)
    assert found["problems"][0]["sentence"] == (
        "shop/p.csv, row 3: the picture shop/c.jpg did not come along."
    )
    assert look(client, MANIFEST)["absent"] == 0


def test_pictures_on_the_web_are_not_missed_where_they_are_fetched(
    client: TestClient, runtime: Runtime
) -> None:
    text = "sku,image_url\nTEE-1,http://shop.example/a.jpg\n"
    assert look(client, text, pictures=[])["absent"] == 1
    runtime.settings.url_import = ("*",)
    shown = look(client, text, pictures=[])
    runtime.settings.url_import = ()
    assert (shown["absent"], shown["good"]) == (0, 1)
    assert shown["products"][0]["images"] == ["http://shop.example/a.jpg"]


@pytest.mark.parametrize(
    ("on_conflict", "counts"),
    [("update", (2, 1, 0, 1)), ("skip", (1, 0, 1, 1)), ("error", (1, 0, 0, 2))],
)
def test_rows_of_products_there_already_fare_as_the_import_is_told(
    client: TestClient, runtime: Runtime, on_conflict: str, counts: tuple[int, ...]
) -> None:
    with runtime.database.write() as session:
        product(session, "A2")
    found = look(client, MANIFEST, on_conflict=on_conflict)
    assert tuple(found[name] for name in ("good", "existing", "skipped", "bad")) == counts
    assert [one["sku"] for one in found["products"]] == ["A1", "A2"][: found["good"]]
    told = {problem["sku"]: problem["sentence"] for problem in found["problems"]}
    assert told.get("A2") == (
        "There is a product with the SKU 'A2' already: import with --on-conflict update or skip."
        if on_conflict == "error"
        else None
    )


def test_a_hundred_thousand_pictures_may_come_along(app: FastAPI) -> None:
    names = [f"a folder of pictures/{number:06}.jpg" for number in range(100_001)]
    request = PreviewRequest(pictures=named_pictures(names))
    text = f"sku,image\nA,{names[-1]}\nB,gone.jpg\n"
    with client_of(app) as client:
        found = client.preview_manifest("p.csv", text.encode(), request)
    assert (found.good, found.absent) == (1, 1)


def test_of_more_pictures_than_a_request_holds_none_is_named() -> None:
    assert named_pictures([str(n) for n in range(3)]) == ["0", "1", "2"]
    assert named_pictures(range(MAX_PICTURES + 1)) is None  # type: ignore[arg-type]


def test_addresses_that_are_none_are_pictures_that_did_not_come_along(client: TestClient) -> None:
    text = "sku,image\nA,http://[x\nB,http://℀.com/b.jpg\nC,c.jpg\n"
    found = look(client, text, pictures=["c.jpg"])
    assert (found["good"], [problem["sentence"] for problem in found["problems"]]) == (
        1,
        [
            "p.csv, row 2: the picture http:/[x did not come along.",
            "p.csv, row 3: the picture b.jpg did not come along.",
        ],
    )


def test_a_line_that_nests_deeply_is_told(client: TestClient) -> None:
    deep = '{"sku": "A", "image": "a.jpg", "size": ' + "[" * 460 + "]" * 460 + "}"
    found = look(client, deep + '\n{"sku": "B", "image": "b.jpg"}\n', "p.jsonl")
    assert (found["good"], found["bad"]) == (1, 1)
    assert found["problems"][0]["sentence"].startswith("p.jsonl, row 1: it holds lists and objects")


def test_values_that_do_not_fit_a_known_attribute_are_told(
    client: TestClient, runtime: Runtime
) -> None:
    with runtime.database.write() as session:
        product(session, "B", attributes={"Size": 38})
    found = look(client, "sku,image,Size\nA,a.jpg,S\nC,c.jpg,40\n")
    assert (found["columns"][2]["kind"], found["good"], found["bad"]) == ("integer", 1, 1)
    assert found["problems"][0]["sentence"] == (
        "Attribute 'Size' takes whole numbers up to 2^53 since its first value was integer, not "
        "'S': correct the value or give the attribute another name."
    )


def test_columns_that_cannot_be_attributes_say_so(client: TestClient) -> None:
    found = look(client, "sku,image,★,Sleeve length,sleeve-length\nA,a.jpg,,,\nB,b.jpg,x,,\n")
    problems = {column["name"]: column["problem"] for column in found["columns"]}
    assert (
        problems["★"] == "Attribute '★' has no Latin letter or digit to make a key of: rename it."
    )
    assert problems["sleeve-length"] == (
        "The attributes 'Sleeve length' and 'sleeve-length' have the same key 'sleeve_length': "
        "rename one, or ignore it."
    )
    assert [product["sku"] for product in found["products"]] == ["A"]


def test_an_export_declares_the_kinds(client: TestClient) -> None:
    declared = {"akin_attributes": [{"slug": "size", "label": "Size", "kind": "keyword"}]}
    lines = [declared, {"sku": "A", "images": [], "size": "10"}]
    found = look(client, "\n".join(map(json.dumps, lines)), "p.jsonl")
    assert [(c["name"], c["kind"]) for c in found["columns"] if c["use"] == "attribute"] == [
        ("size", "keyword")
    ]
    assert (found["rows"], found["good"], found["delimiter"]) == (1, 1, None)


def test_only_the_first_products_and_problems_are_shown(client: TestClient) -> None:
    rows = [f"P{n},p.jpg" if n % 2 else f",{n}.jpg" for n in range(200)]
    found = look(client, "\n".join(["sku,image", *rows]))
    assert (found["good"], found["bad"]) == (100, 100)
    assert (len(found["products"]), len(found["problems"])) == (20, 50)
    assert [problem["row"] for problem in found["problems"][:3]] == [2, 4, 6]


def test_a_file_in_another_encoding_has_a_code_of_its_own(client: TestClient) -> None:
    data = "sku;image;title\nA;a.jpg;Größe\n".encode("cp1252")
    answer = client.post("/v1/imports/preview", files={"manifest": ("p.csv", data)})
    assert (answer.status_code, answer.json()["code"]) == (422, "not-utf-8")
    assert "byte 0xf6 in line 2" in answer.json()["detail"]
    found = look(client, data, encoding="windows-1252")
    assert (found["encoding"], found["products"][0]["title"]) == ("Windows-1252", "Größe")


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ("{", "The preview's request does not fit"),
        ('{"columns": {"colour": "x"}}', "The preview's request does not fit"),
        ('{"name": "../p.csv"}', "is not a relative path inside the import"),
        ('{"on_conflict": "ask"}', "The preview's request does not fit"),
        ('{"columns": {"sku": "x"}}', "has no column 'x', which was chosen for sku"),
    ],
)
def test_a_wrong_request_is_told(client: TestClient, request_: str, told: str) -> None:
    answer = client.post(
        "/v1/imports/preview",
        files={"manifest": ("p.csv", b"sku,image\n")},
        data={"request": request_},
    )
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


def test_pictures_are_products_by_their_names(client: TestClient) -> None:
    names = ["validation/dress/red_one.jpg", "x.png"]
    answer = client.post("/v1/imports/preview/pictures", json={"names": names})
    assert answer.json() == [
        {
            "name": "validation/dress/red_one.jpg",
            "sku": "red_one",
            "title": "Red one",
            "category": "dress",
            "split": "val",
        },
        {"name": "x.png", "sku": "x", "title": "X", "category": None, "split": None},
    ]


def test_previews_need_a_manager(app: FastAPI, client: TestClient) -> None:
    app.dependency_overrides[current_actor] = lambda: Actor("sam", "shopper")
    for path in ("preview", "preview/pictures", "some-job/products"):
        method = "GET" if path.endswith("products") else "POST"
        assert client.request(method, f"/v1/imports/{path}").status_code == 403


def test_skus_are_looked_up_in_parts(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(previewing, "_AT_ONCE", 2)
    with database.write() as session:
        for sku in ("A", "B", "Ü ß"):
            product(session, sku)
    with database.read() as session:
        assert known_to(session, ["A", "x", "y", "Ü ß", "B"]).skus == {"A", "B", "Ü ß"}
        assert known_to(session, []).skus == set()


def test_the_same_on_both_databases(database: Database) -> None:
    with database.write() as session:
        product(session, "A1", attributes={"Größe": "S"})
    with database.read() as session:
        look_up = partial(known_to, session)
        found = preview_manifest(MANIFEST.encode(), "p.csv", PreviewRequest(), look_up)
    assert (found.good, found.bad, found.existing) == (2, 1, 1)
