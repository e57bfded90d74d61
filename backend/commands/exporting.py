"""`akin export`: the catalogue as a folder or a zip, which `akin ingest` reads again."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO
from uuid import uuid4

import typer
from rich.filesize import decimal

from backend.catalogue.schemas import ExportSize
from backend.catalogue.sources import TRIPLETS
from backend.client import AkinClient, ApiError
from backend.commands.terminal import Url, connect, err, out, progress
from backend.errors import InvalidInput, NotFound
from backend.whole_files import flush_folder

if TYPE_CHECKING:
    from typing_extensions import Buffer


def export(
    target: Annotated[Path, typer.Argument(help="A new or empty folder, or a new .zip file.")],
    filters: Annotated[
        list[str] | None,
        typer.Option("--filter", "-f", help="Only products with KEY=VALUE; may be repeated."),
    ] = None,
    url: Url = None,
) -> None:
    """Write the catalogue with its images. `akin ingest` brings it back as it was."""
    wanted = filters or []
    if target.suffix.lower() == ".zip":
        with new_file(target) as file, connect(url) as client:
            size = _size(client, wanted)
            problem = size.zip_problem
            _warn(problem)
            _write_zip(client, file, wanted, size.bytes)
    else:
        _make_empty(target)
        with connect(url) as client:
            size = _size(client, wanted)
            problem = size.folder_problem
            _warn(problem)
            _write_folder(client, target, wanted, size.products)
    back = "." if problem else f": bring it back with akin ingest {target}"
    out.print(f"The catalogue is in {target}{back}", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to write that is not there yet: in the end whole and on the disk, or not there at all.

    What fails while its bytes are read from elsewhere is raised as it is.

    Raises:
        InvalidInput: if it is there, or cannot be written.
    """
    _check_new(path)
    aside = path.with_name(f"{path.name}.{uuid4().hex[:8]}.part")  # two may be at it
    try:
        with _NewFile(path, aside) as file:
            yield file
            file.on_the_disk()
        _check_new(path)
        with _writing(path):
            aside.replace(path)
        with suppress(OSError):  # the file is whole and has its name; some shares cannot flush that
            flush_folder(path.parent)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)


class _NewFile(io.BufferedWriter):
    """The file at `aside`, whose failures are told as those of `path`."""

    def __init__(self, path: Path, aside: Path) -> None:
        self._path = path
        with _writing(path):
            super().__init__(io.FileIO(aside, "x"))

    def write(self, data: Buffer, /) -> int:
        with _writing(self._path):
            return super().write(data)

    def flush(self) -> None:
        with _writing(self._path):
            super().flush()

    def on_the_disk(self) -> None:
        """Leave nothing of it in memory only."""
        self.flush()
        with _writing(self._path):
            os.fsync(self.fileno())


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInput(
            f"{path} cannot be written ({(error.strerror or 'unknown reason').lower()}): name "
            "another file, or make room."
        ) from error


def _check_new(path: Path) -> None:
    if path.exists():
        raise InvalidInput(f"{path} exists already: name a new file.")


def _size(client: AkinClient, filters: Sequence[str]) -> ExportSize:
    size = client.export_size(filters)
    err.print(
        f"{size.products:,} products with {size.images:,} images, {decimal(size.bytes)}.",
        highlight=False,
    )
    return size


def _warn(problem: str | None) -> None:
    if problem is not None:
        err.print(problem, style="yellow", markup=False, highlight=False, soft_wrap=True)


def _write_zip(client: AkinClient, file: BinaryIO, filters: Sequence[str], size: int) -> None:
    with progress() as bars:
        bar = bars.add_task("Exporting", total=size, size=True)
        for chunk in client.export_zip(filters):
            file.write(chunk)
            bars.advance(bar, len(chunk))
        bars.update(bar, total=next(one for one in bars.tasks if one.id == bar).completed)


def _write_folder(client: AkinClient, folder: Path, filters: Sequence[str], count: int) -> None:
    with (
        progress() as bars,
        (folder / "products.jsonl").open("w", encoding="utf-8") as manifest,
    ):
        bar = bars.add_task("Exporting", total=count)
        skus: set[str] = set()
        for line in client.export_products(filters):
            record = json.loads(line)
            skus.add(record.get("sku", ""))
            if "images" in record:
                record["images"] = [n for n in record["images"] if _fetch(client, folder / n)]
                bars.advance(bar)
            manifest.write(json.dumps(record) + "\n")
    _write_triplets(client, folder / TRIPLETS, skus)


def _write_triplets(client: AkinClient, path: Path, skus: Container[str]) -> None:
    """The accepted triplets between exported products, where there are any: `akin train` and
    `akin evaluate` read them."""
    lines = (line for line in _lines(client.export_triplets("akin")) if line.strip())
    kept = (line for line in lines if _within(json.loads(line), skus))
    first = next(kept, None)
    if first is None:
        return
    with path.open("wb") as file:
        file.writelines(line + b"\n" for line in chain([first], kept))


def _within(triplet: dict[str, Any], skus: Container[str]) -> bool:
    return triplet["reference"] in skus and triplet["target"] in skus


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
    yield rest


def _fetch(client: AkinClient, path: Path) -> bool:
    """Whether the image is in the folder now; not, if it was deleted meanwhile."""
    if path.exists():  # several products may show it
        return True
    try:
        path.write_bytes(client.blob(path.stem))
    except ApiError as error:
        if error.status != NotFound.status:
            raise
        return False
    return True


def _make_empty(folder: Path) -> None:
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidInput(f"{folder} exists and is not an empty folder: name a new one.")
        (folder / "images").mkdir(parents=True)
    except OSError as error:
        raise InvalidInput(
            f"{folder} cannot be made ({(error.strerror or '').lower()}): name another folder."
        ) from error
