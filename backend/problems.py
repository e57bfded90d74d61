"""Failures over HTTP: RFC 9457 problem documents, one shape for every error."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import compile_path

from backend.errors import AkinError, TooMany
from backend.metrics import ERRORS
from backend.outages import OUTAGES, told
from backend.security_headers import SECURITY_HEADERS

log = structlog.get_logger()

REQUEST_ID = "X-Request-ID"
"""The header by which a request and its answer are known in the logs."""
SHOWN_MISTAKES = 5
"""Of one request: a body of a thousand wrong entries gets an answer that can be read."""


class Problem(BaseModel):
    """A problem document."""

    type: str = "about:blank"
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    detail: str = Field(
        description="What happened, where, and what to do: one sentence.",
        examples=["There is a product with the SKU TEE-0042 already: change that one."],
    )
    code: str = Field(examples=["conflict"])


PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": HTTPStatus(status).phrase}
    for status in (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 507)
}


def problem(status: int, detail: str, code: str) -> JSONResponse:
    """The answer for one failure; `detail` may hold any text."""
    ERRORS.labels(status, code).inc()
    shown = detail.encode(errors="backslashreplace").decode()  # half a character has no UTF-8
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=shown, code=code)
    return JSONResponse(
        body.model_dump(), status, _HEADERS.get(status), media_type="application/problem+json"
    )


def refusal(request: Request, error: Exception) -> JSONResponse:
    """The answer to an AkinError or an outage, for what stands before the application."""
    return _told(request, error) if isinstance(error, AkinError) else _outage(request, error)


def install(app: FastAPI) -> None:
    """Answer every failure of the app with a problem document."""
    app.add_exception_handler(AkinError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _cut_short)
    for outage in (*OUTAGES, UnicodeEncodeError):
        app.add_exception_handler(outage, _outage)
    app.add_exception_handler(Exception, _unexpected)


def _told(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AkinError)  # noqa: S101 - what it is registered for
    answer = problem(error.status, error.sentence, error.code)
    if isinstance(error, TooMany):
        answer.headers["Retry-After"] = str(error.seconds)
    return answer


def _outage(request: Request, error: Exception) -> JSONResponse:
    known = told(error)
    if known is None:
        return _unexpected(request, error)
    log.warning("request failed", path=request.url.path, error=str(error))
    return problem(known.status, known.sentence, known.code)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    mistakes = [_mistake(one) for one in error.errors()]
    shown = "; ".join(mistakes[:SHOWN_MISTAKES])
    more = len(mistakes) - SHOWN_MISTAKES
    rest = f"; and {more:,} more" if more > 0 else ""
    return problem(422, f"The request does not fit: {shown}{rest}.", "invalid-input")


def _mistake(error: dict[str, Any]) -> str:
    if error["type"] == "json_invalid":
        reason = str(error["ctx"]["error"]).lower()
        return f"the body is no JSON from character {error['loc'][-1]} on ({reason})"
    where = ".".join(str(part) for part in error["loc"] if part != "body") or "body"
    return f"{where[:200]}: {error['msg']}"


def _cut_short(_request: Request, _error: Exception) -> JSONResponse:
    """Nobody reads this answer; without it the log would call it our mistake."""
    return problem(400, "The connection ended in the middle of the request.", "cut-short")


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    path, detail = request.url.path, str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {path}: see /docs for what there is."
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"{path} does not take {request.method}: see /docs for what it takes."
    elif error.status_code == HTTPStatus.BAD_REQUEST:
        detail = f"The body of the request cannot be read ({detail.lower()}): see /docs."
    code = "too-large" if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "http"
    answer = problem(error.status_code, detail, code)
    answer.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := _methods(request)):
        answer.headers["Allow"] = ", ".join(methods)
    return answer


def _methods(request: Request) -> list[str]:
    """All that the path takes, which the router tells of one of its routes only; empty for a path
    that is not described.

    `/models/compare` is itself, though a version could be called so: the fewest parameters win.
    """
    paths: dict[str, dict[str, Any]] = request.app.openapi()["paths"]
    found = [one for one in paths if compile_path(one)[0].match(request.url.path)]
    nearest = min(found, key=lambda one: one.count("{"), default=None)
    return [] if nearest is None else sorted(method.upper() for method in paths[nearest])


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    """Made outside of every middleware, so what they add to answers is set here."""
    request_id = getattr(request.state, "request", None)
    log.error("request failed", path=request.url.path, request=request_id, exc_info=error)
    answer = problem(
        500, "Something went wrong inside Akin: see the server's log for this time.", "internal"
    )
    answer.headers.update(SECURITY_HEADERS)
    if request_id is not None:
        answer.headers[REQUEST_ID] = request_id
    return answer


_HEADERS: dict[int, dict[str, str]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": 'Bearer realm="Akin"'},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": "2"},
    HTTPStatus.REQUEST_TIMEOUT: {"Connection": "close"},  # what still comes is not read
}
