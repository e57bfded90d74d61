"""nginx behind another proxy: who asks is what that one says, and what nobody else may say."""

from __future__ import annotations

import re
import shutil
import tomllib
from contextlib import ExitStack

import httpx
import pytest

from tests.deployment.by_hand import ByHand
from tests.deployment.compose import REPOSITORY
from tests.deployment.test_tls import say, start_nginx

pytestmark = pytest.mark.services


@pytest.mark.parametrize(
    ("named", "seen"),
    [("", "127.0.0.1"), ("127.0.0.1", "203.0.113.7"), ("10.0.0.0/8", "127.0.0.1")],
)
def test_only_a_proxy_that_is_named_is_believed(tmp_path, named, seen):
    for program in ("nginx", "envsubst"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")
    with ExitStack() as stack:
        site = ByHand(tmp_path, variables={"OUTER_PROXY": named})
        site._prepare(stack)
        for name in ("api", "ui"):
            say(name, site.ports[name], stack, "X-Forwarded-For")
        start_nginx(site, stack)
        # A proxy adds whom it saw to what it was told, which may be anything.
        told = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
        for path, name in (("/v1/me", "api"), ("/", "ui")):
            answer = httpx.get(site.plain_origin + path, headers=told)
            assert answer.text == f"{name} {path} {seen}"


def test_nginx_lets_through_what_the_ui_takes():
    locations = (REPOSITORY / "deploy/nginx/locations.conf.template").read_text()
    config = tomllib.loads((REPOSITORY / "ui/.streamlit/config.toml").read_text())
    uploads = locations.partition("location /_stcore/upload_file/")[2]
    (largest,) = re.findall(r"client_max_body_size (\d+)m;", uploads.partition("}")[0])
    assert 0 < int(largest) - config["server"]["maxUploadSize"] <= 2
    page = (REPOSITORY / "ui/upload.py").read_text()
    assert f"{config['server']['maxUploadSize']} MB" in page
