"""The whole API with accounts on, and a client for each role."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient

from backend.accounts import passwords, service
from backend.app import create_app
from backend.database import Database
from backend.runtime import Runtime
from tests.backend.catalogue.stock import stocked

PASSWORD = "correct horse battery"
HERE = "192.0.2.7"


class Site:
    """Ann is an admin, Mia a manager, Sue a shopper."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.product = stocked(runtime.database)
        password_hash = passwords.hashed(PASSWORD)
        with runtime.database.write() as session:
            for name, role in (("ann", "admin"), ("mia", "manager"), ("sue", "shopper")):
                service.add(session, name, role, password_hash, "local")  # type: ignore[arg-type]
        self.app = create_app(runtime)
        self.nobody = self.client()
        self.ann, self.mia, self.sue = (self.log_in(name) for name in ("ann", "mia", "sue"))
        self.by_role = {"shopper": self.sue, "manager": self.mia, "admin": self.ann}

    def client(self, token: str | None = None) -> TestClient:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return TestClient(
            self.app,
            base_url="http://localhost",
            headers=headers,
            raise_server_exceptions=False,
        )

    def log_in(self, name: str, password: str = PASSWORD) -> TestClient:
        answer = self.nobody.post("/v1/login", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text
        return self.client(answer.json()["token"])


def told(answer: Any, status: int, words: str) -> None:
    """Check that so it was refused."""
    assert answer.status_code == status, answer.text
    assert words in answer.json()["detail"]


def a_picture(site: Site) -> str:
    """The link of a picture, as a shopper is given it."""
    path: str = site.sue.get(f"/v1/products/{site.product}").json()["images"][0]["thumbnail"]
    return path


def change(database: Database, name: str, **changes: object) -> None:
    """Change a user as Ann."""
    with database.write() as session:
        service.change(session, name, "ann", **changes)  # type: ignore[arg-type]
