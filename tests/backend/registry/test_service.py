"""What is active, and how it becomes so at the first start and later ones."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.renditions import ImageFacts
from backend.catalogue.schemas import ProductCreate
from backend.catalogue.service import attach_image, create_product
from backend.catalogue.tables import Image
from backend.composition import artefact
from backend.encoding.backbone import Backbone
from backend.errors import NotFound, SetupError, Unavailable
from backend.gallery.port import Point
from backend.jobs.tables import Job
from backend.registry.deployments import Active, active
from backend.registry.loading import LoadedVersion
from backend.registry.service import (
    backbone_label,
    ensure_active,
    galleries,
    model_info,
)
from backend.registry.tables import Deployment, Embedding, ModelVersion
from backend.runtime import Runtime
from tests.backend.catalogue.stock import NOWHERE
from tests.backend.composition.trained_models import write_model
from tests.backend.search.shop import load_tiny_backbone, write_tiny_backbone


def start(runtime: Runtime, backbone: Backbone) -> Active:
    with runtime.database.write() as session:
        return ensure_active(session, runtime, backbone, actor="test")


def fill(runtime: Runtime, now: Active) -> str:
    """One product with one embedded image; the image's id."""
    with runtime.database.write() as session:
        product = create_product(session, ProductCreate(sku="TEE", title="Tee"))
        attach_image(session, product, "0" * 64, ImageFacts(1, "JPEG", 1, 1))
        image = session.scalars(select(Image)).one()
        session.add(
            Embedding(
                image_id=image.id,
                gallery_id=now.gallery_id,
                image_revision=1,
                created_at=clock.now(),
            )
        )
        point = Point(image.id, np.ones(now.dim, np.float32), {"product": product.id})
    runtime.galleries.open(now.gallery_id).upsert([point])
    return point.id


def count(session: Session, table: type) -> int:
    return session.scalar(select(func.count()).select_from(table)) or 0


def test_before_the_first_start_nothing_is_active(runtime):
    with runtime.database.read() as session:
        with pytest.raises(Unavailable, match="No model version is active yet: start Akin once"):
            active(session)
        assert galleries(session) == []


def test_the_first_start_deploys_a_version_with_its_gallery(runtime, tiny):
    now = start(runtime, tiny)
    assert now.version == "tiny · sum"
    assert now.composer == "sum"
    assert now.gallery_id == f"g-{tiny.fingerprint[:12]}"
    assert (now.fingerprint, now.dim) == (tiny.fingerprint, 16)
    assert runtime.galleries.open(now.gallery_id).dim == 16
    with runtime.database.read() as session:
        assert active(session) == now
        assert [gallery.id for gallery in galleries(session)] == [now.gallery_id]
        version = session.get_one(ModelVersion, now.version_id)
        assert (version.state, version.backbone) == ("ready", asdict(tiny.spec))
        assert session.scalars(select(Deployment.actor)).all() == ["test"]


def test_starting_again_changes_nothing(runtime, tiny):
    first = start(runtime, tiny)
    image_id = fill(runtime, first)
    assert start(runtime, tiny) == first
    assert list(runtime.galleries.open(first.gallery_id).fetch([image_id])) == [image_id]
    with runtime.database.read() as session:
        assert [count(session, table) for table in (ModelVersion, Deployment, Job)] == [1, 1, 0]
        assert count(session, Embedding) == 1


def test_a_gallery_left_by_a_start_that_was_killed_is_taken_over(runtime, tiny):
    runtime.galleries.create(f"g-{tiny.fingerprint[:12]}", 16)
    now = start(runtime, tiny)
    assert runtime.galleries.open(now.gallery_id).count() == 0


def test_replicas_that_start_at_once_deploy_one_version(runtime, tiny):
    with ThreadPoolExecutor(4) as replicas:
        found = set(replicas.map(lambda _: start(runtime, tiny), range(4)))
    assert len(found) == 1
    with runtime.database.read() as session:
        assert count(session, Deployment) == 1


def test_another_backbone_takes_over_an_empty_catalogue(runtime, tiny, other):
    before = start(runtime, tiny)
    now = start(runtime, other)
    assert now.fingerprint == other.fingerprint
    assert now.version == "other · sum"
    with runtime.database.read() as session:
        assert active(session) == now
        assert [gallery.id for gallery in galleries(session)] == [now.gallery_id]
    with pytest.raises(NotFound):
        runtime.galleries.open(before.gallery_id)


def test_the_first_backbone_can_come_back_while_the_catalogue_is_empty(runtime, tiny, other):
    first = start(runtime, tiny)
    start(runtime, other)
    assert start(runtime, tiny) == first


def test_on_a_filled_catalogue_another_backbone_becomes_a_version_to_be_promoted(
    runtime, tiny, other
):
    now = start(runtime, tiny)
    fill(runtime, now)
    assert start(runtime, other) == now
    with runtime.database.read() as session:
        assert active(session) == now
        assert set(session.scalars(select(ModelVersion.name))) == {"tiny · sum", "other · sum"}
        assert [gallery.id for gallery in galleries(session)] == [now.gallery_id]


def test_changed_weights_under_the_same_name_are_refused_too(runtime, tmp_path):
    folder = write_tiny_backbone(tmp_path / "model")
    fill(runtime, start(runtime, load_tiny_backbone(folder)))
    shutil.rmtree(folder)
    changed = load_tiny_backbone(write_tiny_backbone(folder, seed=1))
    with pytest.raises(SetupError, match="The weights of model are not those this catalogue was"):
        start(runtime, changed)


def test_the_same_image_tower_under_another_name_shares_the_gallery(runtime, tiny, moved):
    first = start(runtime, tiny)
    image_id = fill(runtime, first)
    now = start(runtime, moved)
    assert (now.version, now.gallery_id) == ("moved · sum", first.gallery_id)
    assert list(runtime.galleries.open(now.gallery_id).fetch([image_id])) == [image_id]


def test_a_gallery_that_is_lost_is_made_again_and_embedded_anew(runtime, tiny):
    now = start(runtime, tiny)
    fill(runtime, now)
    runtime.galleries.drop(now.gallery_id)
    assert start(runtime, tiny) == now
    assert runtime.galleries.open(now.gallery_id).count() == 0
    with runtime.database.read() as session:
        assert count(session, Embedding) == 0
        assert session.scalars(select(Job.subject)).all() == [now.gallery_id]


def test_two_versions_never_share_a_name(runtime, tiny, other, tmp_path):
    for number, backbone in enumerate((tiny, other), 1):
        with runtime.database.write() as session:
            session.add(
                ModelVersion(
                    id=f"taken-{number}",
                    name="tiny · sum" if number == 1 else "tiny · sum 2",
                    backbone=asdict(NOWHERE),
                    composer="sum",
                    fingerprint=backbone.fingerprint,
                    dim=16,
                    state="archived",
                    created_at=clock.now(),
                )
            )
    assert start(runtime, tiny).version == "tiny · sum 3"


@pytest.mark.parametrize(
    ("name", "pretrained", "label"),
    [
        ("akin-demo", None, "akin-demo"),
        ("ViT-B-32", "laion2b_s34b_b79k", "ViT-B-32 laion2b_s34b_b79k"),
        ("ViT-B-32", "/models/mine.safetensors", "ViT-B-32 mine.safetensors"),
        ("local-dir:/models/mine", None, "mine"),
        ("hf-hub:some/model", None, "hf-hub:some/model"),
    ],
)
def test_a_backbone_is_called_by_its_name_and_its_weights(name, pretrained, label):
    assert backbone_label({"name": name, "pretrained": pretrained}) == label


def test_what_answers_is_told(runtime, tiny):
    now = start(runtime, tiny)
    told = model_info(now, LoadedVersion(tiny, "sum"))
    assert told.model_dump(exclude={"composers"}) == {
        "version": now.version,
        "backbone": "tiny",
        "composer": "sum",
        "fingerprint": tiny.fingerprint,
        "dim": 16,
        "context_length": 12,
        "demo": False,
    }


def test_the_composers_it_can_answer_with_are_told_to_people_too(
    runtime, tiny, tmp_path, monkeypatch
):
    monkeypatch.setattr(artefact, "SHIPPED", tmp_path / "shipped")
    write_model(tmp_path / "shipped" / "lincir", tiny, "phi", name="lincir", recipe="lincir")
    now = start(runtime, tiny)
    composers = model_info(now, LoadedVersion(tiny, "sum")).composers
    assert [composer.name for composer in composers] == ["sum", "slerp", "product", "lincir"]
    assert composers[-1].label == "Picture as a word (LinCIR)"
    assert all(composer.description.endswith(".") for composer in composers)


def test_a_trained_composer_of_other_towers_is_not_offered(
    runtime, tiny, other, tmp_path, monkeypatch
):
    monkeypatch.setattr(artefact, "SHIPPED", tmp_path / "shipped")
    write_model(tmp_path / "shipped" / "lincir", other, "phi")
    now = start(runtime, tiny)
    composers = model_info(now, LoadedVersion(tiny, "sum")).composers
    assert [composer.name for composer in composers] == ["sum", "slerp", "product"]
