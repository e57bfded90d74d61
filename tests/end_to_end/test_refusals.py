"""What stops `akin up`, and what the command line says about a user's slip: one sentence, no
traceback, the right exit code."""

from __future__ import annotations

import socket
import sys

import pytest

from tests import warm
from tests.end_to_end.server import free_port

pytestmark = pytest.mark.long


def akin(*arguments, **environment):
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", **environment}
    return warm.run([sys.executable, "-m", "backend.cli", *arguments], env=env)


def assert_told(done, *parts):
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    told = " ".join(done.stderr.split())
    for part in parts:
        assert part in told
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.fixture(scope="module")
def server(servers, tiny):
    return servers("--no-ui", "--backbone", tiny)


@pytest.fixture
def taken():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield str(listening.getsockname()[1])


@pytest.mark.parametrize("option", ["--port", "--ui-port"])
def test_a_port_in_use(tmp_path, taken, option):
    other = "--ui-port" if option == "--port" else "--port"
    done = akin("up", "--home", str(tmp_path), option, taken, other, str(free_port()))
    assert_told(done, f"Port {taken} on 127.0.0.1 cannot be had", f"choose another with {option}")


def test_two_processes_on_one_data_folder(server):
    done = akin("up", "--home", str(server.home), "--port", str(free_port()), "--no-ui")
    assert_told(done, f"is in use by process {server.process.pid}", "--home")


def test_an_unknown_backbone(tmp_path):
    done = akin("up", "--home", str(tmp_path), "--port", str(free_port()), "--no-ui",
                "--backbone", "ViT-B-33")  # fmt: skip
    assert_told(done, "ViT-B-33", "ViT-B-32")


def test_an_address_others_can_reach(tmp_path):
    done = akin("up", "--home", str(tmp_path), "--host", "0.0.0.0")
    assert_told(done, "Listening on 0.0.0.0 would let anybody", "AKIN_ALLOW_OPEN=1")


def test_no_server(tmp_path):
    url = f"http://127.0.0.1:{free_port()}"
    assert_told(akin("search", "--text", "red", "--url", url), "start one with `akin up`")


def test_an_empty_query(server):
    assert_told(server.run("search"), "The query is empty: give a picture, a sentence, or both")


def test_a_picture_that_is_not_there(tmp_path):
    done = akin("search", "--image", str(tmp_path / "no.jpg"))
    assert_told(done, "There is no picture at", "check the path")


def test_wrong_usage_exits_with_two():
    assert akin("search", "--colour", "red").returncode == 2


def test_an_out_of_range_option():
    assert_told(akin("search", "--text", "x", "--strength", "3"), "--strength does not fit")


def test_reset_of_a_folder_without_data(tmp_path):
    assert_told(akin("reset", "--home", str(tmp_path), "--yes"), "There is no Akin data in")


def test_export_into_a_full_folder(tmp_path):
    (tmp_path / "file").write_text("")
    assert_told(akin("export", str(tmp_path)), "is not an empty folder: name a new one")
