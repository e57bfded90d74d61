"""The life of a model on a living catalogue: no search fails, none mixes a version with another's
gallery, while versions are promoted, embedded for and rolled back between uploads and deletes."""

from __future__ import annotations

import threading
import time

import pytest

from backend.client import AkinClient, ApiError
from backend.composition.artefact import untrained_model
from backend.registry.schemas import PromoteRequest, RollbackRequest, VersionOut
from backend.training.schemas import TrainRequest, TripletData
from tests.end_to_end.model_life import (
    Shoppers,
    Truth,
    accept_triplets,
    add_product,
    add_version,
    backbone_of,
    delete_product,
    exported,
    model_of,
    other_towers,
    png,
    within,
)
from tests.end_to_end.server import Server

pytestmark = pytest.mark.long

PRODUCTS = 150
OVERRIDE = PromoteRequest(reason="nothing is held out here", override=True)


@pytest.fixture(scope="module")
def url(servers, tiny) -> str:
    server: Server = servers("--no-ui", "--backbone", tiny)
    return server.url


@pytest.fixture(scope="module")
def client(url):
    with AkinClient(url, timeout=120) as found:
        yield found


@pytest.fixture(scope="module")
def truth(client, tiny) -> Truth:
    """A filled shop, and what its first version ought to answer."""
    found = Truth()
    model = client.model()
    gallery = f"g-{model.fingerprint[:12]}"
    found.know(model.version, gallery, untrained_model(backbone_of(tiny)))
    for number in range(PRODUCTS):
        colour = (number * 37 % 256, number * 91 % 256, number * 53 % 256)
        add_product(client, found, f"TEE-{number:03d}", png(colour, number))
    within(120, lambda: client.summary().embedded == PRODUCTS)
    return found


class Keeper:
    """A manager who uploads and deletes all the time."""

    def __init__(self, url: str, truth: Truth) -> None:
        self._url, self._truth = url, truth
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep)
        self.changes = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _keep(self) -> None:
        number = 1000
        with AkinClient(self._url, timeout=120) as client:
            while not self._stop.wait(0.1):
                number += 1
                add_product(client, self._truth, f"NEW-{number}", png((9, 99, 199), number))
                if number % 2:
                    delete_product(client, f"NEW-{number - 2}")
                self.changes += 1


def trained_image_tower(client: AkinClient) -> VersionOut:
    """Fine-tuned on the catalogue's accepted triplets, so hard that it sees otherwise."""
    options = {"encoder": "image", "epochs": 3, "batch": 20, "lr": 3e-3, "loaders": 0}
    job = client.train(
        TrainRequest(
            recipe="clip-finetune", parameters=options, data=TripletData(), name="trained tower"
        )
    )
    within(120, lambda: client.job(job.id).finished)
    assert client.job(job.id).state == "done", client.job(job.id).error
    return client.find_version("trained tower")


def test_a_new_image_tower_takes_over_and_goes_again_while_people_search(
    client, url, truth, tiny, tmp_path
):
    first = client.model().version
    accept_triplets(client, [f"TEE-{number:03d}" for number in range(40)])
    references = [f"TEE-{number:03d}" for number in range(0, PRODUCTS, 7)]
    with Shoppers(url, truth, references) as shoppers, Keeper(url, truth) as keeper:
        within(60, lambda: shoppers.have_seen(first))
        version = trained_image_tower(client)
        version_id = version.id
        folder = exported(client, version_id, tmp_path / "trained")
        truth.know(version.name, f"g-{version.fingerprint[:12]}", model_of(folder))
        assert not truth.look_alike(first, version.name, "TEE-000"), "a mix-up would not be seen"
        with pytest.raises(ApiError, match="does not pass the gate"):
            client.promote(version_id, PromoteRequest())
        asked = client.promote(version_id, OVERRIDE)
        assert asked.state == "waiting"
        within(120, lambda: client.promotion().state == "deployed")
        within(60, lambda: shoppers.have_seen(version.name))
        back = client.rollback(RollbackRequest(reason="only to see"))
        assert (back.state, back.version) == ("deployed", first)
        seen = shoppers.answers[first]
        within(60, lambda: shoppers.have_seen(first, seen + 3))
        again = client.promote(version_id, OVERRIDE)
        assert again.state in ("deployed", "waiting"), "its gallery is kept and followed uploads"
        within(60, lambda: client.model().version == version.name)
        within(60, lambda: keeper.changes >= 10)
    assert set(shoppers.answers) == {first, version.name}
    _both_galleries_hold_the_catalogue(client)
    client.rollback(RollbackRequest())


def test_a_new_text_tower_takes_over_at_once(client, url, truth, tiny, tmp_path):
    first = client.model().version
    folder = other_towers(tmp_path / "other", backbone_of(tiny), "text")
    version_id = add_version(client, folder)
    version = next(one for one in client.models().items if one.id == version_id)
    truth.know(version.name, truth.galleries[first], model_of(folder))
    jobs = client.jobs().total
    with Shoppers(url, truth, ["TEE-000", "TEE-001"]) as shoppers:
        within(60, lambda: shoppers.have_seen(first))
        assert client.promote(version_id, OVERRIDE).state == "deployed"
        within(10, lambda: shoppers.have_seen(version.name))
        assert client.model().version == version.name
    assert client.jobs().total == jobs, "nothing is embedded anew"
    client.rollback(RollbackRequest())


def _both_galleries_hold_the_catalogue(client: AkinClient) -> None:
    def counted() -> bool:
        found = client.summary()
        return found.images == found.embedded

    within(60, counted)
    time.sleep(0.5)
    assert client.jobs(state="failed").items == []
