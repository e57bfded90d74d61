"""What a process answers with follows the deployments, and no search notices."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from backend.composition.card import read_card
from backend.errors import InvalidInput, NotFound
from backend.registry.deployments import Active, active, deploy, to_active
from backend.registry.lifecycle import register, version_row
from backend.registry.tables import Deployment
from backend.search import serving as module
from backend.search.schemas import SearchRequest
from backend.search.serving import Serving
from tests.backend.composition.trained_models import write_model
from tests.backend.search.shop import COLOURS, Shop, picture, skus


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    for colour in COLOURS:
        shop.add(f"TEE-{colour}", picture(colour))
    return shop


@pytest.fixture
def serving(stocked: Shop) -> Iterator[Serving]:
    found = Serving(stocked.runtime, stocked.active)
    yield found
    found.close()


def version(shop: Shop, folder: Path, kind: str) -> str:
    """A version with a random network of that kind over the shop's backbone; its id."""
    write_model(folder, shop.backbone, kind, name=f"my {kind}")
    artefact = shop.runtime.artefacts.keep(folder)
    with shop.runtime.database.write() as session:
        return register(session, read_card(folder), artefact, actor="test").id


def promote(shop: Shop, version_id: str) -> Active:
    with shop.runtime.database.write() as session:
        row = version_row(session, version_id)
        return deploy(session, row, shop.active.gallery_id, actor="test", reason="")


def ask(serving: Serving, **request):
    with serving.using(request.get("search_id")) as service:
        return service.search(SearchRequest(**request))


def unreadable(_: Active) -> None:
    raise InvalidInput("The model is damaged: import it again.")


def within(seconds: float, what: Callable[[], bool]) -> bool:
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.02)
    return what()


@pytest.mark.parametrize("kind", ["combiner", "phi"])
def test_a_version_answers_with_its_own_composer(stocked, serving, tmp_path, kind):
    query = {"reference_sku": "TEE-red", "text": "blue"}
    before = ask(serving, **query)
    now = promote(stocked, version(stocked, tmp_path / "model", kind))
    assert ask(serving, **query).version == before.version, "it is not asked every time"
    serving.follow()
    after = ask(serving, **query)
    assert (after.version, after.composer, after.gallery) == (f"my {kind}", kind, now.gallery_id)
    assert [hit.score for hit in after.results] != [hit.score for hit in before.results]
    assert ask(serving, composer="sum", **query).results[0].score == before.results[0].score
    assert len(serving.current.model.backbone.fingerprint) == 64
    assert serving.current.model.backbone is stocked.runtime.models.load(stocked.active).backbone


def test_the_deployments_are_followed_by_themselves(stocked, serving, tmp_path, monkeypatch):
    """Promoted by another replica, or by a worker."""
    monkeypatch.setattr(module, "FOLLOW_SECONDS", 0.02)
    serving.start()
    promote(stocked, version(stocked, tmp_path / "model", "combiner"))
    assert within(10, lambda: ask(serving, text="blue").version == "my combiner")


def test_pages_of_a_search_stay_with_the_version_that_found_them(stocked, serving, tmp_path):
    first = ask(serving, reference_sku="TEE-red", text="blue", limit=3)
    promote(stocked, version(stocked, tmp_path / "model", "combiner"))
    serving.follow()
    rest = ask(serving, search_id=first.search_id, offset=3)
    assert (rest.version, rest.composer) == (first.version, "sum")
    assert len({*skus(first), *skus(rest)}) == len(COLOURS) - 1
    with pytest.raises(NotFound, match="This search is no longer kept"):
        ask(serving, search_id="another")


def test_a_search_that_is_under_way_ends_with_the_version_it_began_with(
    stocked, serving, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "KEPT", 0)
    with serving.using() as service:
        promote(stocked, version(stocked, tmp_path / "model", "combiner"))
        serving.follow()
        answer = service.search(SearchRequest(text="blue"))
        assert answer.version == stocked.active.version
    assert ask(serving, text="blue").version == "my combiner"


def test_going_back_loads_nothing(stocked, serving, tmp_path, monkeypatch):
    old = serving.current
    promote(stocked, version(stocked, tmp_path / "model", "combiner"))
    serving.follow()
    promote(stocked, stocked.active.version_id)

    def refuse(*_: object) -> None:
        raise AssertionError("it is in memory")

    monkeypatch.setattr(stocked.runtime.models, "load", refuse)
    serving.follow()
    assert serving.current is old


def test_a_version_is_prepared_before_it_is_deployed(stocked, serving, tmp_path, monkeypatch):
    version_id = version(stocked, tmp_path / "model", "combiner")
    with stocked.runtime.database.read() as session:
        row = Deployment(id=0, gallery_id=stocked.active.gallery_id)
        wanted = to_active(version_row(session, version_id), row)
    serving.prepare(wanted)
    serving.prepare(wanted)
    assert ask(serving, text="blue").version == stocked.active.version
    promote(stocked, version_id)
    monkeypatch.setattr(stocked.runtime.models, "load", None)
    serving.follow()
    assert ask(serving, text="blue").version == "my combiner"


def test_what_cannot_be_loaded_leaves_the_one_before(stocked, serving, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "FOLLOW_SECONDS", 0.02)
    version_id = version(stocked, tmp_path / "model", "combiner")
    with stocked.runtime.database.read() as session:
        artefact = version_row(session, version_id).artefact
    (stored,) = (stocked.runtime.settings.home / "blobs" / "artefacts").glob(f"*/{artefact}")
    data = stored.read_bytes()
    stored.write_bytes(data[:-100])
    promote(stocked, version_id)
    with pytest.raises(InvalidInput, match="is damaged: import it again"):
        serving.follow()
    serving.start()
    assert ask(serving, text="blue").version == stocked.active.version
    stored.write_bytes(data)
    assert within(10, lambda: ask(serving, text="blue").version == "my combiner")


def test_a_rollback_from_what_could_not_be_loaded_leaves_the_one_that_answers(
    stocked, serving, tmp_path, monkeypatch
):
    """The version is the one that answers, in a new deployment."""
    only = serving.current
    promote(stocked, version(stocked, tmp_path / "model", "combiner"))
    with monkeypatch.context() as broken:
        broken.setattr(stocked.runtime.models, "load", unreadable)
        with pytest.raises(InvalidInput):
            serving.follow()
    back = promote(stocked, stocked.active.version_id)
    serving.follow()
    assert serving.current is only
    assert only.active.deployment == back.deployment
    assert ask(serving, text="blue").version == stocked.active.version
    monkeypatch.setattr(module, "LIFETIME", -1.0)
    serving._let_go()
    assert ask(serving, text="blue").results, "it is not closed as one that is over"


def test_what_nobody_needs_any_more_is_let_go(stocked, serving, tmp_path, monkeypatch):
    first = serving.current
    ids = [version(stocked, tmp_path / str(n), "combiner") for n in range(4)]
    for version_id in ids:
        promote(stocked, version_id)
        serving.follow()
    assert len(serving._served) == 1 + module.KEPT
    with pytest.raises(Exception, match="shut down"):
        first.search(SearchRequest(text="never asked before"))
    monkeypatch.setattr(module, "LIFETIME", -1.0)
    serving._let_go()
    assert [one.service for one in serving._served] == [serving.current]


def test_searches_from_many_threads_never_fail_while_versions_change(stocked, serving, tmp_path):
    """Each answer is what the version it names gives, whichever that is."""
    ids = [version(stocked, tmp_path / kind, kind) for kind in ("combiner", "phi", "im2text")]
    query = {"reference_sku": "TEE-red", "text": "blue", "explain": False}
    expected: dict[str, list[float]] = {}
    for version_id in (*ids, stocked.active.version_id):
        promote(stocked, version_id)
        serving.follow()
        answer = ask(serving, **query)
        expected[answer.version] = [hit.score for hit in answer.results]
    assert len({tuple(scores) for scores in expected.values()}) == 4
    stop = threading.Event()

    def shop() -> set[str]:
        seen = set()
        while not stop.is_set():
            answer = ask(serving, **query)
            seen.add(answer.version)
            assert [hit.score for hit in answer.results] == expected[answer.version]
        return seen

    with ThreadPoolExecutor(4) as shoppers:
        found = [shoppers.submit(shop) for _ in range(4)]
        for _ in range(3):
            for version_id in (*ids, stocked.active.version_id):
                promote(stocked, version_id)
                serving.follow()
                time.sleep(0.05)
        stop.set()
        seen = set().union(*(one.result() for one in found))
    assert seen == set(expected)


def test_the_newest_row_is_what_is_followed(stocked, serving):
    with stocked.runtime.database.read() as session:
        assert active(session).deployment == serving.current.active.deployment
