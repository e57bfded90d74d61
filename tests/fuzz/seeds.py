"""Sound small files of every kind that an import takes; the fuzz tests spoil them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import numpy as np
from PIL import Image

from tests.backend.catalogue.hostile_zips import (
    deflated,
    packed_with,
    quoted_overlap,
    stored,
    with_zip64_end,
    written,
)

Files = dict[str, bytes]
"""By a name whose ending says what they are taken for."""


def drawing(mode: str = "RGB", size: tuple[int, int] = (46, 34)) -> Image.Image:
    """Something with edges and noise in it, always the same."""
    noise = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    noise[8:20, 5:30] = (200, 30, 60)
    image = Image.fromarray(noise)
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert(mode)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def frames(form: str, **options: Any) -> bytes:
    """Three pictures in one file."""
    first, *others = (drawing().rotate(90 * turn) for turn in range(3))
    return saved(first, form, save_all=True, append_images=others, **options)


def turned() -> bytes:
    """With an EXIF orientation, a colour profile and other metadata."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    return saved(drawing(), "JPEG", exif=exif.tobytes(), icc_profile=b"\0" * 200, comment=b"hello")


@cache
def pictures() -> Files:
    """Every format that is read, in every mode that makes its reader do something else; and some
    that are not read."""
    made: dict[str, Callable[[], bytes]] = {
        "jpeg": lambda: saved(drawing(), "JPEG"),
        "jpeg progressive": lambda: saved(drawing(), "JPEG", progressive=True, quality=40),
        "jpeg grey": lambda: saved(drawing("L"), "JPEG"),
        "jpeg cmyk": lambda: saved(drawing("CMYK"), "JPEG"),
        "jpeg restart": lambda: saved(drawing(), "JPEG", restart_marker_rows=1, subsampling=0),
        "jpeg metadata": turned,
        "jpeg large": lambda: saved(drawing(size=(900, 700)), "JPEG", quality=30),
        "mpo": lambda: frames("MPO"),
        "png": lambda: saved(drawing(), "PNG"),
        "png alpha": lambda: saved(drawing("RGBA"), "PNG"),
        "png grey alpha": lambda: saved(drawing("LA"), "PNG"),
        "png palette": lambda: saved(drawing("P"), "PNG", transparency=3),
        "png one bit": lambda: saved(drawing("1"), "PNG"),
        "png sixteen bits": lambda: saved(drawing("I;16"), "PNG"),
        "png animated": lambda: frames("PNG"),
        "png text": lambda: saved(drawing(), "PNG", pnginfo=None, dpi=(300, 300), icc_profile=b"x"),
        "gif": lambda: saved(drawing("P"), "GIF"),
        "gif animated": lambda: frames("GIF", duration=10, disposal=2),
        "gif transparent": lambda: saved(drawing("P"), "GIF", transparency=1, interlace=0),
        "webp": lambda: saved(drawing(), "WEBP"),
        "webp lossless": lambda: saved(drawing("RGBA"), "WEBP", lossless=True),
        "webp animated": lambda: frames("WEBP"),
        "webp metadata": lambda: saved(drawing("RGBA"), "WEBP", exif=b"Exif\0\0II*\0", xmp=b"<x/>"),
        "bmp": lambda: saved(drawing(), "BMP"),
        "bmp palette": lambda: saved(drawing("P"), "BMP"),
        "bmp one bit": lambda: saved(drawing("1"), "BMP"),
        "tiff": lambda: saved(drawing(), "TIFF"),
        "tiff cmyk": lambda: saved(drawing("CMYK"), "TIFF"),
        "tiff floats": lambda: saved(drawing("F"), "TIFF"),
        "tiff sixteen bits": lambda: saved(drawing("I;16"), "TIFF"),
        "tiff pages": lambda: frames("TIFF"),
        "tiff big": lambda: saved(drawing(), "TIFF", big_tiff=True),
        "tiff LZW": partial(saved, drawing(), "TIFF", compression="tiff_lzw"),
        "tiff deflate": partial(saved, drawing(), "TIFF", compression="tiff_adobe_deflate"),
        "tiff JPEG": partial(saved, drawing(), "TIFF", compression="jpeg"),
        "tiff packed": partial(saved, drawing("1"), "TIFF", compression="packbits"),
        "tiff fax": partial(saved, drawing("1"), "TIFF", compression="group4"),
        "ico": lambda: saved(drawing("RGBA", (32, 32)), "ICO"),
        "ppm": lambda: saved(drawing(), "PPM"),
        "tga": lambda: saved(drawing(), "TGA", compression="tga_rle"),
        "pcx": lambda: saved(drawing(), "PCX"),
    }  # fmt: skip
    return {name: make() for name, make in made.items()}


def zip_of(files: Files, method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.comment = comment
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def streamed_zip() -> bytes:
    """Sizes behind the data, in zip64 fields, as a program writes that does not know them."""
    buffer = io.BytesIO()
    with (
        zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("big.jpg", "w", force_zip64=True) as member,
    ):
        member.write(pictures()["jpeg"])
    return buffer.getvalue()


@cache
def archives() -> Files:
    """Zips of several programs' habits, and hostile ones."""
    shop = {
        "dress/1.jpg": pictures()["jpeg"],
        "hat/ü.png": pictures()["png palette"],
        "p.csv": b"sku,image\nA,dress/1.jpg\n",
    }
    plain = written([stored("1.jpg", b"one"), deflated("2.jpg", b"two" * 500)])
    start, end = plain.index(b"PK\1\2"), plain.index(b"PK\5\6")
    return {
        "deflated": zip_of(shop),
        "stored": zip_of(shop, zipfile.ZIP_STORED, b"a comment"),
        "many": zip_of({f"{n}/{n}.jpg": bytes([n]) * n for n in range(200)}),
        "streamed": streamed_zip(),
        "nested": zip_of({"inner.zip": zip_of(shop), "1.jpg": b"x"}),
        "behind a photo": pictures()["jpeg"] + zip_of(shop),
        "zip64": with_zip64_end(plain, end - start, start),
        "bzip2": packed_with(zipfile.ZIP_BZIP2, shop),
        "lzma": packed_with(zipfile.ZIP_LZMA, shop),
        "overlap": quoted_overlap(10, 5_000),
        "liar": written([deflated("1.jpg", bytes(300_000), listed_size=10)]),
        "empty": zip_of({}),
    }


def _rows() -> Iterator[dict[str, str]]:
    for number in range(25):
        yield {
            "sku": f"TEE-{number:04}", "image": f"a/{number}.jpg|b/ü{number}.png",
            "title": f'Red "tee", no. {number}', "category": "t-shirt", "split": "validation",
            "price": f"{number},90", "currency": "eur", "Sleeve length": "long",
            "Size": f"{number}",
        }  # fmt: skip


def _csv(delimiter: str = ",", end: str = "\n") -> str:
    rows = list(_rows())
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    quoted = [['"' + cell.replace('"', '""') + '"' for cell in line] for line in lines]
    return end.join(delimiter.join(line) for line in quoted) + end


@cache
def manifests() -> Files:
    """CSV and JSON lines in the encodings and dialects that spreadsheets write."""
    lines = "".join(json.dumps({**row, "Size": 4, "new": True}) + "\n" for row in _rows())
    return {
        "comma.csv": _csv().encode(),
        "semicolon.csv": _csv(";", "\r\n").encode("utf-8-sig"),
        "tab.tsv": _csv("\t").encode(),
        "utf16.csv": _csv("\t").encode("utf-16"),
        "windows.csv": _csv(";").encode("windows-1252"),
        "plain.csv": b"id;file\nA;a.jpg\nB;b.jpg\n",
        "lines.jsonl": lines.encode(),
        "lines.ndjson": b'{"sku": "A", "images": ["a.jpg", "b.jpg"], "price": 1.5}\n' * 20,
        "long.csv": "".join(",".join(line) + "\n" for line in _long_cells()).encode(),
        "long.jsonl": _long_lines().encode(),
    }


def _long_cells() -> Iterator[tuple[str, ...]]:
    """What a careless reader takes the square of its length for, and addresses that are none."""
    blanks, marks = " " * 20_000, "\u0315\u0300" * 10_000
    yield "sku", "image", "price", "title", "size"
    yield "A", f"a{blanks}b", f"1{blanks}!", f"x{marks}", f"y{marks}"
    yield f"B{marks}", "http://[x", f"1{'.' * 20_000}", f"x{blanks}y", "1" * 20_000
    yield "C", "http://℀.com/c.jpg|https://x:y/c.jpg", "1,90 €", "Tee", "-" * 20_000


def _long_lines() -> str:
    header, *rows = _long_cells()
    deep = "[" * 460 + "]" * 460
    lines = [json.dumps(dict(zip(header, row, strict=True))) for row in rows]
    return "\n".join([*lines, f'{{"sku": "D", "image": "d.jpg", "size": {deep}}}']) + "\n"
