"""What the OpenAPI says of every operation because something before or around all routes does it:
middleware that refuses, outages that are told, and the one form that every failure has."""

from __future__ import annotations

from threading import Lock
from typing import Any

from fastapi import FastAPI

from backend.middleware import READING
from backend.problems import PROBLEM_RESPONSES

PROBLEM_TYPE = "application/problem+json"
_PROBLEM: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Problem"}}
_FASTAPIS = ("HTTPValidationError", "ValidationError")
"""How FastAPI would tell a request that does not fit; here that is a problem document too."""
_SECONDS = {
    "description": "Seconds after which it may be tried again.",
    "required": True,
    "schema": {"type": "integer", "minimum": 1},
}
_HEADERS: dict[str, dict[str, Any]] = {
    "401": {
        "WWW-Authenticate": {
            "description": "The scheme to log in by.",
            "required": True,
            "schema": {"type": "string"},
        }
    },
    "429": {"Retry-After": _SECONDS},
    "503": {"Retry-After": _SECONDS},
}


def describe(app: FastAPI) -> None:
    """Make `app.openapi()` tell all of that."""
    of_routes, lock = app.openapi, Lock()
    made: list[dict[str, Any]] = []

    def openapi() -> dict[str, Any]:
        with lock:  # a refusal in a thread asks for it too, and would find it half made
            if not made:
                made.append(described(of_routes()))
            return made[0]

    app.openapi = openapi  # type: ignore[method-assign]


def described(document: dict[str, Any]) -> dict[str, Any]:
    """The document that FastAPI made of the routes, completed in place."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete(path, method.upper(), operation)
    for name in _FASTAPIS:
        document["components"]["schemas"].pop(name, None)
    return document


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    responses: dict[str, Any] = operation["responses"]
    for code in _everywhere(path, method, operation):
        responses.setdefault(str(code), {"description": PROBLEM_RESPONSES[code]["description"]})
    for status, response in responses.items():
        if status >= "400":
            response["content"] = {PROBLEM_TYPE: _PROBLEM}
            if status == "422":  # FastAPI's own words for it are others
                response["description"] = PROBLEM_RESPONSES[422]["description"]
            if status in _HEADERS:
                response["headers"] = _HEADERS[status]
    operation["responses"] = dict(sorted(responses.items()))


def _everywhere(path: str, method: str, operation: dict[str, Any]) -> list[int]:
    """What may be answered before the route is asked, or because a part of the house is down."""
    statuses = [400]  # by the check of the host's name, or for a body that cannot be read
    if method not in READING:
        statuses.append(403)  # for a page of another site
    if "requestBody" in operation:
        statuses.append(413)
    if "requestBody" in operation or operation.get("parameters"):
        statuses.append(422)
    if path.startswith("/v1/"):
        statuses.append(503)
        if method not in READING:
            statuses.append(507)
    return statuses
