"""People at work while processes die: they import, edit, add, delete and search, and try again
when nothing answers. What was acknowledged to them is written down, to be asked for in the end."""

from __future__ import annotations

import hashlib
import io
import queue
import random
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from PIL import Image as Pillow

from backend.catalogue.schemas import FileClaim, ImportCreate, ProductUpdate
from backend.client import AkinClient, ApiError
from backend.errors import Unavailable
from backend.search.schemas import SearchRequest

PICTURES = 40  # an import
CATEGORIES = ("dress", "hat", "skirt", "shoes", "bag")
SIDE = 64
PATIENCE = 600.0

Answer = TypeVar("Answer")


@dataclass
class Promised:
    """A product as it was acknowledged last."""

    sha256s: set[str]
    category: str


@dataclass
class Promises:
    """All that was acknowledged. `deleted` had been embedded before; so none was never encoded."""

    products: dict[str, Promised] = field(default_factory=dict)
    deleted: dict[str, Promised] = field(default_factory=dict)
    answered: int = 0
    surprises: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def encoded_at_least(self) -> int:
        """Images that were encoded once at the least."""
        every = [*self.products.values(), *self.deleted.values()]
        return sum(len(product.sha256s) for product in every)


class Traffic:
    """Threads that use one installation through its API until they are stopped."""

    def __init__(self, url: str, seed: int) -> None:
        self.promises = Promises()
        self._url = url
        self._seed = seed
        self._wanted: queue.Queue[int] = queue.Queue()
        self._next = 0
        self._stopped = threading.Event()
        self._deleting: list[threading.Thread] = []
        self._threads = [
            threading.Thread(target=work, daemon=True)
            for work in (self._import_all, self._import_all, self._edit, self._search)
        ]

    @contextmanager
    def flowing(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in (*self._threads, *self._deleting):
                thread.join(PATIENCE)
                assert not thread.is_alive()

    def ask_for_imports(self, count: int) -> None:
        for _ in range(count):
            self._wanted.put(self._next)
            self._next += 1

    def wait_for_imports(self) -> None:
        self._wanted.join()

    @property
    def deleting(self) -> bool:
        """Whether somebody is deleting products."""
        return any(thread.is_alive() for thread in self._deleting)

    def begin_deleting(self, count: int) -> None:
        """Have products deleted that search can find, one by one."""
        thread = threading.Thread(target=self._delete_some, args=(count,), daemon=True)
        self._deleting.append(thread)
        thread.start()

    # The threads

    def _import_all(self) -> None:
        with AkinClient(self._url) as client:
            while not self._stopped.is_set():
                try:
                    number = self._wanted.get(timeout=0.1)
                except queue.Empty:
                    continue
                with self._noting("import"):
                    self._import(client, number)
                self._wanted.task_done()

    def _import(self, client: AkinClient, number: int) -> None:
        pictures = {
            f"{number:03}-{one:02}": picture(self._seed, number, one) for one in range(PICTURES)
        }
        files = _FORMS[number % len(_FORMS)](number, pictures)
        job = self._again(lambda: client.open_import(ImportCreate(category="dress")))
        by_hash = {hashlib.sha256(data).hexdigest(): data for data in files.values()}
        claims = [
            FileClaim(name=name, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
            for name, data in files.items()
        ]
        for sha256 in self._again(lambda: client.claim_files(job.id, claims)):
            self._again(partial(client.send_file, job.id, sha256, by_hash[sha256]))
        self._again(lambda: _started(client, job.id))
        while not (seen := self._again(lambda: client.job(job.id))).finished:
            time.sleep(0.1)
        assert (seen.state, seen.failed) == ("done", 0), f"{seen.state}: {seen.error}"
        with self.promises.lock:
            for sku, data in pictures.items():
                self.promises.products[sku] = Promised({hashlib.sha256(data).hexdigest()}, "dress")

    def _delete_some(self, count: int) -> None:
        promises = self.promises
        with AkinClient(self._url) as client, self._noting("delete"):
            for sku in list(promises.products):
                with promises.lock:
                    if sku not in promises.products:  # somebody else has just deleted it
                        continue
                    product = self._again(partial(client.product_by_sku, sku))
                    if not all(image.embedded for image in product.images):
                        continue
                    self._again(partial(_gone, client, product.id))
                    promises.deleted[sku] = promises.products.pop(sku)
                count -= 1
                if not count:
                    return

    def _edit(self) -> None:
        chance = random.Random(self._seed)
        with AkinClient(self._url) as client:
            while not self._stopped.wait(0.05):
                with self.promises.lock, self._noting("edit"):
                    if not self.promises.products:
                        continue
                    sku = chance.choice(sorted(self.promises.products))
                    if chance.random() < 0.2:
                        self._add_image(client, sku, chance)
                    else:
                        self._recategorise(client, sku, chance.choice(CATEGORIES))

    def _recategorise(self, client: AkinClient, sku: str, category: str) -> None:
        id_ = self._again(lambda: client.product_by_sku(sku)).id
        self._again(lambda: client.update_product(id_, ProductUpdate(category=category)))
        self.promises.products[sku].category = category

    def _add_image(self, client: AkinClient, sku: str, chance: random.Random) -> None:
        data = picture(self._seed, 10**6, chance.randrange(10**9))
        id_ = self._again(lambda: client.product_by_sku(sku)).id
        self._again(lambda: client.add_image(id_, "more.png", data))
        self.promises.products[sku].sha256s.add(hashlib.sha256(data).hexdigest())

    def _search(self) -> None:
        request = SearchRequest(text="a red dress", filters=["category=dress,hat"])
        with AkinClient(self._url) as client:
            while not self._stopped.wait(0.05):
                with self._noting("search"):
                    self._again(lambda: client.search(request))
                    self.promises.answered += 1

    # How

    def _again(self, call: Callable[[], Answer]) -> Answer:
        """Until there is an answer; whatever has not been acknowledged is simply done again."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return call()
            except (Unavailable, ApiError) as error:
                if isinstance(error, ApiError) and error.status != 503:
                    raise
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        try:
            yield
        except (ApiError, Unavailable, AssertionError) as error:
            self.promises.surprises.append(f"{what}: {error}")


def picture(seed: int, number: int, one: int) -> bytes:
    """A small PNG that no other call gives."""
    chance = random.Random(f"{seed}/{number}/{one}")
    image = Pillow.frombytes("RGB", (8, 8), chance.randbytes(8 * 8 * 3))
    buffer = io.BytesIO()
    image.resize((SIDE, SIDE), Pillow.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def _folder(_number: int, pictures: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"dress/{sku}.png": data for sku, data in pictures.items()}


def _zip(number: int, pictures: Mapping[str, bytes]) -> dict[str, bytes]:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in _folder(number, pictures).items():
            archive.writestr(name, data)
    return {f"{number}.zip": buffer.getvalue()}


def _manifest(number: int, pictures: Mapping[str, bytes]) -> dict[str, bytes]:
    lines = ["sku,image,category,colour"]
    lines += [f"{sku},{sku}.png,dress,red" for sku in pictures]
    table = {f"{number}.csv": "\n".join(lines).encode()}
    return table | {f"{sku}.png": data for sku, data in pictures.items()}


_FORMS = (_folder, _zip, _manifest)


def _started(client: AkinClient, job_id: str) -> None:
    """Start an import; that it had been started is as good."""
    try:
        client.start_import(job_id)
    except ApiError as error:
        if error.status != 409 or client.job(job_id).state == "collecting":
            raise


def _gone(client: AkinClient, product_id: str) -> None:
    """Delete a product; that it had been deleted is as good."""
    try:
        client.delete_product(product_id)
    except ApiError as error:
        if error.status != 404:
            raise
