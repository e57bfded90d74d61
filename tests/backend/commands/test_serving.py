"""What `akin up` gives the UI beside it, and whom it believes."""

from __future__ import annotations

import itertools

import pytest
from streamlit import config
from streamlit.web.cli import main_run
from streamlit.web.server.starlette.starlette_server import _get_uvicorn_config_kwargs
from streamlit.web.server.starlette.starlette_websocket import is_host_allowed

from backend.commands.serving import believed, ui_child, ui_names
from backend.settings import Settings


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost:8501", True),
        ("127.0.0.1:8501", True),
        ("[::1]:8501", True),
        ("shop.example", True),
        ("evil.example:8501", False),
        ("localhost.evil.example", False),
        (None, False),
    ],
)
def test_on_loopback_the_ui_answers_to_its_own_names_only(monkeypatch, host, allowed):
    names = ui_names(Settings(allowed_hosts="shop.example"))
    monkeypatch.setattr(config, "get_option", {"server.allowedHosts": names}.get)
    assert is_host_allowed(host) is allowed


def test_at_one_address_of_a_network_it_answers_to_that_too():
    names = ui_names(Settings(host="192.168.1.7"))
    assert names == ["127.0.0.1", "192.168.1.7", "::1", "localhost"]
    assert ui_names(Settings(host="0.0.0.0")) == []


def test_streamlit_is_told_each_name_by_an_option_that_may_be_repeated():
    child = ui_child(Settings())
    command = child._command
    told = [value for name, value in itertools.pairwise(command) if name == "--server.allowedHosts"]
    assert told == ["127.0.0.1", "::1", "localhost"]
    (option,) = [one for one in main_run.params if "--server.allowedHosts" in one.opts]
    assert option.multiple


def test_the_ui_believes_the_proxies_that_the_api_does():
    """Its server is uvicorn too, which takes them from this variable as Streamlit says nothing."""
    child = ui_child(Settings(trusted_proxies="10.0.0.0/8, 192.0.2.1"))
    assert child._environment["FORWARDED_ALLOW_IPS"] == "10.0.0.0/8,192.0.2.1"
    assert not {"forwarded_allow_ips", "proxy_headers"} & _get_uvicorn_config_kwargs().keys()


def test_the_api_believes_the_ui_beside_it_who_its_visitors_are():
    settings = Settings(host="192.168.1.7", trusted_proxies="127.0.0.1")
    assert believed(settings, ui=True) == ["127.0.0.1", "192.168.1.7"]
    assert believed(settings, ui=False) == ["127.0.0.1"]
    everywhere = Settings(host="0.0.0.0", trusted_proxies="127.0.0.1")
    assert believed(everywhere, ui=True) == ["127.0.0.1"]
