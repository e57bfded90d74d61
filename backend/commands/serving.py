"""`akin up`: the API with its worker, and the UI as its child."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
import uvicorn

from backend.client import AkinClient
from backend.commands.terminal import err
from backend.data_folder import hold
from backend.errors import AkinError, SetupError
from backend.settings import DEMO_HOME, Settings, read_settings
from backend.supervision import SupervisedChild
from backend.telemetry import configure_logs

Seed = Callable[[AkinClient, Path], None]
LOG = "akin.log"


def up_command(seed: Seed) -> Callable[..., None]:
    """The command, with what fills the demo's catalogue."""

    def up(
        demo: Annotated[bool, typer.Option("--demo", help="A catalogue to play with.")] = False,
        home: Annotated[Path | None, typer.Option(help="The data folder.")] = None,
        host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
        port: Annotated[int | None, typer.Option(help="Port of the API.")] = None,
        ui_port: Annotated[int | None, typer.Option(help="Port of the UI.")] = None,
        ui: Annotated[bool, typer.Option(help="Start the UI as well.")] = True,
        backbone: Annotated[str | None, typer.Option(help="See docs/backbones.md.")] = None,
        pretrained: Annotated[str | None, typer.Option(help="A tag, or a weights file.")] = None,
        preprocessing: Annotated[
            str | None, typer.Option(help="clip, squarepad or targetpad.")
        ] = None,
    ) -> None:
        """Start Akin: API, worker and UI. Stop it with Ctrl-C."""
        given: dict[str, Any] = {
            "demo": demo or None,
            "home": home or (DEMO_HOME if demo and "AKIN_HOME" not in os.environ else None),
            "host": host,
            "port": port,
            "ui_port": ui_port,
            "backbone": backbone,
            "pretrained": pretrained,
            "preprocessing": preprocessing,
        }
        run(read_settings(**given), ui=ui, seed=seed if demo else None)

    return up


def run(settings: Settings, *, ui: bool, seed: Seed | None) -> None:
    """Serve until told to stop.

    Raises:
        SetupError: for ports or a data folder in use, or settings that cannot work.
    """
    settings.check()
    # Two busy OpenMP pools on few cores spin against each other: 6 ms became 300 to 500.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with ExitStack() as stack:
        stack.enter_context(hold(settings.home))
        if settings.embedded:
            configure_logs(file=settings.home / LOG)
        else:
            configure_logs(json=not sys.stderr.isatty())
        listening = stack.enter_context(listen(settings.host, settings.port, "--port"))
        if ui:
            listen(settings.host, settings.ui_port, "--ui-port").close()
            child = ui_child(settings)
            child.start()
            stack.callback(child.stop)
        threading.Thread(target=_greet, args=(settings, ui, seed), daemon=True).start()
        _serve(settings, listening)


def listen(host: str, port: int, option: str) -> socket.socket:
    """A bound socket.

    Raises:
        SetupError: if something else has the port, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named since asyncio turns Nagle's delay (40 ms an answer) off only then.
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(512)
    except OSError as error:
        bound.close()
        raise SetupError(
            f"Port {port} on {host} cannot be had ({(error.strerror or '').lower()}): stop what "
            f"uses it, or choose another with {option}."
        ) from error
    return bound


def ui_child(settings: Settings) -> SupervisedChild:
    """The Streamlit process, told where the API is."""
    options = {
        "server.port": str(settings.ui_port),
        "server.address": settings.host,
        "server.headless": "true",
        "browser.gatherUsageStats": "false",
        "logger.level": "warning",
        "logger.hideWelcomeMessage": "true",
    }
    command = [sys.executable, "-m", "ui.serve"]
    for name, value in options.items():
        command += [f"--{name}", value]
    return SupervisedChild("ui", command, {**os.environ, "AKIN_URL": settings.api_url})


def _serve(settings: Settings, listening: socket.socket) -> None:
    from backend.app import create_app, running  # here, so that the checks above answer at once
    from backend.runtime import open_runtime

    with closing(open_runtime(settings)) as runtime:
        app = create_app(runtime)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, timeout_graceful_shutdown=10
        )
        # uvicorn raises the signal again once it has stopped; by then stopping is no failure.
        with running(app, runtime), suppress(KeyboardInterrupt):
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            uvicorn.Server(config).run(sockets=[listening])


def _greet(settings: Settings, ui: bool, seed: Seed | None) -> None:
    """Once the API is ready: fill an empty demo, and say where to look."""
    with AkinClient(settings.api_url) as client:
        while not client.ready():  # a start that fails ends the process, and this thread with it
            time.sleep(0.1)
        try:
            if seed is not None and client.summary().products == 0:
                seed(client, settings.home)
        except AkinError as error:
            err.print(f"The demo could not be filled: {error.sentence}", style="red", markup=False)
    while ui and not _answers(f"{settings.ui_url}/_stcore/health"):
        time.sleep(0.1)
    address = settings.ui_url if ui else f"{settings.api_url}/docs"
    err.print(f"\n[bold]Akin is ready:[/bold] open {address}  (stop with Ctrl-C)")


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.TransportError:
        return False
