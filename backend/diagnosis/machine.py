"""What this machine has: Python, torch, room on the disk, and the processes that answer."""

from __future__ import annotations

import shutil
import sys
from typing import NamedTuple

import httpx

from backend.errors import SetupError
from backend.settings import Settings

FREE_BYTES = 1024**3


def python(_settings: Settings) -> str:
    return f"Python {sys.version.split()[0]}."


def torch(_settings: Settings) -> str:
    try:
        import torch
        import torchvision  # type: ignore[import-untyped,unused-ignore]
    except (ImportError, OSError, RuntimeError) as error:
        raise SetupError(
            f"torch and torchvision cannot be imported together ({error}): run `make install`, "
            "which installs them as one pair."
        ) from error
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU, on the CPU"
    return f"torch {torch.__version__}, torchvision {torchvision.__version__}, {device}."


def settings(settings: Settings) -> str:
    settings.check()
    profile = "embedded" if settings.embedded else "server"
    return f"{profile} profile, data in {settings.home.absolute()}."


def disk(settings: Settings) -> str:
    place = settings.home.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < FREE_BYTES:
        raise SetupError(
            f"Only {free // 2**20} MB are free for {settings.home}: "
            "make room, or choose another folder with --home."
        )
    return f"{free / 1024**3:.0f} GB free."


class _Process(NamedTuple):
    """What is said of a process that answers over HTTP, that is not there, or answers an error."""

    well: str
    absent: str
    wrong: str


def server(settings: Settings) -> str:
    api = _Process(
        "ready",
        "`akin up` starts one",
        "is not ready (HTTP {code}): wait a few seconds, or choose another port with AKIN_PORT",
    )
    return _asked(settings.api_url, "/readyz", api)


def ui(settings: Settings) -> str:
    streamlit = _Process(
        "answers",
        "`akin up` starts one beside the API",
        "is no UI of Akin (HTTP {code}): choose another port with AKIN_UI_PORT",
    )
    return _asked(settings.ui_url, "/_stcore/health", streamlit)


def _asked(url: str, path: str, process: _Process) -> str:
    try:
        answer = httpx.get(url + path, timeout=5)
    except httpx.TransportError:
        return f"none running at {url}; {process.absent}."
    if answer.is_error:
        raise SetupError(f"What answers at {url} {process.wrong.format(code=answer.status_code)}.")
    return f"{process.well} at {url}."


def backbone(settings: Settings) -> str:
    from backend.encoding.backbone import BackboneSpec, load_backbone

    spec = BackboneSpec(settings.backbone, settings.pretrained, settings.preprocessing)
    backbone = load_backbone(spec, device=settings.device, threads=settings.query_threads)
    backbone.encode_texts(["a red dress"])
    note = " (demo: it knows drawn garments; docs/backbones.md for photos)"
    return f"{spec.name} encodes, {backbone.dim} dimensions{note if backbone.is_demo else ''}."
