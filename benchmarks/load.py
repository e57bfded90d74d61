"""Many clients at once, as coroutines of one process, which says how much processor it took."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import median, quantiles

import httpx

Ask = Callable[[int], httpx.Request]
"""The request number n; none equals another."""

TIMEOUT = 120.0


@dataclass
class Load:
    """What the clients saw: latencies in ms, the server's stages in ms, and failures."""

    latencies: list[float] = field(default_factory=list)
    stages: list[dict[str, float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    asked: int = 0  # those of the warm-up included
    seconds: float = 0.0
    own_cpu: float = 0.0  # seconds of processor that asking took

    @property
    def median(self) -> float:
        return median(self.latencies)

    @property
    def worst(self) -> float:
        """The 95th percentile."""
        return quantiles(self.latencies, n=20)[-1]

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.latencies) / self.seconds

    @property
    def own_share(self) -> float:
        """How much of one core the asking itself took."""
        return self.own_cpu / self.seconds

    def stage(self, name: str) -> float:
        """The median of a stage in ms."""
        return median(stages.get(name, 0.0) for stages in self.stages)

    @property
    def outside(self) -> float:
        """The median of what is not the server's own stages: HTTP, JSON, and waiting for a turn."""
        pairs = zip(self.latencies, self.stages, strict=True)
        return median(latency - stages["total"] for latency, stages in pairs)

    def add(self, other: Load) -> None:
        """Join another round of the same load to this one."""
        self.latencies += other.latencies
        self.stages += other.stages
        self.failures += other.failures
        self.asked += other.asked
        self.seconds += other.seconds
        self.own_cpu += other.own_cpu


def put_on(ask: Ask, clients: int, first: int, count: int, warm_up: int) -> Load:
    """Let `clients` ask the requests from `first` on, `count` of them after `warm_up` uncounted
    ones; each client asks its next as soon as it has an answer."""
    return asyncio.run(_put_on(ask, clients, first, count, warm_up))


async def _put_on(ask: Ask, clients: int, first: int, count: int, warm_up: int) -> Load:
    async with AsyncExitStack() as stack:
        # A client each: httpx goes through its whole pool of connections at every request, which
        # took a pool of 64 three times as long as a pool of 16.
        context = ssl.create_default_context()
        https = [
            await stack.enter_async_context(httpx.AsyncClient(timeout=TIMEOUT, verify=context))
            for _ in range(clients)
        ]
        warm = await _round(https, ask, range(first, first + warm_up))
        begun, cpu = time.perf_counter(), time.process_time()
        load = await _round(https, ask, range(first + warm_up, first + warm_up + count))
        load.failures += warm.failures
        load.asked = warm_up + count
        load.seconds = time.perf_counter() - begun
        load.own_cpu = time.process_time() - cpu
    return load


async def _round(https: Sequence[httpx.AsyncClient], ask: Ask, numbers: range) -> Load:
    load, waiting = Load(), itertools.chain(numbers)
    await asyncio.gather(*(_client(http, ask, waiting, load) for http in https))
    return load


async def _client(
    http: httpx.AsyncClient, ask: Ask, waiting: itertools.chain[int], load: Load
) -> None:
    for number in waiting:
        request = ask(number)
        begun = time.perf_counter()
        try:
            answer = await http.send(request)
        except httpx.TransportError as error:
            load.failures.append(repr(error))
            continue
        latency = 1000 * (time.perf_counter() - begun)
        if answer.status_code != httpx.codes.OK:
            load.failures.append(f"{answer.status_code} {answer.text[:200]}")
            continue
        load.latencies.append(latency)
        load.stages.append(answer.json()["timings_ms"])
