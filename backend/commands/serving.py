"""`akin up`: the API with its worker, and the UI as its child."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
import uvicorn

from backend.client import AkinClient, ApiError
from backend.commands.terminal import connect, err
from backend.data_folder import hold
from backend.disk_space import GALLERY_RESERVE, check_room
from backend.errors import AkinError, NoSpace, SetupError
from backend.settings import DEMO_HOME, EVERY_ADDRESS, LOOPBACK, Settings, read_settings
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
        SetupError: for ports or a data folder in use, one that cannot be written or is of a newer
            version, or settings that cannot work.
        NoSpace: for a full disk.
    """
    settings.check()
    # Two busy OpenMP pools on few cores spin against each other: 6 ms became 300 to 500.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with _outages_told(settings.home), ExitStack() as stack:
        stack.enter_context(hold(settings.home))
        if settings.gallery_url == "edge":
            check_room(settings.home, GALLERY_RESERVE)
        if settings.embedded:
            configure_logs(file=settings.home / LOG)
        else:
            configure_logs(json=not sys.stderr.isatty())
        _check_door(settings)
        listening = stack.enter_context(listen(settings.host, settings.port, "--port"))
        if ui:
            listen(settings.host, settings.ui_port, "--ui-port").close()
            child = ui_child(settings)
            child.start()
            stack.callback(child.stop)
        threading.Thread(target=_greet, args=(settings, ui, seed), daemon=True).start()
        _serve(settings, listening, ui=ui)


def _check_door(settings: Settings) -> None:
    """Before anything listens or is loaded; the start looks again once it has the tables."""
    from backend.accounts.guard import check_door, demanded  # brings SQLAlchemy
    from backend.database import open_database
    from backend.migrating import check, upgrade

    if not demanded(settings):
        return
    with closing(open_database(settings)) as database:
        (upgrade if settings.embedded else check)(database)
        with database.read() as session:
            check_door(settings, session)


@contextmanager
def _outages_told(home: Path) -> Iterator[None]:
    """What a disk or file refuses, as one sentence."""
    try:
        yield
    except AkinError:
        raise
    except Exception as error:
        from backend.outages import told  # brings SQLAlchemy, for which `--help` need not wait

        outage = told(error)
        if outage is None:
            raise
        if isinstance(outage, NoSpace):
            raise outage from error
        reason = " ".join(str(getattr(error, "orig", error)).split())[:200]
        raise SetupError(
            f"The data folder {home} cannot be used ({reason}): change its permissions or mend its "
            "disk, or choose another with --home."
        ) from error


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
    for name in ui_names(settings):
        command += ["--server.allowedHosts", name]
    told = {"AKIN_URL": settings.api_url, "FORWARDED_ALLOW_IPS": ",".join(settings.trusted_proxies)}
    return SupervisedChild("ui", command, {**os.environ, **told})


def ui_names(settings: Settings) -> list[str]:
    """The names under which the UI takes a websocket, so that a foreign page's name that points
    here (DNS rebinding) shows it to nobody; none, which is any, on every address of a machine,
    whose names nobody knows here: there people log in, or the network is said to be theirs alone.
    """
    if settings.host in EVERY_ADDRESS:
        return []
    return sorted({*LOOPBACK, settings.host, *settings.allowed_hosts})


def believed(settings: Settings, *, ui: bool) -> list[str]:
    """Whom the API believes for whom a request is: the proxies, and the UI beside it, which asks
    at the address that both listen on."""
    with_ui = ui and settings.host not in EVERY_ADDRESS
    return [*settings.trusted_proxies, *([settings.host] if with_ui else [])]


def _serve(settings: Settings, listening: socket.socket, *, ui: bool) -> None:
    from backend.app import create_app, running  # here, so that the checks above answer at once
    from backend.runtime import open_runtime

    with closing(open_runtime(settings)) as runtime:
        app = create_app(runtime)
        config = uvicorn.Config(
            app,
            http="h11",  # bounds the size of headers, which httptools does not
            log_config=None,
            access_log=False,
            forwarded_allow_ips=believed(settings, ui=ui),
            timeout_graceful_shutdown=10,
            # Longer than any client or proxy keeps an idle connection (httpx 5 s, nginx 60 s): of
            # two that close it at the same moment, one has just sent a request into the void.
            timeout_keep_alive=75,
        )
        # uvicorn raises the signal again once it has stopped; by then stopping is no failure.
        with running(app, runtime, partial(_tell, settings)), suppress(KeyboardInterrupt):
            signal.signal(signal.SIGTERM, signal.default_int_handler)
            with _what_stays_frozen():
                uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def _what_stays_frozen() -> Iterator[None]:
    """Spare the garbage collector the half a million objects of torch and the model: going through
    them stopped every answer for 0.3 s now and then. At the end it may have them, or the libraries
    they are of complain on the terminal."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _greet(settings: Settings, ui: bool, seed: Seed | None) -> None:
    """Once the API is ready: fill an empty demo, and say where to look."""
    with connect(settings.api_url) as client:
        while not client.ready():  # a start that fails ends the process, and this thread with it
            time.sleep(0.1)
        if seed is not None:
            _fill(settings, client, seed)
    while ui and not _answers(f"{settings.ui_url}/_stcore/health"):
        time.sleep(0.1)
    address = settings.ui_url if ui else f"{settings.api_url}/docs"
    _tell(settings, f"\n[bold]Akin is ready:[/bold] open {address}  (stop with Ctrl-C)")


def _fill(settings: Settings, client: AkinClient, seed: Seed) -> None:
    """An empty demo gets its catalogue, like anybody's over HTTP."""
    try:
        if _is_empty(settings):
            seed(client, settings.home)
    except (AkinError, OSError) as error:
        nobody = isinstance(error, ApiError) and error.status in _NOT_LET_IN
        told = _LOG_IN if nobody else f"The demo could not be filled: {error}"
        err.print(told, style="red", markup=False, highlight=False, soft_wrap=True)


def _is_empty(settings: Settings) -> bool:
    """By SQL, since a catalogue that is filled already needs no login to be left alone."""
    from backend.catalogue.facets import summary  # brings SQLAlchemy
    from backend.database import open_database

    with closing(open_database(settings)) as database, database.read() as session:
        return summary(session, None).products == 0


_NOT_LET_IN = frozenset({401, 403})
_LOG_IN = (
    "The demo was not filled, since people have to log in here: while it runs, log in as a manager "
    "or admin with `akin login` in another terminal, then stop it and start `akin up --demo` again."
)


def _tell(settings: Settings, sentence: str) -> None:
    """To people at a terminal; a log of JSON lines has its own lines for the same."""
    if settings.embedded or sys.stderr.isatty():
        err.print(sentence)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.TransportError:
        return False
