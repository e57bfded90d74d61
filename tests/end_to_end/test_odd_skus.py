"""SKUs that look like paths, markup, numbers or each other, through the whole line: imported,
found, searched with, exported, imported again, deleted. Nothing of them ever becomes a path."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from pathlib import Path

import pytest
from PIL import Image as Pillow

from backend.catalogue.schemas import ProductCreate
from backend.client import AkinClient, ApiError
from backend.search.schemas import SearchRequest
from tests.end_to_end.server import Server

pytestmark = pytest.mark.long

SKUS = [
    "../../etc/passwd", "/etc/passwd", "..", ".", "~root", "a/b", "a\\b", "C:\\x", "..\\x", "NUL",
    "%2F", "%2e%2e%2f", "a%20b", "a+b", "a b", "?x=1", "#x", "&x=1", "a=b", "price=1", "a,b", "a;b",
    "日本-é", "ÅNGSTRÖM", "straße", "👗", "ﬁ", "½", "שלום", "a" * 200, "é" * 200,
    '"quoted"', "'single'", "`x`", "$(id)", "${HOME}", "<script>alert(1)</script>", "*bold*",
    "[x](y)", "null", "true", "0", "007", "-1", "1.50", "=1+1", "'; DROP TABLE products; --", "%s",
    "{0}", "{{x}}",
]  # fmt: skip
WRITTEN = {  # as they stand in the manifest -> as they are stored
    **{sku: sku for sku in SKUS},
    "  blanks round it  ": "blanks round it",
    "two  blanks": "two blanks",
    "cafe\u0301": "café",
    "\u212bkilo": "Åkilo",  # the sign for angstrom is the letter
}
REFUSED = {
    "a" * 201: "one to 200 characters",
    "\u202eltr": "characters that can be printed",  # turns what follows from right to left
    "zero\u200bwidth": "characters that can be printed",
    "👩\u200d👧": "characters that can be printed",
    "bell\a": "characters that can be printed",
    "two\nlines": "characters that can be printed",
}


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    Pillow.new("RGB", (32, 32), (number, 255 - number, 99)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of all of them, each with a picture of its own."""
    folder = tmp_path_factory.mktemp("odd")
    with (folder / "p.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sku", "image"])
        for number, sku in enumerate([*WRITTEN, *REFUSED]):
            (folder / f"{number}.png").write_bytes(picture(number))
            writer.writerow([sku, f"{number}.png"])
    return folder


@pytest.fixture(scope="module")
def odd_shop(servers, tiny: str, folder: Path) -> Server:
    """A server that was given the manifest; a small backbone keeps it quick."""
    server: Server = servers("--no-ui", "--backbone", tiny)
    done = server.run("ingest", str(folder / "p.csv"), "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["result"]["created"] == len(WRITTEN)
    reasons = [item["reason"] for item in report["refused"]]
    for expected, reason in zip(REFUSED.values(), reasons, strict=True):
        assert reason.endswith(f"is not {expected}.")
    return server


@pytest.fixture
def client(odd_shop: Server):
    with AkinClient(odd_shop.url) as client:
        yield client


def test_each_is_found_and_can_be_a_reference(client: AkinClient) -> None:
    for written, sku in WRITTEN.items():
        assert client.product_by_sku(sku).sku == sku
        answer = client.search(SearchRequest(reference_sku=sku, limit=100))
        assert answer.reference is not None
        assert answer.reference.product is not None
        assert answer.reference.product.sku == sku
        assert sku not in {hit.product.sku for hit in answer.results}
        assert len(answer.results) == len(WRITTEN) - 1
        if len(written) <= 200:
            assert client.product_by_sku(written).sku == sku


def test_each_can_be_typed_into_the_list(client: AkinClient) -> None:
    for sku in WRITTEN.values():
        assert sku in {product.sku for product in client.products(text=sku, limit=200).items}


def test_what_looks_the_same_is_the_same_product(client: AkinClient) -> None:
    for twin in ("cafe\u0301", "caf\u00e9", " café ", "two   blanks", "A\u030akilo"):
        with pytest.raises(ApiError, match="There is a product with the SKU") as refused:
            client.create_product(ProductCreate(sku=twin, title="x"))
        assert refused.value.status == 409
        found = client.product_by_sku(twin)
        assert found.sku == " ".join(unicodedata.normalize("NFC", twin).split())


def test_the_command_line_takes_and_shows_them(odd_shop: Server) -> None:
    done = odd_shop.run("search", "--sku", "../../etc/passwd", "-k", "100")
    assert done.returncode == 0, done.stderr
    for sku in ("[x](y)", "${HOME}", "日本-é", "{{x}}"):
        assert sku in done.stdout


def test_an_export_imports_again_to_the_same(
    odd_shop: Server, client: AkinClient, tmp_path: Path
) -> None:
    before = client.summary()
    done = odd_shop.run("export", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    names = [str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*")]
    assert all(re.fullmatch(r"products\.jsonl|images(/[0-9a-f]{64}\.png)?", n) for n in names)
    again = odd_shop.run("ingest", str(tmp_path / "out"), "--json")
    assert json.loads(again.stdout)["result"]["unchanged"] == len(WRITTEN), again.stdout
    assert client.summary() == before


def test_nothing_of_them_is_in_a_path(odd_shop: Server) -> None:
    ours = re.compile(
        r"akin\.(sqlite3(-wal|-shm)?|log)|\.lock|\.holder|\.format"
        r"|galleries(/g-[0-9a-f]{12}(/.*)?)?"
        r"|blobs(/[a-z]+(/[0-9a-f]{2}(/[0-9a-f]{64}(\.webp)?)?|/[0-9a-f]{64})?)?"
    )
    paths = [str(path.relative_to(odd_shop.home)) for path in odd_shop.home.rglob("*")]
    assert [path for path in paths if not ours.fullmatch(path)] == []
    assert not any("passwd" in path for path in paths)
    assert [path.name for path in odd_shop.home.parent.iterdir() if path != odd_shop.home] == [
        "server.log"
    ]


def test_each_can_be_deleted(client: AkinClient) -> None:
    """Last, since the others need them."""
    for sku in WRITTEN.values():
        client.delete_product(client.product_by_sku(sku).id)
        with pytest.raises(ApiError, match="There is no product with the SKU"):
            client.product_by_sku(sku)
    assert client.summary().products == 0
