"""Answers as the API documentation shows them."""

from __future__ import annotations

from typing import Any

_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

_PRODUCT = {
    "id": "0198c3a4-58f2-4f6e-9d0b-0c2f5a6f7e11",
    "sku": "TEE-0042",
    "title": "Red striped T-shirt",
    "category": "t-shirt",
    "split": "train",
    "price": "19.90",
    "currency": "EUR",
    "attributes": {"colour": "red", "pattern": "striped"},
    "images": [
        {
            "id": "5d2b5a0e-4b8f-4a54-8f5e-6f2f0d9a1c3b",
            "sha256": _SHA256,
            "width": 900,
            "height": 1200,
            "thumbnail": f"/v1/pictures/{_SHA256}/thumbnail",
            "preview": f"/v1/pictures/{_SHA256}/preview",
            "embedded": True,
            "problem": None,
        }
    ],
    "created_at": "2026-01-01T12:00:00Z",
    "updated_at": "2026-01-01T12:00:00Z",
}
_PAGE = {"items": [_PRODUCT], "next_cursor": "WyIyMDI2Il0", "total": 1500}
_FACETS = [
    {
        "key": "category",
        "label": "Category",
        "kind": "keyword",
        "values": [{"value": "t-shirt", "count": 310}, {"value": "dress", "count": 120}],
    },
    {"key": "price", "label": "Price", "kind": "float", "minimum": 4.9, "maximum": 189.0},
]
_SUMMARY = {
    "products": 2,
    "images": 3,
    "embedded": 2,
    "unreadable": 1,
    "categories": {"dress": 1, "t-shirt": 1},
    "splits": {"train": 1, "val": 1, "test": 0},
}

Responses = dict[int | str, dict[str, Any]]


def _answer(status: int, example: Any) -> Responses:
    return {status: {"content": {"application/json": {"example": example}}}}


PRODUCT = _answer(200, _PRODUCT)
PRODUCT_CREATED = _answer(201, _PRODUCT)
PAGE = _answer(200, _PAGE)
FACETS = _answer(200, _FACETS)
SUMMARY = _answer(200, _SUMMARY)
BULK = _answer(200, {"changed": 12})
EXPORT: Responses = {
    200: {
        "content": {
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"sku": "TEE-0042", "title": "Red striped T-shirt", '
                f'"images": ["images/{_SHA256}.jpg"]}}\n',
            }
        },
        "description": "One product a line, as a manifest that can be imported.",
    }
}
EXPORT_SIZE = _answer(
    200,
    {
        "products": 1500,
        "images": 1512,
        "bytes": 190_340_112,
        "zip_problem": None,
        "folder_problem": None,
    },
)
EXPORT_ZIP: Responses = {
    200: {
        "content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}},
        "description": "A zip of products.jsonl and the images, that can be imported.",
    }
}
