"""docker-compose.yml read as Compose reads it: variables filled in, and the parts of the Compose
Specification that the file uses written down as types, so that a misspelt or misplaced key fails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

REPOSITORY = Path(__file__).parents[2]
COMPOSE_FILE = REPOSITORY / "docker-compose.yml"

_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?+])([^}]*))?\}")


class MissingVariable(Exception):
    """A `${NAME:?sentence}` without a value; the sentence is what Compose prints."""


def _no_number(value: Any) -> Any:
    """YAML turns `yes`, `1` and `1.0` into other things than the text that stands there."""
    if not isinstance(value, str):
        raise ValueError(f"{value!r} has to be quoted: YAML takes it for something else")  # noqa: TRY004
    return value


Text = Annotated[str, BeforeValidator(_no_number)]
Duration = Annotated[str, StringConstraints(pattern=r"^\d+(ms|s|m|h)$")]
Name = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]+$")]
Environment = dict[Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")], Text]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Build(_Part):
    context: str
    target: str


class Health(_Part):
    test: list[Text] = Field(min_length=2)
    interval: Duration
    timeout: Duration
    retries: int = Field(ge=1)
    start_period: Duration = "0s"


class Dependency(_Part):
    condition: Literal["service_started", "service_healthy", "service_completed_successfully"]
    required: bool = True


class Device(_Part):
    driver: str
    count: int | Literal["all"]
    capabilities: list[str] = Field(min_length=1)


class Reservations(_Part):
    devices: list[Device]


class Limits(_Part):
    memory: Annotated[str, StringConstraints(pattern=r"^\d+[mg]$")]
    pids: int = Field(ge=1)


class Resources(_Part):
    limits: Limits
    reservations: Reservations | None = None


class Deploy(_Part):
    resources: Resources


class Service(_Part):
    """One service; `command` and `environment` are what its process is started with."""

    image: str
    build: Build | None = None
    entrypoint: list[Text] = []
    command: list[Text] = []
    environment: Environment = {}
    depends_on: dict[Name, Dependency] = {}
    healthcheck: Health | None = None
    restart: Literal["no", "always", "on-failure", "unless-stopped"] = "no"
    profiles: list[Name] = []
    networks: list[Name] = Field(min_length=1)
    ports: list[Text] = []
    volumes: list[Text] = []
    deploy: Deploy | None = None
    stop_grace_period: Duration = "10s"
    cpu_shares: int = Field(1024, ge=2)
    user: Text | None = None
    init: bool = False
    read_only: bool = False
    tmpfs: list[str] = []
    cap_drop: list[str] = []
    security_opt: list[str] = []


class Network(_Part):
    internal: bool = False


class Compose(_Part):
    """The whole file."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    services: dict[Name, Service]
    networks: dict[Name, Network | None]
    volumes: dict[Name, None]


def raw() -> dict[str, Any]:
    """The file with YAML's anchors resolved and variables as they stand there."""
    content = yaml.safe_load(COMPOSE_FILE.read_text())
    return {key: value for key, value in content.items() if not key.startswith("x-")}


def read(variables: Mapping[str, str]) -> Compose:
    """The file with `variables` filled in; raises `MissingVariable`, or pydantic's errors."""
    return Compose.model_validate(_filled(raw(), variables))


def asked() -> dict[str, tuple[str, str]]:
    """By name, what the file says about each of its variables: `-` and the default, or `?` and the
    sentence. What stands only where a variable is set (`+`) says nothing of it."""
    found = _VARIABLE.findall(COMPOSE_FILE.read_text())
    return {name: (kind, rest) for name, kind, rest in found if kind != "+"}


def _filled(value: Any, given: Mapping[str, str]) -> Any:
    match value:
        case str():
            return _VARIABLE.sub(lambda found: _value(found, given), value)
        case list():
            return [_filled(inner, given) for inner in value]
        case dict():
            return {key: _filled(inner, given) for key, inner in value.items()}
    return value


def _value(found: re.Match[str], given: Mapping[str, str]) -> str:
    name, kind, rest = found.groups()
    if kind == "+":
        return str(rest) if given.get(name) else ""
    if given.get(name):
        return given[name]
    if kind == "?":
        raise MissingVariable(f"required variable {name} is missing a value: {rest}")
    return rest or ""
