"""nginx with a certificate: everything over TLS, plain HTTP sent there. A real nginx under the
configuration that docker-compose.yml mounts, before two servers that only say which they are."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.deployment.by_hand import ByHand

pytestmark = pytest.mark.services


def say(name: str, port: int, stack: ExitStack, header: str = "X-Forwarded-Proto") -> None:
    """A server that answers with its name, the path, and a header: how the browser is said to have
    come, unless it is another."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"{name} {self.path} {self.headers[header]}".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Iterator[ByHand]:
    for program in ("nginx", "openssl", "envsubst"):
        if shutil.which(program) is None:
            pytest.skip(f"no {program} here")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out",
         str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    with ExitStack() as stack:
        site = ByHand(folder, certificate=(certificate, key))
        site._prepare(stack)
        say("api", site.ports["api"], stack)
        say("ui", site.ports["ui"], stack)
        start_nginx(site, stack)
        yield site


def start_nginx(site: ByHand, stack: ExitStack) -> None:
    """Alone, before whatever listens for the others."""
    stack.callback(site._end)
    site._spawn("nginx")
    deadline = time.monotonic() + 20
    while not answers(site):
        assert time.monotonic() < deadline, site.story()
        time.sleep(0.05)


def answers(site: ByHand) -> bool:
    try:
        return httpx.get(f"{site.plain_origin}/healthz", timeout=2).is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def browser(site) -> Iterator[httpx.Client]:
    """Trusts the certificate and nothing else."""
    assert site.certificate is not None
    context = ssl.create_default_context(cafile=str(site.certificate[0]))
    with httpx.Client(verify=context) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "said"), [("/", "ui"), ("/v1/catalogue", "api"), ("/readyz", "api")]
)
def test_everything_is_served_over_tls(site, browser, path, said):
    assert browser.get(site.origin + path).text == f"{said} {path} https"


def test_a_browser_is_told_to_ask_for_nothing_else(site, browser):
    for path in ("/", "/v1/catalogue"):
        assert browser.get(site.origin + path).headers["strict-transport-security"] == (
            "max-age=63072000"
        )


def test_plain_http_is_sent_there_with_its_method_and_path(site, browser):
    answer = browser.post(f"{site.plain_origin}/v1/search?k=1", content=b"{}")
    assert answer.status_code == 308
    assert answer.headers["location"] == f"{site.origin}/v1/search?k=1"
    assert "strict-transport-security" not in answer.headers


def test_the_health_check_needs_no_certificate(site):
    assert httpx.get(f"{site.plain_origin}/healthz").text == "api /healthz http"


def test_a_foreign_name_gets_nothing_and_is_sent_nowhere(site, browser):
    for origin in (site.origin, site.plain_origin):
        answer = browser.get(f"{origin}/v1/catalogue", headers={"Host": "evil.example"})
        assert answer.status_code == 421


def test_figures_stay_inside(site, browser):
    assert browser.get(f"{site.origin}/metrics").status_code == 404
