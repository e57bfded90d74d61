"""Answers as the API documentation shows them."""

from __future__ import annotations

from typing import Any

from backend.catalogue.examples import PRODUCT

_PRODUCT = PRODUCT[200]["content"]["application/json"]["example"]
_IMAGE = _PRODUCT["images"][0]
_ANSWER = {
    "search_id": "hM0nCq0rJmWv1kO2d7tG5A",
    "version": "akin-demo · sum",
    "gallery": "g-9f86d081884c",
    "composer": "sum",
    "results": [
        {
            "rank": 1,
            "score": 0.731408,
            "product": _PRODUCT,
            "image_id": _IMAGE["id"],
            "matched_images": 1,
            "share": {"image": 0.31, "text": 0.17, "baseline": 0.25},
        }
    ],
    "total": 214,
    "offset": 0,
    "reference": {"kind": "upload", "image_id": None, "product": None, "sha256": _IMAGE["sha256"]},
    "text_cut": False,
    "unseen_words": [],
    "facets": None,
    "timings_ms": {
        "wait": 0.2,
        "prepare": 1.1,
        "decode": 4.2,
        "encode_image": 21.0,
        "encode_text": 9.3,
        "compose": 0.1,
        "gallery": 2.4,
        "products": 3.0,
        "explain": 0.9,
        "total": 42.3,
    },
}

ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"example": _ANSWER}}}
}
