"""A typed client of Akin's HTTP API: the command line and the UI speak through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel

from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.catalogue.preview_schemas import ManifestPreview, PicturePreview, PreviewRequest
from backend.catalogue.schemas import (
    BulkEdit,
    BulkResult,
    CatalogueSummary,
    ExportSize,
    Facet,
    FileClaim,
    FileClaims,
    FilesWanted,
    ImportCreate,
    ProductCreate,
    ProductOut,
    ProductSort,
    ProductUpdate,
)
from backend.errors import AkinError, NotFound, Unavailable
from backend.feedback.schemas import (
    FeedbackCreate,
    HeldOut,
    HoldOut,
    PictureNames,
    ReviewRequest,
    ReviewResult,
    TripletFilter,
    TripletFormat,
    TripletImport,
    TripletOrder,
    TripletOut,
    TripletSource,
    TripletSummary,
    TripletUpdate,
)
from backend.jobs.schemas import JobItemOut, JobKind, JobOut, ReconcileRequest
from backend.paging import Page
from backend.registry.gallery_schemas import GalleriesOut
from backend.registry.schemas import (
    DeploymentOut,
    ModelInfo,
    PromoteRequest,
    PromotionOut,
    RollbackRequest,
    VersionChange,
    VersionOut,
)
from backend.search.compare_schemas import ComparedSearch, CompareSearchRequest
from backend.search.schemas import SearchRequest, SearchResponse
from backend.training.measuring_schemas import CompareRequest
from backend.training.schemas import CurvesOut, LogOut, RecipeOut, TrainRequest

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
        sort: ProductSort = "newest",
        offset: int | None = None,
    ) -> Page[ProductOut]:
        """One page of products: by cursor newest first, or in any order from `offset` on."""
        query: dict[str, Any] = {"filters": list(filters), "q": text, "limit": limit, "sort": sort}
        if cursor:
            query["cursor"] = cursor
        if offset is not None:
            query["offset"] = offset
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

    def export_products(self, filters: Sequence[str] = ()) -> Iterator[str]:
        """The catalogue as JSON lines, streamed; what an import needs to know comes first."""
        yield from self._lines("/v1/catalogue/export.jsonl", filters=list(filters))

    def export_zip(self, filters: Sequence[str] = ()) -> Iterator[bytes]:
        """The catalogue with its images as a zip, streamed."""
        yield from self._chunks("/v1/catalogue/export.zip", filters=list(filters))

    def export_size(self, filters: Sequence[str] = ()) -> ExportSize:
        """How large an export would be."""
        answer = self._send("GET", "/v1/catalogue/export", params={"filters": list(filters)})
        return ExportSize.model_validate(answer)

    def blob(self, sha256: str) -> bytes:
        """The original bytes of an image."""
        return self._raw(f"/v1/blobs/{sha256}")

    def picture(self, path: str) -> bytes:
        """The picture at a path the API gave out (a thumbnail or preview)."""
        return self._raw(path)

    def thumbnail(self, data: bytes, name: str = "picture") -> bytes:
        """A small WebP of a picture of one's own; nothing is kept."""
        answer = self._request("POST", "/v1/pictures/thumbnail", files={"image": (name, data)})
        return answer.content

    # Imports

    def open_import(self, request: ImportCreate) -> JobOut:
        """Begin an import: a job that collects files."""
        return self._post(JobOut, "/v1/imports", request)

    def preview_manifest(
        self, name: str, content: bytes | Path, request: PreviewRequest
    ) -> ManifestPreview:
        """What an import would make of a manifest; nothing is kept."""
        asked = request.model_copy(update={"name": name}).model_dump_json()
        with BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
            # A form's field ends at a megabyte, which the names of many pictures exceed.
            files = {
                "manifest": ("manifest", file),
                "request": ("request.json", asked, "application/json"),
            }
            answer = self._send("POST", "/v1/imports/preview", files=files)
        return ManifestPreview.model_validate(answer)

    def preview_pictures(self, names: Sequence[str]) -> list[PicturePreview]:
        """The products that pictures would become, told by their names; at most a hundred."""
        body = {"names": list(names)}
        answer = self._send("POST", "/v1/imports/preview/pictures", json=body)
        return [PicturePreview.model_validate(one) for one in answer]

    def imported_products(
        self, job_id: str, *, cursor: str | None = None, limit: int = 50, offset: int = 0
    ) -> Page[ProductOut]:
        """One page of the products that an import made or changed."""
        query: dict[str, Any] = {"limit": limit, "offset": offset}
        query |= {"cursor": cursor} if cursor else {}
        answer = self._send("GET", f"/v1/imports/{job_id}/products", params=query)
        return Page[ProductOut].model_validate(answer)

    def claim_files(self, job_id: str, files: Sequence[FileClaim]) -> list[str]:
        """Tell the import which files there are; the SHA-256 of those it has no bytes of."""
        claims = FileClaims(files=list(files))
        return self._post(FilesWanted, f"/v1/imports/{job_id}/files", claims).missing

    def send_file(
        self,
        job_id: str,
        sha256: str,
        content: bytes | Path,
        sent: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Upload the bytes of one claimed file; a path is streamed, and `sent` told of each part.

        Several threads may do so at the same time.
        """
        body = content if isinstance(content, bytes) else _read_in_chunks(content, sent)
        self._send("PUT", f"/v1/imports/{job_id}/files/{sha256}", content=body)

    def start_import(self, job_id: str) -> JobOut:
        """Everything is sent: queue the import."""
        return JobOut.model_validate(self._send("POST", f"/v1/imports/{job_id}/start"))

    # Jobs

    def jobs(
        self,
        *,
        state: str | None = None,
        kind: JobKind | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[JobOut]:
        """One page of jobs, newest first."""
        return self._page(JobOut, "/v1/jobs", state=state, kind=kind, cursor=cursor, limit=limit)

    def models(
        self, *, state: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[VersionOut]:
        """One page of model versions, newest first."""
        return self._page(VersionOut, "/v1/models", state=state, cursor=cursor, limit=limit)

    def version(self, version_id: str) -> VersionOut:
        """One model version."""
        return self._get(VersionOut, f"/v1/models/{version_id}")

    def job(self, job_id: str) -> JobOut:
        """One job as it stands."""
        return self._get(JobOut, f"/v1/jobs/{job_id}")

    def job_items(
        self, job_id: str, *, state: str | None = None, cursor: str | None = None, limit: int = 200
    ) -> Page[JobItemOut]:
        """One page of a job's report."""
        path = f"/v1/jobs/{job_id}/items"
        return self._page(JobItemOut, path, state=state, cursor=cursor, limit=limit)

    def job_report(self, job_id: str, state: str | None = None) -> Iterator[bytes]:
        """A job's report as CSV, streamed; with `state` failed, what was refused."""
        query = {} if state is None else {"state": state}
        yield from self._chunks(f"/v1/jobs/{job_id}/items.csv", **query)

    def cancel_job(self, job_id: str) -> JobOut:
        """Ask a job to stop."""
        return JobOut.model_validate(self._send("POST", f"/v1/jobs/{job_id}/cancel"))

    def reconcile(self, request: ReconcileRequest) -> JobOut:
        """Compare SQL, blobs and galleries, and mend what differs: the job that does it."""
        return self._post(JobOut, "/v1/jobs/reconcile", request)

    def retry_job(self, job_id: str) -> JobOut:
        """Queue a failed or cancelled job again; what was done stays done."""
        return JobOut.model_validate(self._send("POST", f"/v1/jobs/{job_id}/retry"))

    def galleries(self) -> GalleriesOut:
        """Every gallery and how far it holds the catalogue."""
        return self._get(GalleriesOut, "/v1/galleries")

    # Audit log

    def audit(
        self, wanted: AuditFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> Page[AuditLineOut]:
        """One page of who changed what, newest first."""
        query = (wanted or AuditFilter()).query()
        return self._page(AuditLineOut, "/v1/audit", cursor=cursor, limit=limit, **query)

    def audit_table(self, wanted: AuditFilter | None = None) -> Iterator[bytes]:
        """The same as CSV, whole and streamed."""
        yield from self._chunks("/v1/audit.csv", **(wanted or AuditFilter()).query())

    # Training

    def recipes(self) -> list[RecipeOut]:
        """The training methods, with the schema of their options."""
        return [RecipeOut.model_validate(one) for one in self._send("GET", "/v1/recipes")]

    def train(self, request: TrainRequest) -> JobOut:
        """Start a training job."""
        return self._post(JobOut, "/v1/train", request)

    def curves(self, job_id: str, *, after: int = 0, limit: int = 500) -> CurvesOut:
        """Loss and figures of a training job behind a step."""
        query = {"after": str(after), "limit": str(limit)}
        return self._get(CurvesOut, f"/v1/jobs/{job_id}/curves", **query)

    def training_log(self, job_id: str, *, after: int = 0, limit: int = 200) -> LogOut:
        """The newest lines of a training job's log behind a line."""
        query = {"after": str(after), "limit": str(limit)}
        return self._get(LogOut, f"/v1/jobs/{job_id}/log", **query)

    def measure(self, version_id: str) -> JobOut:
        """Measure a version on the held-out triplets: the job that does it."""
        return JobOut.model_validate(self._send("POST", f"/v1/models/{version_id}/measure"))

    def compare(self, request: CompareRequest) -> JobOut:
        """Compare two versions over all held-out triplets: the job, whose result is a
        `Comparison`."""
        return self._post(JobOut, "/v1/models/compare", request)

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

    def compare_search(
        self, request: CompareSearchRequest, *, image: bytes | None = None, name: str = "picture"
    ) -> ComparedSearch:
        """Ask two versions the same; `image` is a picture of one's own as reference."""
        if image is None:
            return self._post(ComparedSearch, "/v1/models/compare/search", request)
        answer = self._send(
            "POST",
            "/v1/models/compare/search/upload",
            data={"request": request.model_dump_json()},
            files={"image": (name, image)},
        )
        return ComparedSearch.model_validate(answer)

    # Feedback and triplets

    def give_feedback(
        self, feedback: FeedbackCreate, *, image: bytes | None = None, name: str = "picture"
    ) -> TripletOut:
        """Say of a result that it is the one, or is not; `image` is the picture of one's own that
        the search began with, and `feedback` then a `FeedbackUpload`."""
        if image is None:
            return self._post(TripletOut, "/v1/feedback", feedback)
        answer = self._send(
            "POST",
            "/v1/feedback/upload",
            data={"feedback": feedback.model_dump_json()},
            files={"image": (name, image)},
        )
        return TripletOut.model_validate(answer)

    def triplets(
        self,
        wanted: TripletFilter | None = None,
        *,
        order: TripletOrder = "newest",
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[TripletOut]:
        """One page of the triplets that match."""
        given = {} if wanted is None else wanted.model_dump(exclude_none=True)
        return self._page(
            TripletOut, "/v1/triplets", **given, order=order, cursor=cursor, limit=limit
        )

    def triplet(self, triplet_id: str) -> TripletOut:
        """One triplet."""
        return self._get(TripletOut, f"/v1/triplets/{triplet_id}")

    def triplet_summary(self) -> TripletSummary:
        """How many triplets there are."""
        return self._get(TripletSummary, "/v1/triplets/summary")

    def update_triplet(self, triplet_id: str, change: TripletUpdate) -> TripletOut:
        """Accept or reject one, or correct its sentence."""
        body = change.model_dump(mode="json", exclude_unset=True)
        return TripletOut.model_validate(
            self._send("PATCH", f"/v1/triplets/{triplet_id}", json=body)
        )

    def import_triplets(
        self, name: str, data: bytes, source: TripletSource = "import"
    ) -> TripletImport:
        """Bring in a file in FashionIQ's, CIRR's or Akin's format as candidates."""
        answer = self._send(
            "POST", "/v1/triplets/import", data={"source": source}, files={"file": (name, data)}
        )
        return TripletImport.model_validate(answer)

    def export_triplets(
        self,
        format: TripletFormat = "akin",  # noqa: A002 - the word of the API
        split: str | None = None,
        names: PictureNames = "sku",
    ) -> Iterator[bytes]:
        """The accepted triplets as a file, streamed."""
        query = {"format": format, "names": names} | ({} if split is None else {"split": split})
        yield from self._chunks("/v1/triplets/export", **query)

    def hold_out(self, wanted: HoldOut) -> HeldOut:
        """Move a share of the accepted triplets, with their products, out of training."""
        return self._post(HeldOut, "/v1/triplets/hold-out", wanted)

    def score_triplets(self) -> JobOut:
        """Say of every candidate how consistent it is: the job that does it."""
        return JobOut.model_validate(self._send("POST", "/v1/triplets/score"))

    def review_triplets(self, request: ReviewRequest) -> ReviewResult:
        """One decision about many triplets."""
        return self._post(ReviewResult, "/v1/triplets/review", request)

    def model(self) -> ModelInfo:
        """What answers today."""
        return self._get(ModelInfo, "/v1/model")

    def find_version(self, wanted: str) -> VersionOut:
        """The model version of this name or id; raises NotFound."""
        cursor: str | None = None
        while True:
            page = self.models(cursor=cursor, limit=200)
            for version in page.items:
                if wanted in (version.name, version.id):
                    return version
            if (cursor := page.next_cursor) is None:
                raise NotFound(
                    f"No model version is called {wanted}: list them with `akin models list`."
                )

    def import_model(self, packed: Path, name: str | None = None) -> VersionOut:
        """Make a version of a packed artefact."""
        query = {} if name is None else {"name": name}
        body = _read_in_chunks(packed, lambda _: None)
        answer = self._send("PUT", "/v1/models/import", params=query, content=body)
        return VersionOut.model_validate(answer)

    def export_model(self, version_id: str) -> Iterator[bytes]:
        """The packed artefact of a version, piece by piece."""
        return self._chunks(f"/v1/models/{version_id}/artefact")

    def change_version(self, version_id: str, change: VersionChange) -> VersionOut:
        """Rename a version, or put it away."""
        body = change.model_dump(mode="json", exclude_unset=True)
        answer = self._send("PATCH", f"/v1/models/{version_id}", json=body)
        return VersionOut.model_validate(answer)

    def delete_version(self, version_id: str) -> None:
        """Delete a version that nothing needs."""
        self._send("DELETE", f"/v1/models/{version_id}")

    def promote(self, version_id: str, request: PromoteRequest) -> PromotionOut:
        """Let a version answer: deployed at once, or waiting for its gallery."""
        return self._post(PromotionOut, f"/v1/models/{version_id}/promote", request)

    def rollback(self, request: RollbackRequest) -> PromotionOut:
        """Let the version before answer again."""
        return self._post(PromotionOut, "/v1/models/rollback", request)

    def deployments(self, *, cursor: str | None = None, limit: int = 50) -> Page[DeploymentOut]:
        """One page of what answered when, newest first."""
        return self._page(DeploymentOut, "/v1/deployments", cursor=cursor, limit=limit)

    def promotion(self) -> PromotionOut | None:
        """The promotion that waits for its gallery, else the last that did; None without any."""
        try:
            return self._get(PromotionOut, "/v1/promotion")
        except ApiError as error:
            if error.status == httpx.codes.NOT_FOUND:
                return None
            raise

    def withdraw_promotion(self) -> PromotionOut:
        """Let the promotion that waits be."""
        return PromotionOut.model_validate(self._send("DELETE", "/v1/promotion"))

    def ready(self) -> bool:
        """Whether the server says it is ready."""
        try:
            return self._http.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    # Transport

    def _page(self, kind: type[Model], path: str, /, **query: str | int | None) -> Page[Model]:
        given = {key: value for key, value in query.items() if value is not None}
        answer = self._send("GET", path, params=given)
        return Page[kind].model_validate(answer)  # type: ignore[valid-type]

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

    def _chunks(self, path: str, **query: Any) -> Iterator[bytes]:
        with self._stream(path, query) as answer:
            yield from answer.iter_bytes()

    def _lines(self, path: str, **query: Any) -> Iterator[str]:
        with self._stream(path, query) as answer:
            yield from answer.iter_lines()

    @contextmanager
    def _stream(self, path: str, query: Mapping[str, Any]) -> Iterator[httpx.Response]:
        """A streamed answer whose problems are raised like any other's."""
        try:
            with self._http.stream("GET", path, params=query) as answer:
                if answer.is_error:
                    answer.read()
                    _raise_for_problem(answer)
                yield answer
        except httpx.TransportError as error:
            raise self._no_answer() from error

    def _no_answer(self) -> Unavailable:
        return Unavailable(
            f"No Akin server answers at {self.url}: start one with `akin up`, or name another "
            "with --url or AKIN_URL."
        )


def _read_in_chunks(path: Path, sent: Callable[[int], object]) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            yield chunk
            sent(len(chunk))


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
