"""Ingest through a running server against the bare encoder on the same pictures, in one run: the
demo backbone, and one of a realistic size with random weights."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import open_clip
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from backend.client import AkinClient
from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from backend.encoding.decoding import decode_image
from backend.settings import Settings
from benchmarks.catalogue import PRODUCTS, drawn, filled
from benchmarks.serving import served
from benchmarks.tables import Table, write

LARGE, LARGE_PICTURES = "ViT-B-32", 300
CAPTION = (
    "*bare*: the image tower alone on pictures already decoded, with the same batch and threads, "
    "before and after the import. *busy*: the share of the embed job's encoding time in which the "
    "encoder worked. *again*: the same catalogue sent once more, nothing changed."
)
COLUMNS = (
    "backbone", "pictures", "ingest s", "ingest 1/s", "bare 1/s", "ingest / bare", "busy",
    "again s", "again files/s",
)  # fmt: skip
STAGE_COLUMNS = ("backbone", "job", "stage", "s")


@dataclass(frozen=True)
class _Outcome:
    """What one backbone took; stages are (job, stage, seconds), added up over the jobs."""

    first: float
    again: float
    bare: float  # pictures a second
    busy: float
    stages: list[tuple[str, str, float]]


def main() -> None:
    """Both backbones, each in an empty data folder of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        large = ("--backbone", LARGE, "--pretrained", str(_random_weights(scratch)))
        outcomes = {
            ("akin-demo", PRODUCTS): _measured(scratch / "demo", PRODUCTS, BackboneSpec(), ()),
            (f"{LARGE}, random weights", LARGE_PICTURES): _measured(
                scratch / "large", LARGE_PICTURES, BackboneSpec(large[1], large[3]), large
            ),
        }
    rows = [(*named, *_row(named[1], outcome)) for named, outcome in outcomes.items()]
    stages = [(named[0], *stage) for named, one in outcomes.items() for stage in one.stages]
    write(
        "ingest",
        "Ingest against the bare encoder",
        Table(COLUMNS, rows, CAPTION),
        Table(STAGE_COLUMNS, stages, "Seconds by stage; read and decode add up several threads."),
    )


def _row(pictures: int, outcome: _Outcome) -> tuple[object, ...]:
    rate = pictures / outcome.first
    return (
        outcome.first, rate, outcome.bare, rate / outcome.bare, f"{outcome.busy:.0%}",
        outcome.again, pictures / outcome.again,
    )  # fmt: skip


def _random_weights(folder: Path) -> Path:
    """No model hub can be reached where this runs, and the time does not depend on the weights."""
    torch.manual_seed(0)
    state = open_clip.create_model(LARGE).state_dict()
    path = folder / "random.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path


def _measured(
    folder: Path, pictures: int, spec: BackboneSpec, options: tuple[str, ...]
) -> _Outcome:
    catalogue = drawn(folder, pictures)
    alone = _bare(spec, sorted((catalogue / "images").iterdir()))
    rates = [alone()]
    with served(folder / "home", *options) as server:
        first, again = filled(server, catalogue), filled(server, catalogue)
        with AkinClient(server.url) as client:
            jobs = client.jobs(limit=100).items
    rates.append(alone())
    imported = [job.result for job in jobs if job.kind == "ingest" and job.result.get("created")]
    embedded = [job.result for job in jobs if job.kind == "embed" and job.result.get("embedded")]
    return _Outcome(
        first=first,
        again=again,
        bare=sum(rates) / len(rates),
        busy=_busy(embedded),
        stages=[*_added("import", imported), *_added("embed", embedded)],
    )


def _bare(spec: BackboneSpec, pictures: list[Path]) -> Callable[[], float]:
    """Encodes the pictures with the server's batch and threads; pictures a second."""
    settings = Settings()
    backbone = load_backbone(spec, device="cpu", threads=settings.embed_threads)
    see = backbone.preprocessing
    pixels = np.stack([see.pixels(decode_image(path.read_bytes())) for path in pictures])
    _encode(backbone, pixels[: settings.embed_batch], settings.embed_batch)  # to warm up

    def run() -> float:
        begun = time.perf_counter()
        _encode(backbone, pixels, settings.embed_batch)
        return len(pixels) / (time.perf_counter() - begun)

    return run


def _encode(backbone: Backbone, pixels: NDArray[np.uint8], batch: int) -> None:
    for first in range(0, len(pixels), batch):
        backbone.encode_images(pixels[first : first + batch])


def _busy(results: list[dict[str, object]]) -> float:
    """Of several jobs, weighed by the time each spent encoding."""
    encoding = [(_seconds(one)["encode"], float(str(one["encoder_busy"]))) for one in results]
    return sum(s for s, _ in encoding) / sum(s / share for s, share in encoding if share)


def _added(job: str, results: list[dict[str, object]]) -> list[tuple[str, str, float]]:
    sums: dict[str, float] = {}
    for result in results:
        for stage, seconds in _seconds(result).items():
            sums[stage] = sums.get(stage, 0.0) + seconds
    return [(job, stage, seconds) for stage, seconds in sums.items()]


def _seconds(result: dict[str, object]) -> dict[str, float]:
    found = result["seconds"]
    assert isinstance(found, dict)
    return {str(stage): float(seconds) for stage, seconds in found.items()}
