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

from backend.errors import AkinError

log = structlog.get_logger()


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
    for status in (403, 404, 409, 413, 415, 422, 503)
}


def problem(status: int, detail: str, code: str) -> JSONResponse:
    """The answer for one failure."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, code=code)
    headers = {"Retry-After": "2"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(body.model_dump(), status, headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Answer every failure of the app with a problem document."""
    app.add_exception_handler(AkinError, _told)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _told(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AkinError)  # noqa: S101 - what it is registered for
    return problem(error.status, error.sentence, error.code)


def _invalid(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    told = [
        f"{'.'.join(str(part) for part in one['loc'] if part != 'body') or 'body'}: {one['msg']}"
        for one in error.errors()
    ]
    return problem(422, f"The request does not fit: {'; '.join(told)}.", "invalid-input")


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101
    detail = str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = f"There is nothing at {request.url.path}: see /docs for what there is."
    code = "too-large" if error.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else "http"
    answer = problem(error.status_code, detail, code)
    answer.headers.update(error.headers or {})
    return answer


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", path=request.url.path, exc_info=error)
    return problem(
        500, "Something went wrong inside Akin: see the server's log for this time.", "internal"
    )
