"""At least one row in every table, so that a migration that loses rows is found out."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal

from backend.accounts.tables import LoginFailures, SigningKey, Token, User
from backend.audit.tables import AuditLine
from backend.catalogue.tables import (
    Attribute,
    Blob,
    Image,
    Product,
    ProductValue,
    Removal,
    ValueRow,
)
from backend.database import Base, Database
from backend.feedback.tables import Triplet
from backend.jobs.tables import ImportFile, Job, JobItem, JobPart
from backend.registry.tables import (
    Deployment,
    Embedding,
    GalleryRow,
    ModelVersion,
    Promotion,
    Replica,
)
from backend.training.tables import TrainingLogLine, TrainingPoint

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RED = hashlib.blake2b(b"red", digest_size=16).hexdigest()


def fill(database: Database) -> None:
    """Write a small catalogue, a job and a deployment."""
    for rows in (_catalogue(), _jobs(), _registry(), _audit(), _feedback(), _accounts()):
        for row in rows:
            with database.write() as session:
                session.add(row)


def _catalogue() -> list[Base]:
    return [
        Product(
            number=1,
            id="p1",
            sku="TEE-1",
            title="Red tee",
            category="t-shirt",
            split="train",
            price=Decimal("19.90"),
            currency="EUR",
            attributes={"colour": "red"},
            created_at=NOON,
            updated_at=NOON,
        ),
        Blob(sha256="a" * 64, size=9, format="png", width=3, height=3, created_at=NOON),
        Image(id="i1", product_id="p1", sha256="a" * 64, position=0, created_at=NOON),
        Attribute(slug="colour", label="Colour", kind="keyword", filterable=True, created_at=NOON),
        ValueRow(id=1, slug="colour", digest=RED, text="red"),
        ProductValue(product_number=1, value_id=1),
        Removal(image_id="i0", sha256="b" * 64, created_at=NOON),
    ]


def _audit() -> list[Base]:
    return [
        AuditLine(
            id=1,
            at=NOON,
            actor="ann",
            action="product.create",
            subject_kind="product",
            subject_id="p1",
            label="TEE-1",
            before={},
            after={"title": "Red tee"},
        )
    ]


def _jobs() -> list[Base]:
    return [
        Job(id="j1", kind="ingest", state="done", actor="local", created_at=NOON),
        JobItem(job_id="j1", position=1, name="tee.png", state="done", outcome="created"),
        JobPart(job_id="j1", number=0, first=0, last=9),
        ImportFile(job_id="j1", name="tee.png", sha256="a" * 64, size=9, received=True),
        TrainingPoint(job_id="j1", step=1, epoch=0.1, loss=2.5, lr=0.1, seconds=1.0),
        TrainingLogLine(job_id="j1", number=1, text="Begun.", created_at=NOON),
    ]


def _registry() -> list[Base]:
    return [
        Replica(id="r1", name="host:1", seen_at=NOON, loaded=[["v1", "g1"]]),
        ModelVersion(
            id="v1",
            name="first",
            backbone={"name": "akin-demo"},
            composer="sum",
            fingerprint="f" * 64,
            dim=4,
            state="ready",
            created_at=NOON,
        ),
        GalleryRow(id="g1", fingerprint="f" * 64, dim=4, created_at=NOON),
        Deployment(
            version_id="v1",
            version="first",
            gallery_id="g1",
            actor="local",
            reason="first",
            created_at=NOON,
        ),
        Promotion(
            id="r1",
            version_id="v1",
            gallery_id="g1",
            state="done",
            override=False,
            reason="",
            actor="local",
            created_at=NOON,
        ),
        Embedding(image_id="i1", gallery_id="g1", image_revision=1, created_at=NOON),
    ]


def _feedback() -> list[Base]:
    return [
        Triplet(
            id="t1",
            digest="d" * 64,
            reference_sha256="a" * 64,
            caption="in red",
            text="in red",
            target_image_id="i1",
            is_target=True,
            source="feedback",
            model_version_id="v1",
            actor="local",
            created_at=NOON,
        ),
    ]


def _accounts() -> list[Base]:
    return [
        User(id="u1", name="ann", role="admin", password_hash="x", disabled=False, created_at=NOON),
        Token(
            id="k1",
            user_id="u1",
            kind="key",
            role="manager",
            label="till",
            digest="e" * 64,
            created_at=NOON,
            expires_at=NOON,
        ),
        LoginFailures(subject="c" * 64, failures=1, last_at=NOON),
        SigningKey(id=1, key=b"k" * 32, created_at=NOON),
    ]
