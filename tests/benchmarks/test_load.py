"""The clients of the measurements: what they count, and what they leave alone."""

from __future__ import annotations

from collections import Counter
from contextlib import AbstractContextManager

import httpx
import pytest
from filelock import FileLock
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.load import Load, put_on
from benchmarks.serving import searchable_copy
from tests.api import served

pytestmark = pytest.mark.long


class Shop:
    """Answers as the search does; number 13 is refused."""

    def __init__(self) -> None:
        self.asked: Counter[int] = Counter()
        self.now = self.most = 0

    async def answer(self, request: Request) -> JSONResponse:
        self.now += 1
        self.most = max(self.most, self.now)
        number = (await request.json())["number"]
        self.asked[number] += 1
        self.now -= 1
        if number == 13:
            return JSONResponse({"detail": "unlucky"}, status_code=503)
        return JSONResponse({"timings_ms": {"gallery": 2.0, "total": 0.0}})


def serve(shop: Shop) -> AbstractContextManager[str]:
    return served(Starlette(routes=[Route("/", shop.answer, methods=["POST"])]))


def loaded(shop: Shop, clients: int, first: int, count: int, warm_up: int) -> Load:
    with serve(shop) as url:
        return put_on(
            lambda number: httpx.Request("POST", url, json={"number": number}),
            clients,
            first,
            count,
            warm_up,
        )


def test_each_request_is_asked_once_and_the_warm_up_is_not_counted() -> None:
    shop = Shop()
    load = loaded(shop, clients=4, first=100, count=20, warm_up=5)
    assert shop.asked == Counter(range(100, 125))
    assert shop.most <= 4
    assert (len(load.latencies), load.asked, load.failures) == (20, 25, [])
    assert load.stage("gallery") == 2.0
    assert load.stage("decode") == 0.0
    assert 0 < load.median <= load.worst
    assert load.outside == load.median
    assert load.own_cpu > 0


@pytest.mark.parametrize("warm_up", [2, 8])
def test_a_refused_request_is_a_failure_in_the_warm_up_too(warm_up: int) -> None:
    load = loaded(Shop(), clients=2, first=10, count=10, warm_up=warm_up)
    assert load.failures == ['503 {"detail":"unlucky"}']


def test_a_server_that_is_not_there_is_a_failure() -> None:
    load = put_on(lambda _: httpx.Request("POST", "http://127.0.0.1:9/"), 2, 0, 3, 0)
    assert len(load.failures) == 3


def test_rounds_of_a_load_add_up() -> None:
    one, other = Load([1.0], [{}], [], 2, 1.0, 0.5), Load([3.0], [{}], ["x"], 4, 3.0, 0.5)
    one.add(other)
    assert (one.median, one.rate, one.own_share, one.asked) == (2.0, 0.5, 0.25, 6)
    assert one.failures == ["x"]


def test_a_searchable_copy_has_no_pictures_and_the_folder_stays_as_it_was(tmp_path) -> None:
    home = tmp_path / "home"
    for name in ("akin.sqlite3", "akin.sqlite3-wal", "galleries/g/x.dat", "blobs/ab/picture"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(name)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*.*")}
    copy = searchable_copy(home, tmp_path / "copy")
    assert (copy / "galleries/g/x.dat").read_text() == "galleries/g/x.dat"
    assert (copy / "akin.sqlite3-wal").exists()
    assert not (copy / "blobs").exists()
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_folder_that_a_server_holds_is_not_copied(tmp_path) -> None:
    (tmp_path / "akin.sqlite3").touch()
    with (
        FileLock(tmp_path / ".lock"),
        pytest.raises(SystemExit, match=r"A server holds .*: stop it first\."),
    ):
        searchable_copy(tmp_path, tmp_path / "copy")


def test_a_folder_without_a_catalogue_is_told(tmp_path) -> None:
    with pytest.raises(SystemExit, match="There is no filled data folder"):
        searchable_copy(tmp_path, tmp_path / "copy")
