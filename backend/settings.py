"""The one place for settings: environment variables with the prefix `AKIN_`."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from backend.catalogue.sources_on_web import ANYWHERE
from backend.database_settings import DatabaseSettings
from backend.encoding.preprocessing import PreprocessingKind
from backend.encoding.spec import BackboneSpec
from backend.errors import SetupError
from backend.gallery_settings import GallerySettings
from backend.masking import hide, hide_password

DEMO_HOME = Path(".akin-demo")
_SECRETS_OF_LIBRARIES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD")
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
EVERY_ADDRESS = frozenset({"0.0.0.0", "::"})  # noqa: S104 - to know them


class Settings(DatabaseSettings, GallerySettings):
    """Everything that can be set. Defaults are the embedded profile: one folder, no service."""

    model_config = SettingsConfigDict(env_prefix="AKIN_", extra="ignore", env_ignore_empty=True)

    home: Path = Field(default_factory=lambda: user_data_path("akin"))
    demo: bool = False

    broker_url: str = "memory://"
    blob_url: str | None = None
    s3_endpoint_url: str | None = None
    """Of an S3 that is not Amazon's, for blobs at s3://bucket/prefix."""
    picture_link_seconds: int = Field(0, ge=0, le=604_800)
    """Browsers are sent to the bucket for thumbnails and previews, by links that are good for so
    long; 0: they come through the API."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    ui_port: int = Field(8501, ge=1, le=65535)
    allow_open: bool = False
    """No login on an address that others can reach, unless there is a user or accounts are on."""
    accounts: Literal["auto", "on"] = "auto"
    """Whether people have to log in; auto: if the address is not loopback, or there is a user."""
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Further names this server answers to; in the environment separated by commas."""
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = ("127.0.0.1", "::1")
    """Addresses or networks (10.0.0.0/8) of proxies that are believed who the caller is
    (X-Forwarded-For); in the environment separated by commas."""
    rate_per_minute: float = Field(6_000, ge=0)
    """Requests of one caller, an account or an address; 0 sets no limit. This machine itself is
    not counted where there are no accounts."""
    costly_rate_per_minute: float = Field(600, ge=0)
    """The same for what costs much: pictures sent with a search, feedback, imports."""

    backbone: str = "akin-demo"
    pretrained: str | None = None
    preprocessing: PreprocessingKind = "clip"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    query_threads: int = Field(1, ge=1)
    query_batch: int = Field(32, ge=1)
    """How many texts or pictures of concurrent queries are encoded together; 1: each alone."""
    query_window_ms: float = Field(3.0, ge=0, le=1_000)
    """How long a text or picture waits at most for those of queries that are on their way."""
    search_threads: int = Field(8, ge=1)
    """How many searches are worked on at once; further ones wait their turn."""
    search_waiting: int = Field(256, ge=0)
    """How many searches may wait; more are turned away with 503."""
    embed_threads: int = Field(2, ge=1)
    embed_batch: int = Field(64, ge=1)
    decode_processes: int = Field(default_factory=lambda: min(16, 1 + (os.cpu_count() or 1)), ge=1)
    """Children that decode pictures for imports and embedding, one more than processors because
    between two pictures each waits for this process; as many again, if ever so many are needed,
    decode what somebody waits for: pictures in queries, single images, missing renditions."""
    decode_seconds: float = Field(20.0, gt=0)

    metrics_port: int | None = Field(None, ge=1, le=65535)
    """Where a worker of its own process shows its metrics; it shows none while this is not set. The
    API shows its own under `/metrics`."""
    metrics_host: str = "127.0.0.1"
    """The address of `metrics_port`; 0.0.0.0 where Prometheus is on another machine."""

    train_threads: int = Field(2, ge=1)
    train_segment_seconds: float = Field(600.0, gt=0, le=600)
    """After so long a training job saves, renews and goes on: what a lost worker may cost."""
    training_home: Path | None = None
    """Where training jobs keep snapshots, checkpoints and features; inside home unless set. All
    workers that train must see the same folder, or a job taken over by another begins anew."""
    datasets: Path | None = None
    """The folder below which training jobs may read datasets; none may while it is not set."""

    max_image_bytes: int = 50 * 1024 * 1024
    max_upload_bytes: int = 2 * 1024 * 1024 * 1024
    max_body_bytes: int = 64 * 1024 * 1024
    keep_gallery_days: float = Field(7.0, ge=0)
    """How long a gallery stays after another took over, so that going back needs no embedding."""
    reconcile_hour: Annotated[int, Field(ge=0, le=23)] | Literal["off"] = 3
    """When a day's reconciliation is due: an hour on this machine's clock, or off."""
    url_import: Annotated[tuple[str, ...], NoDecode] = ()
    """Whether pictures that a list names by web addresses are fetched: 0, 1, or the names of the
    hosts that may be asked (hosts below them too), separated by commas. Only public addresses."""
    url_import_ports: Annotated[tuple[int, ...], NoDecode] = (80, 443)
    upload_silence_seconds: float = Field(60, gt=0)
    """How long a sender of an import's file may send nothing before it is given up."""

    @field_validator(
        "allowed_hosts", "trusted_proxies", "url_import", "url_import_ports", mode="before"
    )
    @classmethod
    def _separated(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return tuple(name for part in value.split(",") if (name := part.strip()))

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            ip_network(one, strict=False)  # uvicorn would take anything else for a name
        return value

    @field_validator("url_import")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value in {("0",), ("off",)}:
            return ()
        return (ANYWHERE,) if value in {("1",), ("on",)} else value

    @property
    def backbone_spec(self) -> BackboneSpec:
        """The backbone that a new installation starts with."""
        return BackboneSpec(self.backbone, self.pretrained, self.preprocessing)

    @property
    def sql_url(self) -> str:
        """The SQLAlchemy URL; SQLite inside the home folder unless another is set."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'akin.sqlite3'}"

    @property
    def blob_root(self) -> str:
        """The fsspec URL under which blobs live; a folder inside home unless another is set."""
        # Not `as_uri`: fsspec takes a space that is written as %20 for these three letters.
        return self.blob_url or f"file://{self.home.absolute() / 'blobs'}"

    @property
    def training_folder(self) -> Path:
        """Where training jobs keep their files."""
        return (self.training_home or self.home / "training").absolute()

    @property
    def embedded(self) -> bool:
        """Whether the queue, and so the worker, lives in the API process."""
        return self.broker_url.startswith("memory://")

    @property
    def api_url(self) -> str:
        """Where this installation's API answers on this machine."""
        return self._url(self.port)

    @property
    def ui_url(self) -> str:
        """Where this installation's UI answers on this machine."""
        return self._url(self.ui_port)

    def _url(self, port: int) -> str:
        host = "127.0.0.1" if self.host in EVERY_ADDRESS else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"

    def check(self) -> None:
        """Refuse combinations that would lose data. Whether the door is open, only SQL can tell:
        `backend.accounts.guard.check_door`.

        Raises:
            SetupError: with one sentence that names the settings to change.
        """
        in_process = self.gallery_url in {"edge", ":memory:"} or self.sql_url.startswith("sqlite")
        if in_process and not self.embedded:
            raise SetupError(
                "Qdrant Edge, :memory: and SQLite can be open in one process only, so they need "
                "the in-process queue: unset AKIN_BROKER_URL, or set AKIN_DATABASE_URL to "
                "PostgreSQL and AKIN_GALLERY_URL to a Qdrant server."
            )
        self.check_galleries()


def read_settings(**given: Any) -> Settings:
    """The settings of the environment, with those that are given (and not None) over them.

    Raises:
        SetupError: for a value that a setting cannot have.
    """
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise SetupError(
            f"The setting {name.replace('_', '-')} is {first['input']!r}, which does not fit "
            f"({first['msg'].lower()}): give another, or change AKIN_{name.upper()}."
        ) from error
    _hide_secrets(settings)
    return settings


def _hide_secrets(settings: Settings) -> None:
    """No log and no sentence of this process shows them."""
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            hide(value.get_secret_value())
        elif isinstance(value, str):
            hide_password(value)
    for name in _SECRETS_OF_LIBRARIES:
        hide(os.environ.get(name))
