"""A typed client of Akin's HTTP API: the command line and the UI speak through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel

from backend.catalogue.schemas import (
    BulkEdit,
    BulkResult,
    CatalogueSummary,
    Facet,
    FileClaim,
    FileClaims,
    FilesWanted,
    ImportCreate,
    ProductCreate,
    ProductOut,
    ProductUpdate,
)
from backend.errors import AkinError, Unavailable
from backend.jobs.schemas import JobItemOut, JobOut
from backend.paging import Page
from backend.registry.schemas import ModelInfo
from backend.search.schemas import SearchRequest, SearchResponse

Model = TypeVar("Model", bound=BaseModel)


class ApiError(AkinError):
    """A failure the server told in a problem document."""

    def __init__(self, sentence: str, status: int, code: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code


class AkinClient:
    """One connection to a running server.

    Every method raises `ApiError` for a refusal the server explains, and `Unavailable` when no
    server answers.
    """

    def __init__(self, url: str, *, timeout: float = 60, http: httpx.Client | None = None) -> None:
        self.url = url.rstrip("/")
        self._http = http or httpx.Client(base_url=self.url, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._http.close()

    # Catalogue

    def products(
        self,
        filters: Sequence[str] = (),
        *,
        text: str = "",
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[ProductOut]:
        """One page of products, newest first."""
        query: dict[str, Any] = {"filters": list(filters), "q": text, "limit": limit}
        if cursor:
            query["cursor"] = cursor
        return Page[ProductOut].model_validate(self._send("GET", "/v1/products", params=query))

    def product(self, product_id: str) -> ProductOut:
        """One product by id."""
        return self._get(ProductOut, f"/v1/products/{product_id}")

    def product_by_sku(self, sku: str) -> ProductOut:
        """One product by SKU."""
        return self._get(ProductOut, "/v1/products/by-sku", sku=sku)

    def create_product(self, product: ProductCreate) -> ProductOut:
        """Add a product without images."""
        return self._post(ProductOut, "/v1/products", product)

    def update_product(self, product_id: str, change: ProductUpdate) -> ProductOut:
        """Change some fields of a product."""
        body = change.model_dump(mode="json", exclude_unset=True)
        return ProductOut.model_validate(
            self._send("PATCH", f"/v1/products/{product_id}", json=body)
        )

    def delete_product(self, product_id: str) -> None:
        """Delete a product with its images."""
        self._send("DELETE", f"/v1/products/{product_id}")

    def add_image(self, product_id: str, name: str, data: bytes) -> ProductOut:
        """Attach a picture to a product."""
        answer = self._send(
            "POST", f"/v1/products/{product_id}/images", files={"image": (name, data)}
        )
        return ProductOut.model_validate(answer)

    def remove_image(self, product_id: str, image_id: str) -> None:
        """Take one picture off a product."""
        self._send("DELETE", f"/v1/products/{product_id}/images/{image_id}")

    def bulk_edit(self, edit: BulkEdit) -> int:
        """The same change to many products; how many changed."""
        return self._post(BulkResult, "/v1/products/bulk", edit).changed

    def facets(self, filters: Sequence[str] = ()) -> list[Facet]:
        """Every field that can be filtered by, with counts under the filters."""
        answer = self._send("GET", "/v1/facets", params={"filters": list(filters)})
        return [Facet.model_validate(facet) for facet in answer]

    def summary(self) -> CatalogueSummary:
        """How full the catalogue is."""
        return self._get(CatalogueSummary, "/v1/catalogue")

    def export_products(self) -> Iterator[str]:
        """The catalogue as JSON lines, streamed."""
        with self._stream("/v1/catalogue/export.jsonl") as answer:
            yield from answer.iter_lines()

    def blob(self, sha256: str) -> bytes:
        """The original bytes of an image."""
        return self._raw(f"/v1/blobs/{sha256}")

    def picture(self, path: str) -> bytes:
        """The picture at a path the API gave out (a thumbnail or preview)."""
        return self._raw(path)

    # Imports

    def open_import(self, request: ImportCreate) -> JobOut:
        """Begin an import: a job that collects files."""
        return self._post(JobOut, "/v1/imports", request)

    def claim_files(self, job_id: str, files: Sequence[FileClaim]) -> list[str]:
        """Tell the import which files there are; the SHA-256 of those it has no bytes of."""
        claims = FileClaims(files=list(files))
        return self._post(FilesWanted, f"/v1/imports/{job_id}/files", claims).missing

    def send_file(self, job_id: str, sha256: str, content: bytes | Path) -> None:
        """Upload the bytes of one claimed file; a path is streamed."""
        body = content if isinstance(content, bytes) else _chunks(content)
        self._send("PUT", f"/v1/imports/{job_id}/files/{sha256}", content=body)

    def start_import(self, job_id: str) -> JobOut:
        """Everything is sent: queue the import."""
        return JobOut.model_validate(self._send("POST", f"/v1/imports/{job_id}/start"))

    # Jobs

    def jobs(
        self, *, state: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[JobOut]:
        """One page of jobs, newest first."""
        query = {"state": state, "cursor": cursor, "limit": limit}
        given = {key: value for key, value in query.items() if value is not None}
        return Page[JobOut].model_validate(self._send("GET", "/v1/jobs", params=given))

    def job(self, job_id: str) -> JobOut:
        """One job as it stands."""
        return self._get(JobOut, f"/v1/jobs/{job_id}")

    def job_items(
        self, job_id: str, *, state: str | None = None, cursor: str | None = None, limit: int = 200
    ) -> Page[JobItemOut]:
        """One page of a job's report."""
        query = {"state": state, "cursor": cursor, "limit": limit}
        given = {key: value for key, value in query.items() if value is not None}
        answer = self._send("GET", f"/v1/jobs/{job_id}/items", params=given)
        return Page[JobItemOut].model_validate(answer)

    def cancel_job(self, job_id: str) -> JobOut:
        """Ask a job to stop."""
        return JobOut.model_validate(self._send("POST", f"/v1/jobs/{job_id}/cancel"))

    def retry_job(self, job_id: str) -> JobOut:
        """Queue a failed or cancelled job again; what was done stays done."""
        return JobOut.model_validate(self._send("POST", f"/v1/jobs/{job_id}/retry"))

    # Search

    def search(
        self, request: SearchRequest, *, image: bytes | None = None, name: str = "picture"
    ) -> SearchResponse:
        """Ask a composed query; `image` is a picture of one's own as reference."""
        if image is None:
            return self._post(SearchResponse, "/v1/search", request)
        answer = self._send(
            "POST",
            "/v1/search/upload",
            data={"request": request.model_dump_json()},
            files={"image": (name, image)},
        )
        return SearchResponse.model_validate(answer)

    def model(self) -> ModelInfo:
        """What answers today."""
        return self._get(ModelInfo, "/v1/model")

    def ready(self) -> bool:
        """Whether the server says it is ready."""
        try:
            return self._http.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    # Transport

    def _get(self, model: type[Model], path: str, **query: str) -> Model:
        return model.model_validate(self._send("GET", path, params=query))

    def _post(self, model: type[Model], path: str, body: BaseModel) -> Model:
        return model.model_validate(self._send("POST", path, json=body.model_dump(mode="json")))

    def _send(self, method: str, path: str, **options: Any) -> Any:
        answer = self._request(method, path, **options)
        return None if answer.status_code == httpx.codes.NO_CONTENT else answer.json()

    def _raw(self, path: str) -> bytes:
        return self._request("GET", path).content

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise self._no_answer() from error
        _raise_for_problem(answer)
        return answer

    def _stream(self, path: str) -> _Streamed:
        return _Streamed(self._http, path)

    def _no_answer(self) -> Unavailable:
        return Unavailable(
            f"No Akin server answers at {self.url}: start one with `akin up`, or name another "
            "with --url or AKIN_URL."
        )


class _Streamed:
    """A streamed answer whose problems are raised like any other's."""

    def __init__(self, http: httpx.Client, path: str) -> None:
        self._context = http.stream("GET", path)

    def __enter__(self) -> httpx.Response:
        answer = self._context.__enter__()
        if answer.is_error:
            answer.read()
            _raise_for_problem(answer)
        return answer

    def __exit__(self, *details: Any) -> None:
        self._context.__exit__(*details)


def _chunks(path: Path, size: int = 1 << 20) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(size):
            yield chunk


def _raise_for_problem(answer: httpx.Response) -> None:
    if not answer.is_error:
        return
    try:
        problem: Mapping[str, Any] = answer.json()
        sentence, code = str(problem["detail"]), str(problem.get("code", "error"))
    except (ValueError, KeyError, TypeError):
        sentence = f"The server answered {answer.status_code} without saying why: see its log."
        code = "error"
    raise ApiError(sentence, answer.status_code, code)
