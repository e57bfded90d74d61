"""What the tests of a model's life stand on: versions with other towers, shoppers that check."""

from __future__ import annotations

import io
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import torch

from backend.client import AkinClient, ApiError
from backend.composition.artefact import BackboneCard, ComposedModel, load_model, write_artefact
from backend.encoding.backbone import Backbone, BackboneSpec, load_backbone
from backend.encoding.decoding import decode_image
from backend.feedback.schemas import ReviewRequest, TripletFilter
from backend.registry.artefacts import pack, unpack
from backend.search.schemas import SearchRequest, SearchResponse
from tests.backend.composition.trained_models import card

WORDS = ("a red dress", "but blue", "with long sleeves", "striped")
CLOSE = 2e-3
"""Scores are told with four decimals, and pictures are resized by other libraries' versions."""


def backbone_of(name: str) -> Backbone:
    """The backbone of a server that was started with `--backbone name`."""
    return load_backbone(BackboneSpec(name), device="cpu", threads=1)


def other_towers(folder: Path, backbone: Backbone, tower: str, seed: int = 9) -> Path:
    """An artefact whose image or text tower differs from the backbone's in every weight."""
    torch.manual_seed(seed)
    is_image = tower == "image"
    weights = {
        name: tensor + 0.05 * torch.randn_like(tensor)
        for name, tensor in backbone.model.state_dict().items()
        if tensor.is_floating_point()
        and name.startswith("visual.") == is_image
        and name != "logit_scale"
    }
    changed = load_backbone(backbone.spec, "cpu", 1, overlay=weights)
    facts = card(changed, "sum", name=f"other {tower} tower").model_copy(
        update={"backbone": BackboneCard.model_validate(vars(backbone.spec))}
    )
    write_artefact(folder, facts, towers=weights)
    return folder


def add_version(client: AkinClient, folder: Path) -> str:
    """Bring an artefact's folder in; the version's id."""
    packed = folder.with_suffix(".zip")
    with packed.open("wb") as file:
        pack(folder, file)
    return client.import_model(packed).id


def within(seconds: float, condition: Callable[[], bool]) -> None:
    """Wait for something; fails if it does not come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)


@dataclass
class Truth:
    """What each version ought to answer, computed here from its towers and the pictures' bytes."""

    models: dict[str, ComposedModel] = field(default_factory=dict)
    galleries: dict[str, str] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    _vectors: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)

    def know(self, version: str, gallery: str, model: ComposedModel) -> None:
        """A version may answer, from this gallery, with these towers and this composer."""
        self.models[version], self.galleries[version] = model, gallery

    def check(self, answer: SearchResponse, reference: str, words: str) -> None:
        """Every score is that of the version which the answer names, from its own gallery."""
        assert answer.gallery == self.galleries[answer.version]
        assert reference not in [hit.product.sku for hit in answer.results]
        seen = self.vector(answer.version, reference)
        (query,) = self.models[answer.version].query_vectors(seen[None], [words])
        for hit in answer.results:
            if hit.product.sku in self.pictures:
                right = float(query @ _unit(self.vector(answer.version, hit.product.sku)))
                assert abs(hit.score - right) < CLOSE, (
                    f"{hit.product.sku} has {hit.score}, and {right} by {answer.version}"
                )

    def look_alike(self, one: str, other: str, sku: str) -> bool:
        """Whether two versions see a picture nearly alike."""
        pair = [_unit(self.vector(version, sku)) for version in (one, other)]
        return bool(pair[0] @ pair[1] > 1 - 10 * CLOSE)

    def vector(self, version: str, sku: str) -> np.ndarray:
        """The un-normalised feature of a product's picture under a version, (dim,)."""
        key = (version, sku)
        if key not in self._vectors:
            backbone = self.models[version].backbone
            pixels = backbone.preprocessing.pixels(decode_image(self.pictures[sku]))
            self._vectors[key] = backbone.encode_images(pixels[None])[0]
        return self._vectors[key]


class Shoppers:
    """Threads that search without a pause and check every answer; a failure fails the block."""

    def __init__(self, url: str, truth: Truth, references: list[str], count: int = 4) -> None:
        self._url, self._truth, self._references = url, truth, references
        self._count = count
        self._stop = threading.Event()
        self._found: list[Future[None]] = []
        self._checking = threading.Lock()  # torch and the truth's cache, one at a time
        self.answers: Counter[str] = Counter()
        self.seconds: list[tuple[float, float]] = []

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(self._count)
        self._found = [self._pool.submit(self._shop, number) for number in range(self._count)]
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for one in self._found:
            if kind is None:
                one.result()
            else:  # the first failure is the one to be shown
                with suppress(Exception):
                    one.result()

    def have_seen(self, version: str, at_least: int = 3) -> bool:
        """Whether some of them were answered by this version; raises what one of them met."""
        for one in self._found:
            if one.done():
                one.result()
        return self.answers[version] >= at_least

    def _shop(self, number: int) -> None:
        with AkinClient(self._url) as client:
            turn = number
            while not self._stop.is_set():
                turn += 1
                reference = self._references[turn % len(self._references)]
                words = WORDS[turn % len(WORDS)]
                request = SearchRequest(reference_sku=reference, text=words, limit=10)
                begun = time.monotonic()
                answer = client.search(request)
                self.seconds.append((begun, time.monotonic() - begun))
                with self._checking:
                    self._truth.check(answer, reference, words)
                self.answers[answer.version] += 1


def _unit(vector: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vector / np.linalg.norm(vector)
    return unit


def png(colour: tuple[int, int, int], number: int) -> bytes:
    """A picture of a stripe on a colour, different for each number."""
    from PIL import Image as Pillow

    picture = Pillow.new("RGB", (64, 64), colour)
    picture.paste((number % 256, 255 - number % 256, 90), (0, number % 40, 64, number % 40 + 20))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def add_product(client: AkinClient, truth: Truth, sku: str, data: bytes) -> None:
    """One product with one picture."""
    from backend.catalogue.schemas import ProductCreate

    truth.pictures[sku] = data
    product = client.create_product(ProductCreate(sku=sku, title=sku))
    client.add_image(product.id, f"{sku}.png", data)


def delete_product(client: AkinClient, sku: str) -> None:
    """Delete a product by its SKU."""
    with suppress(ApiError):
        client.delete_product(client.product_by_sku(sku).id)


def accept_triplets(client: AkinClient, skus: list[str]) -> None:
    """From each product to the next, accepted."""
    rows = [
        {"reference": one, "target": other, "captions": ["in another colour"]}
        for one, other in pairwise(skus)
    ]
    client.import_triplets("triplets.jsonl", "\n".join(map(json.dumps, rows)).encode())
    everything = TripletFilter(state="candidate")
    client.review_triplets(ReviewRequest(state="accepted", filter=everything))


def exported(client: AkinClient, version_id: str, folder: Path) -> Path:
    """A version's artefact as a folder."""
    packed = folder.with_suffix(".zip")
    packed.write_bytes(b"".join(client.export_model(version_id)))
    with packed.open("rb") as file:
        unpack(file, folder, 10**9)
    return folder


def model_of(folder: Path) -> ComposedModel:
    """What an artefact answers with."""
    return load_model(folder, "cpu", 1)
