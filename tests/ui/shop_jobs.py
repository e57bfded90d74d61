"""Jobs of the shop in memory."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from backend.jobs.schemas import JobOut
from tests.ui.shop import Shop


def add_job(shop: Shop, kind: str, state: str, **facts: Any) -> JobOut:
    """A job of the shop, with `facts` over what a new one has."""
    blank: dict[str, Any] = {
        "stage": None,
        "done": 0,
        "failed": 0,
        "total": None,
        "error": None,
        "attempts": 1,
        "parameters": {},
        "result": {},
        "actor": "local",
        "created_at": datetime.now(UTC),
        "started_at": datetime.now(UTC),
        "finished_at": None,
    }
    job = JobOut.model_validate(
        blank | {"id": f"j{shop.number():04}", "kind": kind} | facts | {"state": state}
    )
    shop.jobs[job.id] = job
    return job
