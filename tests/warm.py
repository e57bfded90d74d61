"""Processes that begin where a new interpreter has imported all: `python -m MODULE ...`, quickly.

Five of the seven seconds of processor time that a server needs to start go into importing torch
and open_clip, and so do most of those of a command; the end-to-end tests start hundreds of them.
Here one process imports it all, once a test session, and forks for every start. What comes of it is
a process of its own, with its own number, arguments, environment, output, signals and exit code,
running the module as `__main__`.

What this cannot show is that a new interpreter comes as far. So some start theirs cold, as whoever
uses Akin does: the tests of the deployment, of a browser from an empty shop on, of killed servers.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import IO, Any

REPOSITORY = Path(__file__).parents[1]
LARGEST = 1 << 20  # of a message: arguments and an environment
TICK = 0.01
WARM = (
    "backend.app",
    "backend.cli",
    "backend.encoding.backbone",
    "backend.migrating",
    "backend.runtime",
    "celery.bin.celery",
    "uvicorn",
    "workers.ingesting",
    "workers.embedding",
    "workers.reconciling",
    "workers.scoring",
    "workers.training",
    "workers.measuring",
)


class Process:
    """What `subprocess.Popen` gives, as far as tests need it."""

    def __init__(self, launcher: _Launcher, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None
        self.stdout: IO[bytes] | None = None
        self._launcher = launcher

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._launcher.ask({"poll": self.pid})
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + timeout if timeout is not None else None
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            time.sleep(TICK)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(
    command: Sequence[str],
    *,
    stdout: IO[Any],
    stderr: IO[Any],
    stdin: IO[Any] | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    start_new_session: bool = False,
) -> Process:
    """Start `[sys.executable, "-m", MODULE, ...]`; by default with nothing to read."""
    assert list(command[:2]) == [sys.executable, "-m"], command
    order = {
        "module": command[2],
        "arguments": list(command[3:]),
        "environment": dict(os.environ if env is None else env),
        "folder": str(cwd or Path.cwd()),
        "session": start_new_session,
    }
    launcher = _launcher()
    with Path(os.devnull).open() as nothing:
        files = [file.fileno() for file in (stdin or nothing, stdout, stderr)]
        return Process(launcher, launcher.ask(order, *files))


def piped(command: Sequence[str], *, stdin: int, stdout: int, **options: Any) -> Process:
    """As `start`, with both ends in our hands: `subprocess.Popen(..., stdin=PIPE, stdout=PIPE)`."""
    assert stdin == stdout == subprocess.PIPE
    assert sys.__stderr__ is not None
    (theirs_in, ours_in), (ours_out, theirs_out) = os.pipe(), os.pipe()
    with open(theirs_in, "rb") as read, open(theirs_out, "wb") as written:  # noqa: PTH123
        process = start(command, stdin=read, stdout=written, stderr=sys.__stderr__, **options)
    process.stdin, process.stdout = open(ours_in, "wb"), open(ours_out, "rb")  # noqa: PTH123, SIM115
    return process


def run(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end, as `subprocess.run(..., capture_output=True, text=True)` does."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        code = start(command, stdout=out, stderr=err, env=env, cwd=cwd).wait()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read())
    return subprocess.CompletedProcess(list(command), code, *texts)


def alive() -> list[int]:
    """The numbers of processes that were started here and have not ended."""
    return _running[0].ask({"alive": True}) if _running else []


class _Launcher:
    """The process that has everything imported, and the way to ask it."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self._ours, theirs):
            end.settimeout(None)  # whatever some test has made the default
        self._lock = threading.Lock()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.warm", str(theirs.fileno())],
                cwd=REPOSITORY,
                env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        atexit.register(self.end)

    def ask(self, order: Mapping[str, Any], *files: int) -> Any:
        with self._lock:
            socket.send_fds(self._ours, [json.dumps(order).encode()], list(files))
            answer = self._ours.recv(LARGEST)
        assert answer, "the process that starts others is gone"
        return json.loads(answer)

    def end(self) -> None:
        self._ours.close()
        self._process.wait()


_running: list[_Launcher] = []


def _launcher() -> _Launcher:
    if not _running:
        _running.append(_Launcher())
    return _running[0]


def _serve(asked: socket.socket) -> dict[str, Any] | None:
    """Fork for each order; in a child the order, in the parent None once nobody asks any more."""
    started: set[int] = set()
    ended: dict[int, int] = {}
    while True:
        message, files, _, _ = socket.recv_fds(asked, LARGEST, 3)
        if not message:
            return None
        order = json.loads(message)
        if "poll" in order:
            asked.send(json.dumps(_code(order["poll"], ended)).encode())
            continue
        if "alive" in order:
            left = [pid for pid in started if _code(pid, ended) is None]
            asked.send(json.dumps(left).encode())
            continue
        pid = os.fork()
        if pid == 0:
            asked.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            return dict(order)
        for file in files:
            os.close(file)
        started.add(pid)
        asked.send(json.dumps(pid).encode())


def _code(pid: int, ended: dict[int, int]) -> int | None:
    """The exit code of a process, negative for a signal; None while it runs."""
    if pid not in ended:
        found, status = os.waitpid(pid, os.WNOHANG)
        if not found:
            return None
        ended[pid] = os.waitstatus_to_exitcode(status)
    return ended[pid]


def _become(order: Mapping[str, Any]) -> None:
    if order["session"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["folder"])
    sys.argv = [order["module"], *order["arguments"]]
    sys.modules.pop(order["module"], None)  # there it is not either, but `__main__`
    code = _exit_code(order["module"])
    # As at any end of Python's, but without taking torch apart, which takes more than a second.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def _exit_code(module: str) -> int:
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        sys.stderr.write(f"{end.code}\n")
        return 1
    except Exception:  # noqa: BLE001 - whatever it is, as at the end of an interpreter
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    gc.disable()  # a fifth of the time, as none of it is garbage
    for name in WARM:
        import_module(name)
    gc.enable()
    gc.freeze()  # pages that a collection would write to are shared by all that is forked
    if (todo := _serve(socket.socket(fileno=int(sys.argv[1])))) is not None:
        _become(todo)
    os._exit(0)
