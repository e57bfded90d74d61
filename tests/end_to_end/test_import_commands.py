"""A manager's imports through the real program: preview, choice of columns, mending, export."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from backend.catalogue.schemas import BulkEdit
from backend.client import AkinClient
from tests.end_to_end.server import Server
from tests.end_to_end.test_refusals import assert_told

pytestmark = pytest.mark.long

ROWS = (
    "Lot;Bezeichnung;Bild;Preis;Größe",
    "7;Kleid;a.png;19,90;38",
    "8;Hut;b.png;billig;M",
    "9;Schal;gone.png;5;",
)
OPTIONS = ("--column", "sku=Lot", "--currency", "CHF")


@pytest.fixture(scope="module")
def server(servers) -> Server:
    made: Server = servers()
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder: Path = tmp_path_factory.mktemp("list")
    (folder / "list.csv").write_text("\n".join(ROWS) + "\n")
    for name, colour in (("a", "red"), ("b", "blue"), ("c", "green")):
        Image.new("RGB", (60, 80), colour).save(folder / f"{name}.png")
    return folder


def lines(server: Server) -> list[str]:
    with AkinClient(server.url) as client:
        return list(client.export_products())


def test_a_preview_changes_nothing_and_names_what_is_missing(server, folder):
    seen = server.run("ingest", "--preview", str(folder / "list.csv"))
    assert seen.returncode == 1
    assert "has no column 'sku'" in seen.stderr
    done = server.run("ingest", "--preview", str(folder / "list.csv"), *OPTIONS, "--json")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)["manifests"]
    assert (found["rows"], found["good"], found["bad"], found["absent"]) == (3, 1, 2, 1)
    shown = server.run("ingest", "--preview", str(folder / "list.csv"), *OPTIONS).stdout
    assert "1 good (0 of them in the catalogue already), 2 refused." in shown
    with AkinClient(server.url) as client:
        assert client.summary().products == 0
        assert client.jobs().total == 0


def test_pictures_alone_are_previewed_by_their_names(server, folder):
    seen = json.loads(server.run("ingest", "--preview", str(folder / "c.png"), "--json").stdout)
    assert [(one["sku"], one["title"]) for one in seen["pictures"]] == [("c", "C")]


def test_a_zip_is_not_previewed_and_that_is_said(server, folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(folder / "c.png", "c.png")
    seen = server.run("ingest", "--preview", str(tmp_path / "x.zip"))
    assert (seen.returncode, seen.stdout) == (0, "")
    assert seen.stderr == (
        "What is in x.zip is looked into only when it is imported: unpack it to preview the "
        "folder.\n"
    )
    seen = server.run("ingest", "--preview", str(tmp_path / "x.zip"), "--json")
    assert json.loads(seen.stdout) == {"manifests": [], "pictures": []}
    assert "looked into only when it is imported" in seen.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--column", "Lot"), "--column Lot does not fit: write FIELD=COLUMN"),
        (("--column", "colour=Lot"), "--column does not fit"),
        (("--currency", "euro"), "--currency does not fit"),
        (("--encoding", "latin"), "--encoding does not fit"),
    ],
)
def test_options_that_do_not_fit(server, folder, options, told):
    assert_told(server.run("ingest", str(folder / "list.csv"), *options), told)


def test_refusals_are_mended_and_sent_again_and_an_export_brings_all_back(server, folder, tmp_path):
    done = server.run("ingest", str(folder / "list.csv"), *OPTIONS, "--json")
    job = json.loads(done.stdout)
    assert (job["result"]["created"], job["failed"]) == (1, 2)
    refusals = folder / "refusals.csv"
    told = server.run("jobs", "show", job["id"], "--refusals", str(refusals))
    assert "2 refusals are in" in told.stderr
    again = server.run("jobs", "show", job["id"], "--refusals", str(refusals))
    assert_told(again, "exists already: name a new file.")
    text = refusals.read_text(encoding="utf-8-sig")
    refusals.write_text(text.replace("billig", "7").replace("gone.png", "c.png"), "utf-8-sig")
    mended = json.loads(server.run("ingest", str(refusals), "--currency", "CHF", "--json").stdout)
    assert (mended["result"]["created"], mended["failed"]) == (2, 0)

    before = lines(server)
    assert len(before) == 4
    target = tmp_path / "catalogue.zip"
    exported = server.run("export", str(target))
    assert "3 products with 3 images" in exported.stderr
    assert_told(server.run("export", str(target)), "exists already: name a new file.")
    assert len(zipfile.ZipFile(target).namelist()) == 4
    part = server.run("export", str(tmp_path / "part"), "--filter", "sku=7")
    assert part.returncode == 0, part.stderr
    assert len(list((tmp_path / "part" / "images").iterdir())) == 1
    with AkinClient(server.url) as client:
        ids = [product.id for product in client.products().items]
        client.bulk_edit(BulkEdit(product_ids=ids, delete=True))
    assert server.run("ingest", str(target)).returncode == 0
    assert lines(server) == before
    assert_told(server.run("export", "/proc/nowhere.zip"), "cannot be written")
