"""Answers as the API documentation shows them."""

from __future__ import annotations

from typing import Any

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def _picture(number: int) -> dict[str, Any]:
    return {
        "image_id": f"5d2b5a0e-4b8f-4a54-8f5e-6f2f0d9a1c3{number}",
        "sha256": _SHA256,
        "thumbnail": f"/v1/pictures/{_SHA256}/thumbnail",
        "product_id": f"0198c3a4-58f2-4f6e-9d0b-0c2f5a6f7e1{number}",
        "sku": f"TEE-004{number}",
        "title": "Red striped T-shirt",
        "split": "train",
    }


_TRIPLET = {
    "id": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "state": "candidate",
    "source": "feedback",
    "reference": _picture(1),
    "caption": "but with long sleeves",
    "target": _picture(2),
    "is_target": True,
    "split": "train",
    "text": "but with long sleeves",
    "without": [],
    "strength": 0.0,
    "session": "3f2504e0",
    "model_version": "akin-demo · sum",
    "composer": "sum",
    "gallery": "g-9f86d081884c",
    "rank": 3,
    "score": 0.93,
    "score_parts": {"active": 0.95, "zero_shot": 0.92, "said_again": 1},
    "reasons": ["It is where the words lead from the reference."],
    "actor": "local",
    "created_at": "2026-01-01T12:00:00Z",
    "reviewed_by": None,
    "reviewed_at": None,
}
_SUMMARY = {
    "states": {"candidate": 120, "accepted": 64, "rejected": 16},
    "sources": {"feedback": 150, "import": 50},
    "accepted_splits": {"train": 50, "val": 10, "mixed": 1},
    "accepted_against": 3,
    "unscored": 4,
}


def _shown(value: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:
    return {status: {"content": {"application/json": {"example": value}}}}


KEPT = _shown(_TRIPLET, 201)
TRIPLET = _shown(_TRIPLET)
PAGE = _shown({"items": [_TRIPLET], "next_cursor": "WyJuZXdlc3QiXQ", "total": 120})
SUMMARY = _shown(_SUMMARY)
REVIEWED = _shown({"changed": 480, "left": 0})
EXPORT: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
            "application/x-ndjson": {"schema": {"type": "string"}},
        },
        "description": "A list of rows, or one a line.",
    }
}
IMPORTED = _shown(
    {
        "format": "fashioniq",
        "rows": 2,
        "created": 1,
        "unchanged": 0,
        "refused": 1,
        "refusals": [{"row": 1, "reason": "no product has the SKU or image B00A: import it."}],
    },
    201,
)
HELD_OUT = _shown({"products": 14, "triplets": 13, "accepted": 64})
