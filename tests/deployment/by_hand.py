"""The processes of docker-compose.yml started by hand: each service's own command, environment and
health check, in the order that `depends_on` asks for. Only what a container brings along is put in
its place: host names become ports of this machine, folders of the container folders of the test.

PostgreSQL is the local one, with a database of the test's own; a stand-in speaks for Qdrant.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import pytest

from backend.client import AkinClient
from tests import qdrant_standin
from tests.conftest import scratch_postgres
from tests.deployment import compose
from tests.deployment.compose import REPOSITORY, Service
from tests.end_to_end.server import free_port

NEEDED = ("redis-server", "redis-cli", "nginx", "envsubst", "wget", "bash")
PROFILE = "cpu"
ADMIN, PASSWORD = "ann", "correct horse battery"
INSIDE = {"redis": 6379, "qdrant": 6333, "api": 8000, "ui": 8501, "nginx": 8080}
"""The port that each service listens on in its container."""
ALSO = {"tls": "8443", "metrics": "9100"}
"""Further ports: nginx's over TLS, and that of each worker's metrics."""
START_SECONDS = 600  # half a minute on two cores that have nothing else to do
LOG_LINES = 30
_NGINX_USER = 101
_TEMPLATES = "/etc/nginx/templates/"


@dataclass
class ByHand:
    """All services of one profile; a context manager that has them running and healthy."""

    folder: Path
    certificate: tuple[Path, Path] | None = None
    """A certificate and its key, for TLS."""
    variables: dict[str, str] = field(default_factory=dict)
    """Further ones of `.env`."""
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict, init=False)

    def __enter__(self) -> Self:
        missing = [program for program in NEEDED if shutil.which(program) is None]
        if missing:
            pytest.skip(f"not installed here: {', '.join(missing)}")
        with ExitStack() as stack:
            self._prepare(stack)
            stack.callback(self._end)
            self._start_all()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def origin(self) -> str:
        """Where nginx answers."""
        if self.certificate:
            return f"https://127.0.0.1:{self.tls_port}"
        return self.plain_origin

    @property
    def plain_origin(self) -> str:
        """Where nginx answers without TLS."""
        return f"http://127.0.0.1:{self.ports['nginx']}"

    def url(self, service: str) -> str:
        """A service asked past nginx."""
        return f"http://127.0.0.1:{self.ports[service]}"

    def client(self) -> AkinClient:
        """A client at the one origin, logged in as the admin."""
        with AkinClient(self.origin) as nobody:
            return AkinClient(self.origin, token=nobody.log_in(ADMIN, PASSWORD).token)

    def stop(self) -> dict[str, int]:
        """SIGTERM to everything, the last started first; the exit codes."""
        codes = {}
        for name in reversed(list(self.running)):
            process = self.running.pop(name)
            process.send_signal(signal.SIGTERM)
            codes[name] = process.wait(120)
        return codes

    def story(self) -> str:
        """The last lines of every log."""
        parts = []
        for path in sorted(self.folder.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-LOG_LINES:]
            parts.append("\n".join([f"--- {path.stem}", *lines]))
        return "\n".join(parts)

    # Preparing

    def _prepare(self, stack: ExitStack) -> None:
        self.ports = {name: free_port() for name in INSIDE}
        self.tls_port = free_port()
        self.metrics_ports: dict[str, int] = {}
        self._database = urlsplit(stack.enter_context(scratch_postgres()))
        variables = {
            "POSTGRES_PASSWORD": "pgsecret",
            "REDIS_PASSWORD": "redissecret",
            "QDRANT_API_KEY": "qdrantsecret",
            "S3_SECRET_KEY": "s3secret",
            "GRAFANA_PASSWORD": "grafanasecret",
        }
        if self.certificate:
            certificate, key = self.certificate
            variables |= {"TLS_CERTIFICATE_FILE": str(certificate), "TLS_KEY_FILE": str(key)}
            variables["HTTPS_PORT"] = str(self.tls_port)
        variables |= self.variables
        services = compose.read(variables).services
        self.services = {
            name: service
            for name, service in services.items()
            if name != "postgres" and service.profiles in ([], [PROFILE])
        }
        # nginx runs as its own user, who may not look into a test's folder.
        self._nginx_folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if os.geteuid() == 0:
            os.chown(self._nginx_folder, _NGINX_USER, _NGINX_USER)
        for name in ("blobs", "models", "redis", *self.services):
            (self.folder / name).mkdir(exist_ok=True)

    # Starting, as Compose does

    def _start_all(self) -> None:
        healthy, done = {"postgres"}, {"postgres"}
        deadline = time.monotonic() + START_SECONDS
        while len(done) <= len(self.services):
            for name, service in self.services.items():
                if name not in self.running and name not in done and self._may(service, healthy):
                    self._spawn(name)
            for name, process in list(self.running.items()):
                if name not in done and self._is_well(name, process):
                    healthy.add(name)
                    done.add(name)
            if time.monotonic() > deadline:
                pytest.fail(f"not healthy: {set(self.services) - done}\n{self.story()}")
            time.sleep(0.5)

    def _may(self, service: Service, healthy: set[str]) -> bool:
        needed = {name for name, one in service.depends_on.items() if one.required}
        return needed <= healthy

    def _is_well(self, name: str, process: subprocess.Popen[bytes]) -> bool:
        code, health = process.poll(), self.services[name].healthcheck
        if health is None and code == 0:
            del self.running[name]
            return True
        if code is not None:
            pytest.fail(f"{name} ended with {code}\n{self.story()}")
        return health is not None and self._health(name, health.test)

    def _health(self, name: str, test: list[str]) -> bool:
        command = self._here(name, test[1:])
        if name == "redis":
            command += ["-p", str(self.ports["redis"])]
        check = subprocess.run(
            command, cwd=REPOSITORY, env=self._environment(name), capture_output=True, check=False
        )
        return check.returncode == 0

    def _spawn(self, name: str) -> None:
        if name == "nginx":
            for volume in self.services["nginx"].volumes:
                self._mount(*volume.split(":")[:2])
        if name == "api":
            self._add_admin()
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                self._command(name),
                cwd=REPOSITORY,
                env=self._environment(name),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _add_admin(self) -> None:
        """What docs/deployment.md says to do before the first start."""
        subprocess.run(
            [sys.executable, "-m", "backend.cli", "users", "add", ADMIN, "--role", "admin",
             "--password-stdin"],
            cwd=REPOSITORY,
            env=self._environment("migration"),
            input=PASSWORD.encode(),
            check=True,
        )  # fmt: skip

    def _command(self, name: str) -> list[str]:
        command = self._here(name, self.services[name].command)
        if name == "redis":
            here = ["--port", str(self.ports[name]), "--bind", "127.0.0.1"]
            return [*command, *here, "--dir", str(self.folder / "redis")]
        if name == "qdrant":
            key = self.services[name].environment["QDRANT__SERVICE__API_KEY"]
            folder = self.folder / name
            return qdrant_standin.command(folder, port=self.ports[name], api_key=key)
        if name == "nginx" and os.geteuid() == 0:
            user = [f"--reuid={_NGINX_USER}", f"--regid={_NGINX_USER}", "--clear-groups"]
            return ["setpriv", *user, *command]
        return command

    def _environment(self, name: str) -> dict[str, str]:
        """What the image and the service set, and the path to the programs: nothing of the test's
        own environment."""
        given = self.services[name].environment
        image = _image_environment(PROFILE) if self.services[name].build else {}
        own = {key: self._translated(name, value) for key, value in {**image, **given}.items()}
        home = {"HOME": str(self.folder / "models"), "PYTHONPATH": str(REPOSITORY)}
        return {"PATH": os.environ["PATH"], **home, **own}

    def _mount(self, source: str, target: str) -> None:
        """A file where nginx looks for it; of a template what its entrypoint makes of it."""
        if not target.startswith(_TEMPLATES):
            if source != "/dev/null":
                shutil.copy(source, self._nginx_folder / Path(target).name)
                (self._nginx_folder / Path(target).name).chmod(0o644)
            return
        environment = self._environment("nginx")
        wanted = re.compile(environment["NGINX_ENVSUBST_FILTER"])
        names = " ".join(f"${{{key}}}" for key in environment if wanted.search(key))
        filled = subprocess.run(
            ["envsubst", names],
            env=environment,
            input=(REPOSITORY / source).read_bytes(),
            capture_output=True,
            check=True,
        ).stdout
        name = target.removeprefix(_TEMPLATES).removesuffix(".template")
        (Path(environment["NGINX_ENVSUBST_OUTPUT_DIR"]) / name).write_bytes(filled)

    # From the container's world to this machine's

    def _here(self, name: str, command: list[str]) -> list[str]:
        words = [self._translated(name, word) for word in command]
        return [sys.executable, *words[1:]] if words and words[0] == "python" else words

    def _translated(self, name: str, text: str) -> str:
        """A text of one service with hosts, ports and folders of this machine."""
        database = f"{self._database.netloc}{self._database.path}"
        text = re.sub(r"akin:pgsecret@postgres:5432/akin", database, text)
        for other, port in INSIDE.items():
            text = re.sub(rf"\b{other}:{port}\b", f"127.0.0.1:{self.ports[other]}", text)
        if (own := INSIDE.get(name)) is not None:
            text = re.sub(rf"(?<=127\.0\.0\.1[:/]){own}\b|^{own}$", str(self.ports[name]), text)
        text = self._further_port(name, text)
        text = re.sub(r"^0\.0\.0\.0$", "127.0.0.1", text)
        text = text.replace("file:///blobs", (self.folder / "blobs").as_uri())
        own_folder = self._nginx_folder if name == "nginx" else self.folder / name
        return re.sub(r"^/(tmp|tls)\b", str(own_folder), text)

    def _further_port(self, name: str, text: str) -> str:
        """A port of each worker's own, since all are on one machine here."""
        if text == ALSO["tls"]:
            return str(self.tls_port)
        if text == ALSO["metrics"]:
            return str(self.metrics_ports.setdefault(name, free_port()))
        return text

    def _end(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()


def _image_environment(target: str) -> dict[str, str]:
    """The ENV of the Dockerfile's last stages, but for the paths inside the image."""
    text = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
    stages = re.split(r"^FROM \S+ AS ", text, flags=re.MULTILINE)
    wanted = [stage for stage in stages if stage.split("\n", 1)[0] in ("akin", target)]
    pairs = [pair for stage in wanted for line in re.findall(r"^ENV (.*)$", stage, re.MULTILINE)
             for pair in line.split()]  # fmt: skip
    environment = dict(pair.split("=", 1) for pair in pairs)
    return {key: value for key, value in environment.items() if not key.endswith("PATH")}
