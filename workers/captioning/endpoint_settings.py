"""Where the vision endpoint is, and what it may cost: settings with the prefix `AKIN_CAPTION_`."""

from __future__ import annotations

from typing import Any

import httpx
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from backend.errors import SetupError

PREFIX = "AKIN_CAPTION_"
_PATH = "/chat/completions"
_LAST_PORT = 65_535


class EndpointSettings(BaseSettings):
    """An OpenAI-compatible endpoint (vLLM, Ollama, a hosted one) and the bounds of its use.

    The published captioner ran with temperature and top_p 0.01 (SPN4CIR's LLaVA).
    """

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", env_ignore_empty=True)

    url: str = ""
    """Up to and with `/v1`."""
    model: str = ""
    key: SecretStr | None = None
    concurrency: int = Field(4, ge=1, le=256)
    """How many pictures are asked about at once."""
    timeout_seconds: float = Field(60, gt=0)
    """For one request from its first byte to the last of the answer."""
    attempts: int = Field(5, ge=1, le=20)
    """How often one picture is asked about where the endpoint is busy, down or talks nonsense."""
    backoff_seconds: float = Field(1, ge=0)
    """The wait before the second attempt; it doubles with each further one."""
    longest_wait_seconds: float = Field(60, ge=0)
    max_requests: int | None = Field(10_000, ge=0)
    """How many requests a run may send, repeated ones too."""
    max_tokens: int | None = Field(10_000_000, ge=0)
    """How many tokens a run may use, as the endpoint counts them: after that no request is sent."""
    answer_tokens: int = Field(256, ge=1)
    """How long an answer may be; counted as used where the endpoint does not count."""
    max_answer_bytes: int = Field(1_000_000, ge=1)
    side: int = Field(512, ge=16, le=4096)
    """Pixels of the longer side of the pictures that are sent."""
    temperature: float = Field(0.01, ge=0)
    top_p: float = Field(0.01, gt=0, le=1)

    @property
    def address(self) -> str:
        """Where the questions go."""
        return self.url.rstrip("/").removesuffix(_PATH) + _PATH


def read_endpoint_settings(**given: Any) -> EndpointSettings:
    """The settings of the environment, with those that are given (and not None) over them.

    Raises SetupError where the URL or the model is missing, or a value does not fit.
    """
    try:
        settings = EndpointSettings(**{k: v for k, v in given.items() if v is not None})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise SetupError(
            f"The endpoint's {name.replace('_', ' ')} does not fit ({first['msg'].lower()}): give "
            f"another, or change {PREFIX}{name.upper()}."
        ) from error
    _check(settings)
    return settings


def _check(settings: EndpointSettings) -> None:
    if not _is_web_address(settings.address):
        raise SetupError(
            f"The URL of the vision endpoint is {settings.url!r}: set {PREFIX}URL to one such as "
            "http://127.0.0.1:11434/v1."
        )
    if not settings.model:
        raise SetupError(f"No model of {settings.url} is named: set {PREFIX}MODEL.")


def _is_web_address(address: str) -> bool:
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL:
        return False
    return url.scheme in {"http", "https"} and bool(url.host) and (url.port or 0) <= _LAST_PORT
