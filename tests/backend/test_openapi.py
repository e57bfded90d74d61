"""What the OpenAPI says of every operation, whatever its route says itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from backend.accounts.schemas import KeyCreate, UserChange
from backend.app import create_app
from backend.catalogue.schemas import BulkEdit, FileClaim, ImportCreate
from backend.feedback.schemas import (
    FeedbackCreate,
    FeedbackUpload,
    HoldOut,
    ReviewRequest,
    TripletFilter,
)
from backend.jobs.schemas import ReconcileRequest
from backend.openapi import PROBLEM_TYPE, described
from backend.registry.schemas import PromoteRequest, VersionChange
from backend.runtime import Runtime
from backend.search.schemas import SearchRequest


@pytest.fixture
def document(runtime: Runtime) -> dict[str, Any]:
    return create_app(runtime).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_failure_is_described_as_a_problem_document(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "400":
                content = response["content"]
                schema = {"$ref": "#/components/schemas/Problem"}
                assert content == {PROBLEM_TYPE: {"schema": schema}}, (path, method, status)
    assert document["components"]["schemas"]["Problem"]["required"]
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_what_any_operation_may_answer_is_described(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        told = set(operation["responses"])
        assert "400" in told, (path, method)
        if "requestBody" in operation:
            assert {"413", "422"} <= told, (path, method)
        if method != "get":
            assert {"403", "507"} <= told, (path, method)
        if path.startswith("/v1/"):
            assert "503" in told, (path, method)


def test_when_to_try_again_and_how_to_log_in_are_described(document: dict[str, Any]) -> None:
    responses = document["paths"]["/v1/products"]["get"]["responses"]
    assert "WWW-Authenticate" in responses["401"]["headers"]
    assert "Retry-After" in responses["429"]["headers"]
    assert "Retry-After" in responses["503"]["headers"]


def test_what_a_route_says_itself_is_kept() -> None:
    said = {"200": {"description": "Yes."}, "404": {"description": "It is gone."}}
    document = {"paths": {"/x": {"get": {"responses": said}}}, "components": {"schemas": {}}}
    responses = described(document)["paths"]["/x"]["get"]["responses"]
    assert responses["200"] == {"description": "Yes."}
    assert responses["404"]["description"] == "It is gone."
    assert list(responses) == ["200", "400", "404"]


# What a body or an answer is


@pytest.mark.parametrize(
    ("method", "path", "media_type"),
    [
        ("get", "/v1/catalogue/export.zip", "application/zip"),
        ("get", "/v1/models/{version_id}/artefact", "application/zip"),
        ("get", "/v1/backup", "application/x-tar"),
    ],
)
def test_a_download_is_described_by_the_type_it_comes_with(
    document: dict[str, Any], method: str, path: str, media_type: str
) -> None:
    content = document["paths"][path][method]["responses"]["200"]["content"]
    assert content == {media_type: {"schema": {"type": "string", "format": "binary"}}}


def test_exported_triplets_are_described_as_a_list_where_they_are_one(
    document: dict[str, Any],
) -> None:
    content = document["paths"]["/v1/triplets/export"]["get"]["responses"]["200"]["content"]
    assert content["application/json"]["schema"]["type"] == "array"


@pytest.mark.parametrize("path", ["/v1/imports/{job_id}/files/{sha256}", "/v1/models/import"])
def test_a_body_that_is_streamed_is_described_as_bytes(document: dict[str, Any], path: str) -> None:
    content = document["paths"][path]["put"]["requestBody"]["content"]
    assert [one["schema"] for one in content.values()] == [{"type": "string", "format": "binary"}]


def test_what_a_request_has_to_give_is_in_its_schema(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["ProductUpdate"]["minProperties"] == 1
    ways = schemas["ReviewRequest"]["oneOf"]
    assert [way["required"] for way in ways] == [["ids"], ["filter"]]


def test_a_column_may_be_one_name_several_or_none(document: dict[str, Any]) -> None:
    columns = document["components"]["schemas"]["ImportCreate"]["properties"]["columns"]
    kinds = columns["additionalProperties"]["anyOf"]
    assert [kind["type"] for kind in kinds] == ["array", "string", "null"]
    nothing: list[Any] = [None, "", "  ", []]
    for none in nothing:
        assert ImportCreate.model_validate({"columns": {"sku": none}}).columns == {"sku": []}
    assert ImportCreate.model_validate({"columns": {"sku": "A"}}).columns == {"sku": ["A"]}


@pytest.mark.parametrize(
    ("schema", "name", "value", "others"),
    [
        (UserChange, "disabled", 0, {}),
        (KeyCreate, "days", "30", {"label": "till"}),
        (ReconcileRequest, "mend", "yes", {}),
        (ReconcileRequest, "deep", 0, {}),
        (VersionChange, "archived", 1, {}),
        (PromoteRequest, "override", "true", {}),
        (SearchRequest, "limit", "24", {}),
        (SearchRequest, "offset", True, {}),
        (SearchRequest, "strength", "0.5", {}),
        (SearchRequest, "without_weight", True, {}),
        (SearchRequest, "explain", 0, {}),
        (SearchRequest, "facets", "no", {}),
        (FeedbackCreate, "is_target", 0, {"image_id": "x"}),
        (FeedbackUpload, "keep_picture", 1, {"image_id": "x"}),
        (TripletFilter, "is_target", "true", {}),
        (TripletFilter, "score_below", "0.5", {}),
        (ReviewRequest, "limit", "9", {"state": "accepted", "ids": ["x"]}),
        (HoldOut, "share", "0.2", {}),
        (BulkEdit, "delete", 1, {"product_ids": ["x"]}),
        (FileClaim, "size", "3", {"name": "x", "sha256": "0" * 64}),
    ],
)
def test_a_body_takes_no_other_type_than_described(
    schema: type[BaseModel], name: str, value: Any, others: dict[str, Any]
) -> None:
    """Text or a number for a yes or no was taken once, and no description said so."""
    with pytest.raises(ValidationError, match=name):
        schema.model_validate({**others, name: value})


def test_a_whole_number_may_be_written_with_a_point() -> None:
    """For JSON Schema 24.0 is an integer."""
    assert SearchRequest.model_validate({"limit": 24.0}).limit == 24
    with pytest.raises(ValidationError, match="limit"):
        SearchRequest.model_validate({"limit": 24.5})
    with pytest.raises(ValidationError, match="it must be a whole number"):
        SearchRequest.model_validate({"limit": "24"})
