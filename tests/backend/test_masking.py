"""No secret is shown: not in log lines, not in tracebacks, not in sentences."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from backend import masking
from backend.errors import SetupError
from backend.masking import HIDDEN, hide, masked
from backend.settings import read_settings
from backend.telemetry import configure_logs

SECRET = "hunter2hunter2"
URLS = {
    "AKIN_DATABASE_URL": f"postgresql://akin:{SECRET}@db:5432/akin",
    "AKIN_BROKER_URL": f"redis://:{SECRET}@redis:6379/0",
    "AKIN_GALLERY_URL": f"https://akin:{SECRET}@qdrant:6333",
    "AKIN_BLOB_URL": f"s3://akin:{SECRET}@bucket/blobs",
}


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Secrets of one test are not those of the next."""
    monkeypatch.setattr(masking, "_known", set())


@pytest.fixture
def log(monkeypatch):
    """What the log says, as JSON lines."""
    before = logging.getLogger().handlers[:], structlog.get_config()
    configure_logs(json=True)
    said = io.StringIO()
    handler = logging.getLogger().handlers[0]
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(said)
    yield lambda: [json.loads(line) for line in said.getvalue().splitlines()]
    logging.getLogger().handlers[:] = before[0]
    structlog.configure(**before[1])


@pytest.mark.parametrize("url", URLS.values())
def test_a_password_in_a_url_is_masked_wherever_it_stands(log, url):
    structlog.get_logger().info(f"connecting to {url}", url=url, also=[url], more={"deep": url})
    logging.getLogger("somebody.elses").warning("cannot reach %s", url)
    try:
        int(f"no answer from {url}")
    except ValueError as error:
        structlog.get_logger().exception("failed", error=error)
    lines = log()
    assert len(lines) == 3
    assert SECRET not in json.dumps(lines)
    assert HIDDEN in lines[0]["url"]
    assert "ValueError: invalid literal" in lines[2]["exception"]


@pytest.mark.parametrize("name", ["password", "gallery_api_key", "access_token", "Authorization"])
def test_what_is_called_a_secret_is_masked(log, name):
    structlog.get_logger().info("asked", **{name: SECRET}, headers={name: SECRET})
    (line,) = log()
    assert (line[name], line["headers"][name]) == (HIDDEN, HIDDEN)


@pytest.mark.parametrize(
    ("name", "value"),
    [*URLS.items(), ("AKIN_GALLERY_API_KEY", SECRET), ("AWS_SECRET_ACCESS_KEY", SECRET)],
)
def test_secrets_of_the_settings_are_masked_by_themselves(log, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    read_settings()
    structlog.get_logger().warning(f"refused: {SECRET} is wrong")
    assert log()[0]["event"] == f"refused: {HIDDEN} is wrong"
    assert SetupError(f"{SECRET} is wrong").sentence == f"{HIDDEN} is wrong"


def test_a_setting_that_does_not_fit_does_not_give_away_its_password(monkeypatch):
    monkeypatch.setenv("AKIN_PORT", f"http://ann:{SECRET}@host")
    with pytest.raises(SetupError) as refused:
        read_settings()
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "see http://127.0.0.1:8000/docs, or write to ann@shop.example",
        "https://shop.example/a@b",
        "12:30 ann@shop.example",
        "postgresql://akin@db/akin",
    ],
)
def test_what_is_no_secret_stays(text):
    assert masked(text) == text


@pytest.mark.timeout(60)
@pytest.mark.parametrize("text", ["://:" * 200_000, "://a:b@" + "://:" * 200_000])
def test_a_stranger_s_text_is_looked_through_once(text):
    """In one go and not anew from each of its beginnings: half an hour."""
    assert masked(text + "x").endswith("://:x")


def test_a_short_secret_does_not_hide_half_of_every_sentence():
    hide("a")
    assert masked("a red dress") == "a red dress"


@given(password=st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=40))
def test_no_password_gets_through(password):
    marked = "".join(c for c in password if c not in "\"'<>") + "Zq9"
    assert "Zq9" not in masked(f"cannot reach redis://ann:{marked}@host:6379/0 today")
