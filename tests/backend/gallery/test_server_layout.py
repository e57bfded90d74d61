"""What the settings ask of a Qdrant server, read from the requests it gets."""

from __future__ import annotations

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from backend.errors import SetupError, Unavailable
from backend.gallery.filters import MOST_FRACTIONS, Kind, check_keys, parse_filter
from backend.gallery.layout import Access, Layout, Quantization, ServerLayout
from backend.gallery.opening import open_store
from backend.gallery.server_layout import MOST_CONDITIONS
from backend.gallery.server_translation import server_filter
from tests import qdrant_standin
from tests.backend.gallery.conftest import DIM, point, random_vector

EVERYTHING = Layout(
    Quantization("scalar", rescore=True, oversampling=2.0),
    hnsw_ef=256,
    server=ServerLayout(
        shards=6,
        replicas=2,
        write_consistency=2,
        vectors_on_disk=True,
        payload_on_disk=True,
        hnsw_m=32,
        hnsw_ef_construct=200,
        strict=True,
    ),
)
OFF = Layout(Quantization("none"), server=ServerLayout(strict=False))
STRICT = {
    "enabled": True,
    "max_query_limit": 10_000,
    "search_max_hnsw_ef": 512,
    "search_max_oversampling": 4.0,
    "upsert_max_batchsize": 1_000,
    "filter_max_conditions": 256,
    "condition_max_size": 10_000,
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    """The URL of a stand-in, and the file in which it records what it is sent."""
    folder = tmp_path_factory.mktemp("standin")
    record = folder / "requests.jsonl"
    with qdrant_standin.running(folder / "qdrant", record=record) as url:
        yield url, record


@pytest.fixture
def recorded(recording):
    """The URL of an empty stand-in, and what it was sent so far: method, path and body."""
    url, record = recording
    store = open_store(url, Path())
    for name in store.names():
        store.drop(name)
    record.write_text("")
    return url, lambda *methods: sent(record, methods)


def sent(record: Path, methods: tuple[str, ...]) -> list[tuple[str, str, Any]]:
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    record.write_text("")
    return [(r["method"], r["path"], r["body"]) for r in lines if r["method"] in methods]


def test_a_gallery_is_made_as_the_settings_say_and_indexed_before_its_first_point(recorded):
    url, requests = recorded
    gallery = open_store(url, Path(), EVERYTHING).create("g", DIM)
    gallery.index_attribute("colour", "keyword")
    gallery.upsert([point(1)])

    (_, path, body), *later = requests("PUT")
    assert path == "/collections/akin_g"
    assert body == {
        "vectors": {"size": DIM, "distance": "Cosine", "on_disk": True},
        "shard_number": 6,
        "replication_factor": 2,
        "write_consistency_factor": 2,
        "on_disk_payload": True,
        "hnsw_config": {"m": 32, "ef_construct": 200},
        "quantization_config": {"scalar": {"type": "int8", "quantile": 0.99, "always_ram": True}},
        "strict_mode_config": STRICT,
    }
    assert [path.rpartition("/")[2] for _, path, _ in later] == ["index"] * 5 + ["points"]


def test_what_no_setting_names_is_left_to_the_server(recorded):
    url, requests = recorded
    open_store(url, Path()).create("g", DIM)
    (_, _, body), *_ = requests("PUT")
    assert body == {"vectors": {"size": DIM, "distance": "Cosine"}}
    assert requests("PATCH") == []


@pytest.mark.parametrize(
    ("layout", "params"),
    [
        (Layout(), {"quantization": {"ignore": False, "rescore": True, "oversampling": 1.0}}),
        (OFF, {"quantization": {"ignore": True, "rescore": True, "oversampling": 1.0}}),
        (
            EVERYTHING,
            {
                "hnsw_ef": 256,
                "quantization": {"ignore": False, "rescore": True, "oversampling": 2.0},
            },
        ),
        (
            Layout(Quantization("binary", rescore=False, oversampling=4.0)),
            {"quantization": {"ignore": False, "rescore": False}},
        ),
    ],
)
def test_a_search_says_how_codes_are_used(recorded, layout, params):
    url, requests = recorded
    open_store(url, Path(), layout).create("g", DIM).search(random_vector(0), limit=3)
    ((_, _, body),) = [one for one in requests("POST") if one[1].endswith("/query")]
    assert body["params"] == params


def test_other_settings_change_a_gallery_once_but_for_its_shards(recorded):
    url, requests = recorded
    open_store(url, Path()).create("g", DIM).upsert([point(1)])
    requests()

    gallery = open_store(url, Path(), EVERYTHING).open("g")
    ((_, path, body),) = requests("PATCH")
    assert path == "/collections/akin_g"
    assert body == {
        "vectors": {"": {"on_disk": True}},
        "params": {
            "replication_factor": 2,
            "write_consistency_factor": 2,
            "on_disk_payload": True,
        },
        "hnsw_config": {"m": 32, "ef_construct": 200},
        "quantization_config": {"scalar": {"type": "int8", "quantile": 0.99, "always_ram": True}},
        "strict_mode_config": STRICT,
    }
    assert gallery.count() == 1
    assert gallery.laid().sentence == (
        "1 shard, 2 replicas, vectors on disk, quantized to a byte a number, 0 in the search "
        "graph; AKIN_GALLERY_SHARDS=6 is for galleries made from now on: the number of shards of "
        "a collection never changes"
    )

    open_store(url, Path(), EVERYTHING).open("g")
    assert requests("PATCH") == []
    open_store(url, Path()).open("g")  # without settings: what the server has stays
    assert requests("PATCH") == []
    open_store(url, Path(), OFF).open("g")
    ((_, _, body),) = requests("PATCH")
    assert body == {"quantization_config": "Disabled", "strict_mode_config": {"enabled": False}}


def test_the_longest_filters_keep_within_what_strict_mode_allows():
    """Counted as the server does: each test of a field, those inside of others too."""
    texts = [f"colour={','.join(map(str, range(400)))}", "colour=red", "stock=yes,no"]
    numbers = [f"size={','.join(map(str, range(400)))}", f"price={'1.5,' * (MOST_FRACTIONS - 1)}2"]
    parsed = parse_filter([*texts, *numbers, *["price>=1"] * 45])
    kinds: dict[str, Kind] = {
        "colour": "keyword",
        "stock": "bool",
        "size": "integer",
        "price": "float",
    }
    conditions = server_filter(check_keys(parsed, kinds), ["p"], ["i"])
    assert len(parsed.conditions) == 50
    assert 50 < count_of(conditions.model_dump(exclude_none=True)) <= MOST_CONDITIONS


def count_of(found: dict[str, Any]) -> int:
    inner = [one for clause in ("must", "must_not", "should") for one in found.get(clause, [])]
    return len(inner) + sum(map(count_of, inner))


def test_over_tls_with_an_authority_of_ones_own(tmp_path):
    certificate = self_signed(tmp_path)
    with qdrant_standin.running(tmp_path / "qdrant", certificate=certificate, api_key="k") as url:
        assert url.startswith("https://")
        access = Access("k", str(tmp_path / "authority.pem"))
        gallery = open_store(url, Path(), access=access).create("g", DIM)
        gallery.upsert([point(1)])
        assert gallery.count() == 1
        with pytest.raises(Unavailable, match=r"does not answer .*certificate"):
            open_store(url, Path(), access=Access("k"))


def test_a_file_that_holds_no_certificates(tmp_path):
    (tmp_path / "authority.pem").write_text("nothing of the kind")
    access = Access(ca_file=str(tmp_path / "authority.pem"))
    with pytest.raises(SetupError, match=r"authority\.pem cannot be read as certificates"):
        open_store("https://127.0.0.1:1", Path(), access=access)


def test_a_server_that_is_too_slow_is_given_up(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(Unavailable, match=r"does not answer .*timed out"):
            open_store(url, Path(), access=Access(timeout=1))


def self_signed(folder: Path) -> Path:
    """A certificate with its key in one file; the certificate alone is authority.pem."""
    both, alone = folder / "server.pem", folder / "authority.pem"
    asked = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"]
    name = ["-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(both), "-out", str(alone)]
    subprocess.run(["openssl", *asked, *name, *files], check=True, capture_output=True)
    both.write_text(both.read_text() + alone.read_text())
    return both
