"""Searches in the server profile by clients and API replicas, and an overload: what is turned away,
how politely, and whether health stays green meanwhile."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median

import httpx

from benchmarks.asking import kinds
from benchmarks.catalogue import drawn
from benchmarks.load import Ask, put_on
from benchmarks.tables import Table, write
from tests.end_to_end.server_profile import ServerProfile

REPLICAS = (1, 2)
CLIENTS = {1: 100, 8: 240, 32: 320, 128: 512}
"""How many queries are asked by so many clients."""
KIND = "product + words"
OVERLOAD_CLIENTS, OVERLOAD_SECONDS = 128, 20.0
WAITING = 16
"""Searches that may wait in the overloaded API: few, so that more clients than that are refused."""
PROBE_SECONDS = 0.2
REFUSED = (429, 503)
COLUMNS = ("replicas", "clients", "median ms", "95th ms", "answers/s", "failed")
CAPTION = (
    "PostgreSQL, Redis, one worker, and the stand-in for Qdrant's REST interface over Edge, all on "
    "the same machine as the clients, so replicas share its cores with everything else."
)
OVERLOAD_CAPTION = (
    f"{OVERLOAD_CLIENTS} clients that ask again at once, for {OVERLOAD_SECONDS:.0f} s, of one API "
    f"that lets {WAITING} searches wait. *polite*: refusals with Retry-After. Health is asked "
    f"every {PROBE_SECONDS} s meanwhile."
)


@dataclass
class Overload:
    """What the clients and the probe saw; times in ms."""

    answered: int = 0
    refused: int = 0
    polite: int = 0
    other: list[str] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    sick: int = 0


def main(products: int = 1500) -> None:
    """Measure, and write benchmarks/results/replicas.md; exits with 1 if a query failed."""
    rows, failures = [], []
    with tempfile.TemporaryDirectory() as place:
        folder = drawn(Path(place), products)
        for replicas in REPLICAS:
            with ServerProfile(Path(place) / f"of-{replicas}", apis=replicas) as profile:
                _fill(profile, folder)
                for clients, row, failed in _measured(profile):
                    rows.append((replicas, clients, *row))
                    failures += failed
        settings = {"AKIN_SEARCH_WAITING": str(WAITING)}
        with ServerProfile(Path(place) / "overload", settings=settings) as profile:
            _fill(profile, folder)
            seen = asyncio.run(_overload(profile.url, kinds(profile.url, [])[KIND]))
    write(
        "replicas",
        f"Searches by clients and replicas at {products:,} products",
        Table(COLUMNS, rows, CAPTION),
        _overload_table(seen),
        command=f"replicas --products {products}",
    )
    if failures or seen.other or seen.sick:
        raise SystemExit(f"not every answer was one: {[*failures, *seen.other][:1]}, {seen.sick}")


_numbers = count(0, 1_000_000)


def _fill(profile: ServerProfile, folder: Path) -> None:
    done = profile.akin("ingest", str(folder / "products.csv"))
    if done.returncode:
        raise RuntimeError(done.stderr)


def _measured(profile: ServerProfile) -> list[tuple[int, tuple[object, ...], list[str]]]:
    asks = [kinds(profile.url_of(name), [])[KIND] for name in profile.api_names]

    def ask(number: int) -> httpx.Request:
        return asks[number % len(asks)](number)

    found: list[tuple[int, tuple[object, ...], list[str]]] = []
    for clients, queries in CLIENTS.items():
        load = put_on(ask, clients, next(_numbers), queries, max(4, clients))
        figures = (load.median, load.worst, load.rate, len(load.failures))
        found.append((clients, figures, load.failures))
    return found


async def _overload(url: str, ask: Ask) -> Overload:
    seen, until = Overload(), time.monotonic() + OVERLOAD_SECONDS
    numbers = count(next(_numbers))
    await asyncio.gather(
        _probe(url, seen, until),
        *(_insist(ask, numbers, seen, until) for _ in range(OVERLOAD_CLIENTS)),
    )
    return seen


async def _insist(ask: Ask, numbers: count[int], seen: Overload, until: float) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        while time.monotonic() < until:
            answer = await http.send(ask(next(numbers)))
            if answer.is_success:
                seen.answered += 1
            elif answer.status_code in REFUSED:
                seen.refused += 1
                seen.polite += "retry-after" in answer.headers
            else:
                seen.other.append(f"{answer.status_code} {answer.text[:200]}")


async def _probe(url: str, seen: Overload, until: float) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        while time.monotonic() < until:
            begun = time.perf_counter()
            answer = await http.get(f"{url}/healthz")
            seen.health.append(1000 * (time.perf_counter() - begun))
            seen.sick += not answer.is_success
            await asyncio.sleep(PROBE_SECONDS)


def _overload_table(seen: Overload) -> Table:
    columns: Sequence[str] = (
        "answered", "refused", "polite", "other failures", "health asked", "not green",
        "median ms of health", "longest",
    )  # fmt: skip
    row = (
        seen.answered, seen.refused, seen.polite, len(seen.other), len(seen.health), seen.sick,
        median(seen.health), max(seen.health),
    )  # fmt: skip
    return Table(columns, [row], OVERLOAD_CAPTION)
