"""`akin up` told to stop: it ends well, and says nothing on the terminal any more."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from backend.client import AkinClient
from tests.end_to_end.server import Server
from tests.end_to_end.test_killed import begin_import, wait_until
from tests.workers.workshop import photos

PICTURES = 60
OWN_GROUP = ("setsid",)  # its Ctrl-C is not that of the tests


@pytest.fixture
def server(tmp_path: Path, tiny: str) -> Iterator[Server]:
    """With its UI, and used already: what is only loaded then is there as well."""
    options = ("--ui", "--backbone", tiny)
    with Server(tmp_path / "home", options, prefix=OWN_GROUP) as server:
        wait_until(lambda: "Akin is ready" in server.log_file.read_text())
        assert server.run("search", "--text", "red").returncode == 0
        yield server


def terminate(server: Server) -> None:
    assert server.process is not None
    server.process.terminate()


def press_ctrl_c(server: Server) -> None:
    """A terminal tells every process of the group."""
    assert server.process is not None
    os.killpg(server.process.pid, signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("stop", [press_ctrl_c, terminate])
def test_it_stops_in_silence_amid_an_import(
    server: Server, stop: Callable[[Server], None], tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    for name, data in photos(PICTURES).items():
        (tmp_path / "pictures" / Path(name).name).write_bytes(data)
    with AkinClient(server.url) as client:
        begin_import(client, tmp_path / "pictures")
        wait_until(lambda: client.summary().images > 0)
    said = server.log_file.read_text()
    stop(server)
    assert server.process is not None
    assert server.process.wait(60) == 0
    assert server.log_file.read_text() == said
