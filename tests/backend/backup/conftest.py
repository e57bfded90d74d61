"""Installations that are saved and restored, and the questions they have to answer alike."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from backend.backup import restoring
from backend.backup.making import make_backup
from backend.database import Database
from backend.encoding.backbone import Backbone
from backend.registry.service import ensure_active
from backend.runtime import Runtime, open_runtime
from backend.search.schemas import SearchRequest
from backend.settings import Settings
from tests.backend.search.conftest import open_shop, serve, tiny_backbone
from tests.backend.search.shop import COLOURS, Shop, picture, skus
from tests.decoders import share_decoder

__all__ = ["tiny_backbone"]

WORDS = ("", "but red", "with long sleeves", "in blue with stripes", "darker")


@dataclass
class Saved:
    """A backup, what its installation answered, and how it encodes."""

    path: Path
    answers: list[Any]
    backbone: Backbone


@pytest.fixture(scope="session")
def saved(tmp_path_factory, migrated_sqlite: Path, tiny_backbone: Backbone) -> Saved:
    """The backup of an embedded shop of 24 products; not to be changed."""
    home = tmp_path_factory.mktemp("saved")
    shutil.copy(migrated_sqlite, home / "akin.sqlite3")
    database = Database(f"sqlite:///{home / 'akin.sqlite3'}")
    with open_shop(home, database, tiny_backbone) as shop:
        fill_shop(shop)
        answers = ask(shop)
        path = write(shop.runtime, home / "shop.tar")
    database.close()
    return Saved(path, answers, tiny_backbone)


def fill_shop(shop: Shop) -> None:
    """Products with their pictures, whose bytes are blobs too."""
    for number, (one, other) in enumerate(zip(COLOURS * 3, COLOURS[1:] * 4, strict=False), 1):
        data = picture(one, other if number > len(COLOURS) else None)
        data += bytes([number])  # no two are alike
        shop.runtime.blobs.put(data)
        fields = {
            "category": "dress" if number % 2 else "t-shirt",
            "price": f"{number}.50",
            "currency": "EUR",
            "attributes": {"colour": one, "length": number},
        }
        shop.add(f"P-{number}", data, fields=fields)


def questions(image_ids: Sequence[str]) -> list[SearchRequest]:
    """A hundred composed queries: pictures and words, strengths, filters, words to leave out."""
    asked = []
    for number in range(100):
        body: dict[str, Any] = {
            "reference_image_id": image_ids[number % len(image_ids)] if number % 4 else None,
            "text": WORDS[number % len(WORDS)] or ("" if number % 4 else "a red dress"),
            "strength": (number % 9 - 4) / 4,
        }
        if number % 3 == 0:
            body["filters"] = ["category=dress"]
        if number % 7 == 0:
            body["without"] = ["stripes"]
        asked.append(SearchRequest.model_validate(body))
    return asked


def ask(shop: Shop) -> list[Any]:
    """The answers to the hundred questions: products in order, with scores."""
    ids = shop.gallery.scroll(None, 1000)
    with serve(shop) as service:
        found = [service.search(one) for one in questions(ids)]
    return [
        [(sku, round(hit.score, 5)) for sku, hit in zip(skus(one), one.results, strict=True)]
        for one in found
    ]


def write(runtime: Runtime, path: Path) -> Path:
    """Save an installation."""
    with path.open("wb") as file:
        file.writelines(make_backup(runtime))
    return path


def fill_from(runtime: Runtime, path: Path) -> None:
    """Check and restore a backup."""
    head, manifest = restoring.check_backup(path, lambda *_: None)
    restoring.restore(runtime, path, head, manifest, lambda *_: None)


@contextmanager
def installation(home: Path, **settings: Any) -> Iterator[Runtime]:
    """An open installation without anything in it."""
    with closing(open_runtime(Settings(home=home, **settings))) as runtime:
        yield share_decoder(runtime)


def as_shop(runtime: Runtime, backbone: Backbone) -> Shop:
    """What was restored, as a shop to ask."""
    runtime.models.know(backbone)
    runtime.settings.backbone = backbone.spec.name
    with runtime.database.write() as session:
        active = ensure_active(session, runtime, backbone)
    return Shop(runtime, backbone, active)
