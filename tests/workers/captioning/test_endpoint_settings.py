from __future__ import annotations

import pytest

from backend.errors import SetupError
from workers.captioning.endpoint_settings import read_endpoint_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in ("URL", "MODEL", "KEY", "CONCURRENCY", "SIDE"):
        monkeypatch.delenv(f"AKIN_CAPTION_{name}", raising=False)


def test_the_environment_says_where_and_what(monkeypatch):
    monkeypatch.setenv("AKIN_CAPTION_URL", "http://127.0.0.1:11434/v1/")
    monkeypatch.setenv("AKIN_CAPTION_MODEL", "llava")
    monkeypatch.setenv("AKIN_CAPTION_KEY", "secret")
    settings = read_endpoint_settings(concurrency=2, side=None)
    assert settings.address == "http://127.0.0.1:11434/v1/chat/completions"
    assert (settings.model, settings.concurrency, settings.side) == ("llava", 2, 512)
    assert "secret" not in repr(settings)


def test_what_is_given_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("AKIN_CAPTION_URL", "http://127.0.0.1:1/v1")
    given = "https://vision.example/v1/chat/completions"
    assert read_endpoint_settings(url=given, model="m").address == given


@pytest.mark.parametrize(
    "url", ["", "localhost:11434", "ftp://host/v1", "http://", "http://h:99999999"]
)
def test_a_url_that_is_none_is_told(url):
    with pytest.raises(
        SetupError, match=r"set AKIN_CAPTION_URL to one such as http://127\.0\.0\.1"
    ):
        read_endpoint_settings(url=url, model="m")


def test_a_model_that_is_not_named_is_told():
    with pytest.raises(
        SetupError, match=r"No model of http://h/v1 is named: set AKIN_CAPTION_MODEL"
    ):
        read_endpoint_settings(url="http://h/v1")


def test_a_value_that_does_not_fit_is_told():
    with pytest.raises(
        SetupError, match=r"concurrency does not fit .*change AKIN_CAPTION_CONCURRENCY"
    ):
        read_endpoint_settings(url="http://h/v1", model="m", concurrency=0)
