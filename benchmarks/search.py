"""Query latency by stage at 1,500 products, with 1 and 8 clients, through HTTP."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from statistics import median, quantiles

from backend.client import AkinClient
from backend.search.schemas import SearchRequest, SearchResponse
from benchmarks.catalogue import PRODUCTS, drawn, filled
from benchmarks.tables import write
from tests.end_to_end.server import Server

QUERIES = 200
CLIENTS = (1, 8)
WORDS = ("but red", "with long sleeves", "in blue", "with dots", "without a logo", "longer")
STAGES = ("decode", "encode_image", "encode_text", "compose", "gallery", "products", "explain")

Ask = Callable[[AkinClient, int], SearchResponse]


def main() -> None:
    """Every kind of query, by one client and by eight."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = drawn(Path(scratch))
        server = Server(Path(scratch) / "home")
        server.start()
        try:
            filled(server, folder)
            rows = [
                _measured(server, name, ask, clients)
                for name, ask in _kinds(server, folder).items()
                for clients in CLIENTS
            ]
        finally:
            server.stop()
    columns = ("query", "clients", "median ms", "95th ms", "queries/s", *STAGES)
    write("search", f"Search at {PRODUCTS} products (stages: median ms)", columns, rows)


def _kinds(server: Server, folder: Path) -> dict[str, Ask]:
    rng = Random(0)
    with AkinClient(server.url) as client:
        skus = [product.sku for product in client.products(limit=200).items]
    pictures = [path.read_bytes() for path in sorted((folder / "images").iterdir())[:QUERIES]]

    def words(number: int) -> str:
        return f"{WORDS[number % len(WORDS)]} number {number} {rng.random():.6f}"

    def asked(number: int, **fields: object) -> SearchRequest:
        return SearchRequest.model_validate({"text": words(number), **fields})

    return {
        "words": lambda client, n: client.search(asked(n)),
        "product + words": lambda client, n: client.search(
            asked(n, reference_sku=skus[n % len(skus)])
        ),
        "product + words, filtered": lambda client, n: client.search(
            asked(n, reference_sku=skus[n % len(skus)], filters=["price=10..60", "split=train"])
        ),
        "upload + words": lambda client, n: client.search(
            asked(n), image=pictures[n % len(pictures)]
        ),
    }


def _measured(server: Server, name: str, ask: Ask, clients: int) -> tuple[object, ...]:
    """Each client asks its share of the queries one after another; all texts are new."""
    answers: list[tuple[float, SearchResponse]] = []

    def client_asks(first: int) -> None:
        with AkinClient(server.url) as client:
            for number in range(first, QUERIES, clients):
                begun = time.perf_counter()
                answer = ask(client, number)
                answers.append((time.perf_counter() - begun, answer))

    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client_asks, range(clients)))
    seconds = time.perf_counter() - begun
    latency = [1000 * taken for taken, _ in answers]
    stages = [
        median(answer.timings_ms.get(stage, 0.0) for _, answer in answers) for stage in STAGES
    ]
    worst = quantiles(latency, n=20)[-1]
    return (name, clients, median(latency), worst, QUERIES / seconds, *stages)
