"""Everything of docker-compose.yml started by hand, and used through nginx as its one origin."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from PIL import Image as Pillow
from playwright.sync_api import expect

from backend.catalogue.schemas import FileClaim, ImportCreate
from backend.catalogue.sources import collect, sha256_of
from backend.client import AkinClient
from backend.search.schemas import SearchRequest
from tests.chromium import chromium, without_browser
from tests.deployment.by_hand import ADMIN, PASSWORD, ByHand
from tests.end_to_end.test_killed import wait_until
from workers.datasets.wardrobe.dataset import write_dataset

pytestmark = [pytest.mark.long, pytest.mark.services, pytest.mark.timeout(900)]

PRODUCTS = 18
MANY_BYTES = 100 * 2**20
PIECE = 2**20
WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[ByHand]:
    with ByHand(tmp_path_factory.mktemp("by-hand")) as site:
        yield site


@pytest.fixture(scope="module")
def wardrobe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wardrobe") / "wardrobe"
    write_dataset(folder, PRODUCTS, seed=2, size=96)
    return folder


@pytest.fixture(scope="module")
def shop(site, wardrobe) -> AkinClient:
    """A client at the one origin, once the catalogue is in and embedded."""
    client: AkinClient = site.client()
    sources = {sha256_of(s.path): s for s in collect([wardrobe / "products.csv"])}
    job = client.open_import(ImportCreate())
    claims = [FileClaim(name=s.name, sha256=sha, size=s.size) for sha, s in sources.items()]
    for sha256 in client.claim_files(job.id, claims):
        client.send_file(job.id, sha256, sources[sha256].path)
    client.start_import(job.id)
    wait_until(lambda: client.job(job.id).finished)
    assert client.job(job.id).state == "done", site.story()
    wait_until(lambda: client.summary().embedded == PRODUCTS)
    return client


# --- the main job


def test_a_picture_and_words_find_products(shop, wardrobe):
    reference = sorted((wardrobe / "images").iterdir())[0]
    category = shop.product_by_sku(reference.stem).category
    request = SearchRequest(text="but red", filters=[f"category={category}"], limit=50)
    answer = shop.search(request, image=reference.read_bytes())
    assert {hit.product.category for hit in answer.results} == {category}
    assert len(answer.results) == shop.summary().categories[category] - 1  # not the picture's own
    assert shop.picture(answer.results[0].product.images[0].thumbnail)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/docs", "/openapi.json"])
def test_the_api_answers_beside_the_ui(site, path):
    assert httpx.get(site.origin + path).status_code == 200


# --- the UI


def test_the_ui_is_the_front_page(site):
    page = httpx.get(site.origin)
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]
    assert "streamlit" in page.text.lower()
    assert httpx.get(f"{site.origin}/_stcore/health").text == "ok"


@pytest.mark.parametrize(("foreign", "status"), [(False, 101), (True, 403)])
def test_the_ui_s_websocket_opens_for_its_own_page_only(site, foreign, status):
    port = site.ports["nginx"]
    origin = "http://evil.example" if foreign else f"http://localhost:{port}"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    asked = {**WEBSOCKET, "Host": f"localhost:{port}", "Origin": origin}
    connection.request("GET", "/_stcore/stream", headers=asked)
    assert connection.getresponse().status == status
    connection.close()


@pytest.mark.browser
@without_browser
def test_a_visitor_sees_pictures(site, shop):
    """They come from the origin of the page, whichever of its names was typed."""
    refused: list[str] = []
    with chromium() as browser:
        page = browser.new_page()
        page.on(
            "console", lambda said: refused.append(said.text) if "Policy" in said.text else None
        )
        page.goto(f"http://localhost:{site.ports['nginx']}/catalogue")
        page.get_by_label("Name", exact=True).fill(ADMIN)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        shown = page.locator("img[src*='/v1/pictures/']").first
        expect(shown).to_be_visible(timeout=60_000)
        assert shown.evaluate("image => image.src").startswith(page.url.rsplit("/", 1)[0])
        page.wait_for_function("image => image.naturalWidth > 0", arg=shown.element_handle())
    assert refused == []  # what the page needs, its Content-Security-Policy lets it have


# --- what stays closed


@pytest.mark.parametrize("path", ["/v1/products", "/v1/jobs", "/v1/users"])
def test_nobody_is_let_in_without_a_login(site, path):
    assert httpx.get(site.origin + path).status_code == 401


def test_every_answer_says_what_a_browser_may_do_with_it(site):
    for path, framing in (
        ("/", "'self'"),
        ("/_stcore/health", "'self'"),
        ("/v1/catalogue", "'none'"),
    ):
        answer = httpx.get(site.origin + path)
        assert answer.headers.get_list("x-content-type-options") == ["nosniff"]
        (policy,) = answer.headers.get_list("content-security-policy")
        assert f"frame-ancestors {framing}" in policy


@pytest.mark.parametrize("path", ["/metrics", "/_stcore/metrics", "/metrics/", "//metrics"])
def test_figures_are_not_for_the_world(site, shop, path):
    answer = httpx.get(site.origin + path, follow_redirects=True)
    assert answer.status_code in (200, 404)  # 200: the UI's page, at any path it does not know
    assert "# HELP" not in answer.text
    assert "akin_requests_total" in httpx.get(f"{site.url('api')}/metrics").text


def test_a_foreign_name_gets_nothing(site):
    for path in ("/", "/v1/catalogue", "/_stcore/health"):
        answer = httpx.get(site.origin + path, headers={"Host": "evil.example"})
        assert answer.status_code == 421
        assert "SERVER_NAMES" in answer.text


def test_a_page_of_another_site_may_change_nothing(site):
    foreign = httpx.post(
        f"{site.origin}/v1/imports", json={}, headers={"Origin": "http://evil.example"}
    )
    assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign-page")
    own = httpx.post(f"{site.origin}/v1/imports", json={}, headers={"Origin": site.origin})
    assert (own.status_code, own.json()["code"]) == (401, "login-needed")


# --- large bodies


def test_a_hundred_megabytes_stream_through(site, tmp_path):
    """While half of them are on their way nginx keeps nothing, and the API has what was sent."""
    archive = tmp_path / "notes.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        packed.writestr("notes.txt", os.urandom(MANY_BYTES))
    sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    halfway: list[int] = []

    def pieces() -> Iterator[bytes]:
        sent = 0
        with archive.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
                sent += len(piece)
                if not halfway and sent > MANY_BYTES // 2:
                    wait_until(lambda: largest_of(site.folder / "blobs") > MANY_BYTES // 4)
                    halfway.append(largest_of(site._nginx_folder))

    with site.client() as client:
        job = client.open_import(ImportCreate())
        claim = FileClaim(name=archive.name, sha256=sha256, size=archive.stat().st_size)
        assert client.claim_files(job.id, [claim]) == [sha256]
        path = f"/v1/imports/{job.id}/files/{sha256}"
        client._send("PUT", path, content=pieces(), timeout=120)
        assert client.claim_files(job.id, [claim]) == []
        client.cancel_job(job.id)
    assert halfway
    assert halfway[0] < PIECE


def test_the_api_s_own_limit_is_told_in_its_own_words(site):
    answer = httpx.post(f"{site.origin}/v1/search", content=b"x" * (65 * 2**20), timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def largest_of(folder: Path) -> int:
    sizes = []
    for path in folder.rglob("*"):
        try:
            sizes.append(path.stat().st_size if path.is_file() else 0)
        except FileNotFoundError:  # renamed meanwhile
            continue
    return max(sizes, default=0)


# --- what is told of it


def lines(site, service, **wanted):
    """The lines of a service's log with these values; every line is JSON."""
    told = [json.loads(line) for line in (site.folder / f"{service}.log").read_text().splitlines()]
    return [line for line in told if wanted.items() <= line.items()]


def test_an_upload_is_followed_by_its_id_from_the_request_to_its_vectors(site, shop):
    with AkinClient(site.origin) as nobody:
        token = nobody.log_in(ADMIN, PASSWORD).token
    own = {"Authorization": f"Bearer {token}"}
    opened = httpx.post(f"{site.origin}/v1/imports", json={}, headers=own)
    request, job = opened.headers["x-request-id"], opened.json()["id"]
    wait_until(lambda: lines(site, "api", request=request))  # written once the answer is sent
    (said,) = lines(site, "api", request=request)
    assert (said["event"], said["route"], said["status"]) == ("request", "/v1/imports", 201)
    buffer = io.BytesIO()
    Pillow.new("RGB", (50, 50), "hotpink").save(buffer, "PNG")
    data = buffer.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    shop.claim_files(job, [FileClaim(name="pink.png", sha256=sha256, size=len(data))])
    httpx.put(f"{site.origin}/v1/imports/{job}/files/{sha256}", content=data, headers=own)
    shop.start_import(job)
    wait_until(lambda: shop.summary().embedded == PRODUCTS + 1)
    wait_until(lambda: lines(site, "embedder-cpu", request=request, event="job done"))
    wait_until(lambda: lines(site, "worker", request=request, event="job done"))
    (done,) = lines(site, "worker", request=request, event="job done")
    assert (done["job"], done["kind"]) == (job, "ingest")
    (encoded,) = lines(site, "embedder-cpu", request=request, event="encoded")
    assert encoded["kind"] == "embed"
    assert encoded["subject"].startswith("g-")
    assert len(encoded["version"]) == 36
    shop.delete_product(shop.product_by_sku("pink").id)


def test_workers_show_what_they_did(site, shop):
    worker, embedder = (
        httpx.get(f"http://127.0.0.1:{site.metrics_ports[name]}/metrics").text
        for name in ("worker", "embedder-cpu")
    )
    assert 'akin_job_seconds_count{kind="ingest",outcome="done"}' in worker
    assert re.search(r"^akin_embedded_images_total [1-9]", embedder, re.MULTILINE)
    assert re.search(r'^akin_embed_stage_seconds_total\{stage="encode"\} ', embedder, re.MULTILINE)
    api = httpx.get(f"{site.url('api')}/metrics").text
    assert re.search(r'^akin_gallery_coverage\{gallery="g-\w+"\} 1.0$', api, re.MULTILINE)
    for part in ("database", "broker", "gallery"):
        assert f'akin_part_up{{part="{part}"}} 1.0' in api


def test_no_secret_is_in_any_log(site, shop):
    for path in site.folder.glob("*.log"):
        for secret in ("redissecret", "qdrantsecret", "s3secret", "grafanasecret"):
            assert secret not in path.read_text(errors="replace"), path.name


# --- the end


def test_failed_logins_are_counted_by_the_address_that_nginx_saw(site):
    """Whatever address a request claims to come from."""

    def fail(n: int) -> int:
        return httpx.post(
            f"{site.origin}/v1/login",
            json={"name": f"nobody-{n}", "password": "wrong"},
            headers={"X-Forwarded-For": f"192.0.2.{n}"},
            timeout=30,
        ).status_code

    assert {fail(n) for n in range(20)} == {401}
    # From here on each has to wait twice as long, however slow this machine is.
    assert 429 in {fail(n) for n in range(20, 28)}


def test_everything_ends_well_when_told_to(site):
    names = set(site.running)
    assert names == {
        "api", "worker", "embedder-cpu", "trainer-cpu", "beat", "ui", "nginx", "redis", "qdrant"
    }  # fmt: skip
    assert site.stop() == dict.fromkeys(names, 0), site.story()
