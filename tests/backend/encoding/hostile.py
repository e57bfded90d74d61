"""Pictures that somebody made to do harm, and odd ones that nobody meant badly; all made by hand
or by Pillow, none from anywhere else."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, COLOUR = 0, 2
FOREIGN = b"<script>alert('not a picture')</script>"


def saved(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    """The bytes of a picture that Pillow writes."""
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def noise(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A picture that hardly compresses."""
    rng = np.random.default_rng(seed)
    bands = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, (width, height), rng.bytes(width * height * bands))


def chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int,
    height: int,
    rows: bytes,
    *,
    depth: int = 8,
    colours: int = GREY,
    extra: Iterable[bytes] = (),
) -> bytes:
    """A PNG with this header over these packed rows, whether they fit it or not."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0))
    return SIGNATURE + header + b"".join(extra) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@cache
def zeros(size: int) -> bytes:
    """So many zero bytes, packed a thousand to one."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    packed = [packer.compress(block) for _ in range(size >> 20)]
    return b"".join((*packed, packer.compress(bytes(size % (1 << 20))), packer.flush()))


def huge_png() -> bytes:
    """30,000 x 30,000 pixels, all of them there, in about 110 kB."""
    return png(30_000, 30_000, zeros(30_000 * (30_000 // 8 + 1)), depth=1)


def text_bomb(kind: bytes) -> bytes:
    """A small PNG with 200 MB of text, or of a colour profile, in 200 kB."""
    packed = zeros(200_000_000)
    before = {b"zTXt": b"Comment\0\0", b"iTXt": b"Comment\0\1\0\0\0", b"iCCP": b"icc\0\0"}
    return png(4, 4, zeros(4 * 5), extra=[chunk(kind, before[kind] + packed)])


def tiff(tags: dict[int, tuple[int, int]], data: bytes = b"") -> bytes:
    """A little-endian TIFF of one page: each tag has a type (3 short, 4 long) and one value."""
    entries = b"".join(
        struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in sorted(tags.items())
    )
    page = struct.pack("<H", len(tags)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", 8) + page + data


def lying_tiff(**lies: int) -> bytes:
    """A grey TIFF of 16 x 16 pixels whose strip, or tile, is said to be something else."""
    names = {"compression": 259, "rows": 278, "strip_bytes": 279, "tile_width": 322}
    names |= {"tile_height": 323, "tile_at": 324, "tile_bytes": 325}
    tags = {256: (3, 16), 257: (3, 16), 258: (3, 8), 259: (3, 1), 262: (3, 1), 277: (3, 1)}
    if "tile_width" not in lies:
        tags |= {273: (4, 200), 278: (4, 16), 279: (4, 256)}
    tags |= {names[name]: (4, value) for name, value in lies.items()}
    body = tiff(tags)
    return body + bytes(200 - len(body)) + zlib.compress(bytes(256))


def gif(screen: tuple[int, int], frame: tuple[int, int]) -> bytes:
    """A GIF whose screen and only frame are said to have these sizes; one pixel is there."""
    colours = bytes((0, 0, 0, 255, 255, 255))
    head = b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + colours
    return head + b"," + struct.pack("<HHHHB", 0, 0, *frame, 0) + b"\x02\x02\x44\x01\x00;"


def many_scans(side: int, scans: int) -> bytes:
    """A progressive JPEG of few bytes whose last scan comes again and again: each time the reader
    goes over all of its pixels, which is allowed, and takes as long as one likes."""
    data = saved(Image.new("RGB", (side, side), "teal"), "JPEG", progressive=True, quality=50)
    last = data.rindex(b"\xff\xda")
    return data[:-2] + data[last:-2] * scans + data[-2:]


def polyglots() -> dict[str, bytes]:
    """Files that are a picture to one reader and something else to another."""
    red = Image.new("RGB", (40, 30), "red")
    jpeg, archive = saved(red, "JPEG"), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("index.html", FOREIGN)
    page = saved(red.convert("P"), "GIF")
    # A width of `/*` opens a comment that the trailer closes: a script to whoever runs it as one.
    script = page[:6] + b"/*" + struct.pack("<H", 400) + page[10:] + b"*/=1;" + FOREIGN
    comment = b"\xff\xfe" + struct.pack(">H", len(FOREIGN) + 2) + FOREIGN
    return {
        "jpeg-and-zip": jpeg + archive.getvalue(),
        "jpeg-with-comment": jpeg[:2] + comment + jpeg[2:],
        "gif-and-script": script,
        "png-with-more-behind": saved(red) + FOREIGN,
        "png-with-text": saved(red, pnginfo=_text()),
        "pdf-and-jpeg": b"%PDF-1.7\n" + FOREIGN + jpeg,
        "webp-with-xmp": saved(red, "WEBP", xmp=FOREIGN),
        "html-and-gif": FOREIGN + page,
    }


def _text() -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", FOREIGN.decode())
    return info
