"""Every part of an installation, looked at one by one; each finding says what to do."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass

import httpx

from backend.blobs import BlobStore
from backend.data_folder import InUse, hold
from backend.errors import AkinError, SetupError
from backend.settings import Settings

FREE_BYTES = 1024**3


@dataclass(frozen=True)
class Finding:
    """One part of the setup: whether it is good, and a sentence."""

    part: str
    good: bool
    sentence: str

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return asdict(self)


def examine(settings: Settings) -> list[Finding]:
    """Look at every part; a part that cannot be looked at because of another says so."""
    checks: dict[str, Callable[[Settings], str]] = {
        "python": _python,
        "torch": _torch,
        "settings": _settings,
        "disk": _disk,
        "server": _server,
        "data": _data,
        "backbone": _backbone,
    }
    return list(_findings(settings, checks))


def _findings(
    settings: Settings, checks: dict[str, Callable[[Settings], str]]
) -> Iterator[Finding]:
    for part, check in checks.items():
        try:
            yield Finding(part, good=True, sentence=check(settings))
        except AkinError as error:
            yield Finding(part, good=False, sentence=error.sentence)


def _python(_settings: Settings) -> str:
    return f"Python {sys.version.split()[0]}."


def _torch(_settings: Settings) -> str:
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


def _settings(settings: Settings) -> str:
    settings.check()
    profile = "embedded" if settings.embedded else "server"
    return f"{profile} profile, data in {settings.home.absolute()}."


def _disk(settings: Settings) -> str:
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


def _server(settings: Settings) -> str:
    try:
        answer = httpx.get(f"{settings.api_url}/readyz", timeout=5)
    except httpx.TransportError:
        return f"none running at {settings.api_url}; `akin up` starts one."
    if answer.is_error:
        raise SetupError(
            f"What answers at {settings.api_url} is not ready (HTTP {answer.status_code}): wait a "
            "few seconds, or choose another port with AKIN_PORT."
        )
    return f"ready at {settings.api_url}."


def _data(settings: Settings) -> str:
    """Open the parts as the server would, unless a server has them open."""
    if not settings.home.exists():
        return f"nothing in {settings.home.absolute()} yet."
    with ExitStack() as stack:
        try:
            stack.enter_context(hold(settings.home))
        except InUse as error:
            return f"{error.sentence.split(':')[0]}, as it should be while a server runs."
        return _opened(settings)


def _opened(settings: Settings) -> str:
    from backend.migrating import is_behind
    from backend.runtime import open_runtime

    with closing(open_runtime(settings)) as runtime:
        behind = is_behind(runtime.database)
        names = runtime.galleries.names()
        points = sum(runtime.galleries.open(name).count() for name in names)
        _try_blobs(runtime.blobs)
        runtime.queue.ping()
    tables = "; the tables will be brought up to date at the next start" if behind else ""
    return f"database, blobs, queue and {len(names)} galleries with {points:,} points open{tables}."


def _try_blobs(blobs: BlobStore) -> None:
    probe = blobs.put(b"akin doctor was here")
    blobs.read(probe)
    blobs.delete(probe)


def _backbone(settings: Settings) -> str:
    from backend.encoding.backbone import BackboneSpec, load_backbone

    spec = BackboneSpec(settings.backbone, settings.pretrained, settings.preprocessing)
    backbone = load_backbone(spec, device=settings.device, threads=settings.query_threads)
    backbone.encode_texts(["a red dress"])
    note = " (demo: it knows drawn garments; docs/backbones.md for photos)"
    return f"{spec.name} encodes, {backbone.dim} dimensions{note if backbone.is_demo else ''}."
