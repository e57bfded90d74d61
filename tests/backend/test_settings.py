"""Settings come from the environment; combinations that lose data or open doors are refused."""

from __future__ import annotations

from typing import Any

import pytest

from backend.blobs import BlobStore
from backend.errors import SetupError
from backend.settings import Settings, read_settings


def test_defaults_are_the_embedded_profile(tmp_path):
    settings = Settings(home=tmp_path)
    settings.check()
    assert settings.embedded
    assert settings.sql_url == f"sqlite:///{tmp_path}/akin.sqlite3"
    assert settings.blob_root == f"file://{tmp_path}/blobs"
    assert settings.api_url == "http://127.0.0.1:8000"


def test_every_setting_has_an_environment_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("AKIN_HOME", str(tmp_path))
    monkeypatch.setenv("AKIN_PORT", "9001")
    monkeypatch.setenv("AKIN_BACKBONE", "ViT-B-32")
    settings = Settings()
    assert (settings.home, settings.port, settings.backbone) == (tmp_path, 9001, "ViT-B-32")


def test_edge_and_sqlite_need_the_in_process_queue(tmp_path):
    settings = Settings(home=tmp_path, broker_url="redis://127.0.0.1:6379/0")
    with pytest.raises(SetupError, match=r"one process only.*unset AKIN_BROKER_URL"):
        settings.check()


def test_services_by_url_are_the_server_profile(tmp_path):
    settings = Settings(
        home=tmp_path,
        broker_url="redis://127.0.0.1:6379/0",
        database_url="postgresql://db/akin",
        gallery_url="http://qdrant:6333",
    )
    settings.check()
    assert not settings.embedded


def test_the_api_url_of_an_open_address_is_this_machine(tmp_path):
    assert Settings(home=tmp_path, host="0.0.0.0").api_url == "http://127.0.0.1:8000"
    assert Settings(home=tmp_path, host="::1").api_url == "http://[::1]:8000"
    assert Settings(home=tmp_path, host="::1").ui_url == "http://[::1]:8501"


def test_an_in_memory_gallery_is_this_process_alone(tmp_path):
    settings = Settings(
        home=tmp_path,
        broker_url="redis://127.0.0.1:6379/0",
        database_url="postgresql://db/akin",
        gallery_url=":memory:",
    )
    with pytest.raises(SetupError, match="in one process only"):
        settings.check()


@pytest.mark.parametrize("port", ["abc", "99999", "0"])
def test_a_value_that_does_not_fit_is_one_sentence(monkeypatch, port):
    monkeypatch.setenv("AKIN_PORT", port)
    with pytest.raises(SetupError, match=f"The setting port is '{port}', .*change AKIN_PORT"):
        read_settings()


def test_what_is_given_stands_over_the_environment(monkeypatch):
    monkeypatch.setenv("AKIN_PORT", "9001")
    assert read_settings(port=9002, ui_port=None).port == 9002


def test_further_host_names_are_separated_by_commas(monkeypatch):
    monkeypatch.setenv("AKIN_ALLOWED_HOSTS", "shop.example, www.shop.example")
    assert read_settings().allowed_hosts == ("shop.example", "www.shop.example")


@pytest.mark.parametrize(
    ("given", "hosts"),
    [
        ("0", ()),
        ("off", ()),
        ("1", ("*",)),
        ("cdn.shop.example, img.example", ("cdn.shop.example", "img.example")),
    ],
)
def test_pictures_are_fetched_from_nowhere_anywhere_or_some_hosts(monkeypatch, given, hosts):
    assert read_settings().url_import == ()
    monkeypatch.setenv("AKIN_URL_IMPORT", given)
    assert read_settings().url_import == hosts


def test_ports_are_numbers(monkeypatch):
    monkeypatch.setenv("AKIN_URL_IMPORT_PORTS", "443,8443")
    assert read_settings().url_import_ports == (443, 8443)


@pytest.mark.parametrize("wrong", ["somewhere", "10.0.0.0/33"])
def test_a_trusted_proxy_is_an_address_or_a_network(monkeypatch, wrong):
    monkeypatch.setenv("AKIN_TRUSTED_PROXIES", wrong)
    with pytest.raises(SetupError, match="change AKIN_TRUSTED_PROXIES"):
        read_settings()


def test_blobs_lie_in_the_data_folder_whatever_it_is_called(tmp_path):
    home = tmp_path / "my shop, 100 % drawn"
    blobs = BlobStore(Settings(home=home).blob_root)
    sha256 = blobs.put(b"a picture")
    assert [path.name for path in home.rglob(sha256)] == [sha256]
    assert [path.name for path in tmp_path.iterdir()] == [home.name]


SERVER: dict[str, Any] = {
    "broker_url": "redis://127.0.0.1:6379/0",
    "database_url": "postgresql://db/akin",
    "gallery_url": "https://qdrant:6333",
}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"gallery_shards": 2}, r"AKIN_GALLERY_SHARDS is a matter of a Qdrant server.*is edge"),
        ({"gallery_strict": True}, "AKIN_GALLERY_STRICT is a matter of a Qdrant server"),
        (
            {"gallery_url": ":memory:", "gallery_quantization": "scalar"},
            "AKIN_GALLERY_QUANTIZATION has no effect where AKIN_GALLERY_URL is :memory:",
        ),
        (
            {**SERVER, "gallery_replicas": 2, "gallery_write_consistency": 3},
            "AKIN_GALLERY_WRITE_CONSISTENCY is 3, but there are only 2 replicas",
        ),
        (
            {**SERVER, "gallery_ca_file": "/nowhere/ca.pem"},
            r"no file /nowhere/ca\.pem: correct AKIN_GALLERY_CA_FILE",
        ),
        (
            {**SERVER, "gallery_url": "http://qdrant:6333", "gallery_ca_file": "/nowhere/ca.pem"},
            "AKIN_GALLERY_CA_FILE is for a Qdrant server behind https",
        ),
    ],
)
def test_settings_of_galleries_that_contradict_each_other(tmp_path, given, sentence):
    with pytest.raises(SetupError, match=sentence):
        Settings(home=tmp_path, **given).check()


def test_settings_of_galleries_that_fit(tmp_path):
    Settings(home=tmp_path, gallery_quantization="binary", gallery_hnsw_ef=200).check()
    settings = Settings(
        home=tmp_path, **SERVER, gallery_shards=6, gallery_replicas=2, gallery_write_consistency=2
    )
    settings.check()
    assert settings.gallery_layout.server.shards == 6
    assert settings.gallery_access.timeout == 30


def test_how_many_replicas_a_server_makes_by_itself_is_not_guessed(tmp_path):
    settings = Settings(home=tmp_path, **SERVER, gallery_write_consistency=2)
    settings.check()
    assert settings.gallery_layout.server.replicas is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quantization", "product"),
        ("oversampling", "0.5"),
        ("shards", "0"),
        ("hnsw_m", "1000"),
        ("timeout", "0"),
    ],
)
def test_a_value_that_no_gallery_can_have(monkeypatch, name, value):
    monkeypatch.setenv(f"AKIN_GALLERY_{name.upper()}", value)
    with pytest.raises(SetupError, match=f"change AKIN_GALLERY_{name.upper()}"):
        read_settings()
