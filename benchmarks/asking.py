"""The kinds of queries that are measured; every text is new, so that none comes from the cache."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import httpx

from backend.client import AkinClient
from benchmarks.load import Ask

WORDS = ("but red", "with long sleeves", "in blue", "with dots", "with no logo", "longer")
FILTERS = ("price=10..60", "split=train")
KINDS = ("words", "product + words", "product + words, filtered", "upload + words")


def kinds(url: str, pictures: Sequence[Path]) -> dict[str, Ask]:
    """What each kind asks of the server at `url`, whose catalogue must have products."""
    with AkinClient(url) as client:
        skus = [product.sku for product in client.products(limit=200).items]
    uploads = [path.read_bytes() for path in pictures]
    return {
        "words": partial(_words, url),
        "product + words": partial(_product, url, skus, ()),
        "product + words, filtered": partial(_product, url, skus, FILTERS),
        "upload + words": partial(_upload, url, uploads),
    }


def _text(number: int) -> str:
    return f"{WORDS[number % len(WORDS)]} number {number}"


def _words(url: str, number: int) -> httpx.Request:
    return _json(url, text=_text(number))


def _product(url: str, skus: list[str], filters: Sequence[str], number: int) -> httpx.Request:
    sku = skus[number % len(skus)]
    return _json(url, text=_text(number), reference_sku=sku, filters=list(filters))


def _upload(url: str, pictures: list[bytes], number: int) -> httpx.Request:
    fields = {"request": json.dumps({"text": _text(number)})}
    picture = pictures[number % len(pictures)]
    return httpx.Request(
        "POST", f"{url}/v1/search/upload", data=fields, files={"image": ("one.jpg", picture)}
    )


def _json(url: str, **query: object) -> httpx.Request:
    return httpx.Request("POST", f"{url}/v1/search", json=query)
