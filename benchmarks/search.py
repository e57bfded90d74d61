"""Query latency by stage through HTTP, with 1, 16 and 64 clients, and what encoding concurrent
queries together brings: two servers over copies of one catalogue, asked in turns."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from backend.client import AkinClient
from benchmarks.asking import kinds
from benchmarks.catalogue import PRODUCTS, drawn, filled
from benchmarks.filling import filled_home
from benchmarks.load import Ask, Load, put_on
from benchmarks.serving import processor_seconds, searchable_copy, served
from benchmarks.tables import Table, write
from tests.end_to_end.server import Server

QUERIES = {1: 200, 16: 256, 64: 384}  # by number of clients
ROUNDS = 2  # each server answers half of them, then the other, and again
PICTURES = 200  # to upload
IMPORTED_AT_MOST = 10_000
STAGES = (
    "wait", "prepare", "decode", "encode_image", "encode_text", "compose", "gallery", "products",
    "explain",
)  # fmt: skip
CAPTION = (
    "Milliseconds, medians by stage. *outside*: what is not in a stage: HTTP, JSON, the network. "
    "*processor*: the server's processor time for an answer. *asking*: the share of one core that "
    "the clients took of the same machine. Every text is new to the server."
)
RATIOS = (
    "Concurrent queries encoded together (AKIN_QUERY_BATCH 32, as shipped) against each alone (1), "
    "in turns on the same catalogue."
)


@dataclass
class _Side:
    """One of the two servers, what it is asked, and what came of it."""

    server: Server
    asks: dict[str, Ask]
    load: Load = field(default_factory=Load)
    processor: float = 0.0

    def take(self, kind: str, clients: int, first: int) -> int:
        """One round; the number of the next request."""
        number, warm_up = QUERIES[clients] // ROUNDS, max(4, clients)
        before = processor_seconds(self.server)
        self.load.add(put_on(self.asks[kind], clients, first, number, warm_up))
        self.processor += processor_seconds(self.server) - before
        return first + number + warm_up

    @property
    def processor_ms(self) -> float:
        """Of an answer, those of the warm-up included."""
        return 1000 * self.processor / self.load.asked


def main(products: int = PRODUCTS, home: Path | None = None, name: str = "search") -> None:
    """Every kind of query, over a catalogue made for it or over a copy of the one in `home`.

    Exits with 1 if any query failed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        scratch = Path(temporary)
        many = home is None and products > IMPORTED_AT_MOST
        pictures = _pictures(scratch, PICTURES if home or many else products)
        source = home or _filled_home(scratch, products, pictures)
        copies = [searchable_copy(source, scratch / side / "home") for side in ("on", "off")]
        with served(copies[0]) as on, served(copies[1], AKIN_QUERY_BATCH=1) as off:
            held = _held(on)
            rows = [
                _measured(kind, clients, on, off, pictures)
                for kind in kinds(on.url, pictures)
                for clients in QUERIES
            ]
    command = name if home is None else f"{name} --home DIR"
    stages = Table((*_HEAD, *STAGES, "outside"), [row[0] for row in rows], CAPTION)
    ratios = Table(_RATIO_HEAD, [row[1] for row in rows], RATIOS)
    write(name, f"Search at {held:,} products", stages, ratios, command=command)
    failures = [failure for row in rows for failure in row[2]]
    if failures:
        raise SystemExit(f"{len(failures)} queries failed, the first with: {failures[0]}")


_HEAD = ("query", "clients", "median", "95th", "answers/s", "failed", "processor", "asking")
_RATIO_HEAD = (
    "query", "clients", "median together", "alone", "ratio", "95th together", "alone", "answers/s "
    "together", "alone", "ratio",
)  # fmt: skip

_numbers = count(0, 1_000_000)  # of requests: one range for each row, so that no text comes twice


def _pictures(scratch: Path, products: int) -> list[Path]:
    folder = drawn(scratch, products)
    return sorted((folder / "images").iterdir())[:PICTURES]


def _filled_home(scratch: Path, products: int, pictures: list[Path]) -> Path:
    """Imported by the server as anybody's where that takes a minute, else made without it."""
    if products > IMPORTED_AT_MOST:
        return filled_home(scratch / "home", products, pictures)
    with served(scratch / "home") as server:
        filled(server, scratch / "wardrobe")
    return scratch / "home"


def _held(server: Server) -> int:
    with AkinClient(server.url) as client:
        return client.summary().products


def _measured(
    kind: str, clients: int, on: Server, off: Server, pictures: list[Path]
) -> tuple[tuple[object, ...], tuple[object, ...], list[str]]:
    together, alone = (_Side(server, kinds(server.url, pictures)) for server in (on, off))
    number = next(_numbers)
    for _ in range(ROUNDS):
        number = together.take(kind, clients, number)
        number = alone.take(kind, clients, number)
    return (
        _by_stage(kind, clients, together),
        _compared(kind, clients, together.load, alone.load),
        [*together.load.failures, *alone.load.failures],
    )


def _by_stage(kind: str, clients: int, side: _Side) -> tuple[object, ...]:
    load = side.load
    head = (kind, clients, load.median, load.worst, load.rate, len(load.failures))
    stages = (load.stage(stage) for stage in STAGES)
    return (*head, side.processor_ms, f"{load.own_share:.0%}", *stages, load.outside)


def _compared(kind: str, clients: int, together: Load, alone: Load) -> tuple[object, ...]:
    return (
        kind, clients, together.median, alone.median, together.median / alone.median,
        together.worst, alone.worst, together.rate, alone.rate, together.rate / alone.rate,
    )  # fmt: skip
