"""A typed client of Akin's HTTP API: the command line and the UI speak through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx

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
from backend.client_accounts import AccountCalls
from backend.client_models import ModelCalls
from backend.client_transport import ApiError, read_in_chunks
from backend.client_triplets import TripletCalls
from backend.jobs.schemas import JobItemOut, JobKind, JobOut, ReconcileRequest
from backend.paging import Page
from backend.search.schemas import SearchRequest, SearchResponse

__all__ = ["AkinClient", "ApiError"]


class AkinClient(AccountCalls, ModelCalls, TripletCalls):
    """One connection to a running server.

    Every method raises `ApiError` for a refusal the server explains, and `Unavailable` when no
    server answers.
    """

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
        """One page of products in any order: by cursor, or from `offset` on."""
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
        # A bucket may be where it is, and the token stays here: httpx sends none to another host.
        return self._request("GET", path, follow_redirects=True).content

    def thumbnail(self, data: bytes, name: str = "picture") -> bytes:
        """A small WebP of a picture of one's own; nothing is kept."""
        answer = self._request("POST", "/v1/pictures/thumbnail", files={"image": (name, data)})
        return answer.content

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
        body = content if isinstance(content, bytes) else read_in_chunks(content, sent)
        self._send("PUT", f"/v1/imports/{job_id}/files/{sha256}", content=body)

    def start_import(self, job_id: str) -> JobOut:
        """Everything is sent: queue the import."""
        return JobOut.model_validate(self._send("POST", f"/v1/imports/{job_id}/start"))

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

    def audit(
        self, wanted: AuditFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> Page[AuditLineOut]:
        """One page of who changed what, newest first."""
        query = (wanted or AuditFilter()).query()
        return self._page(AuditLineOut, "/v1/audit", cursor=cursor, limit=limit, **query)

    def audit_table(self, wanted: AuditFilter | None = None) -> Iterator[bytes]:
        """The same as CSV, whole and streamed."""
        yield from self._chunks("/v1/audit.csv", **(wanted or AuditFilter()).query())

    def backup(self, expect: Callable[[int], object] = lambda _: None) -> Iterator[bytes]:
        """The whole installation as one file, streamed; `expect` is told about how large it is."""
        # Before the bytes of a large model come, its hash is compared.
        with self._stream("/v1/backup", {}, timeout=600) as answer:
            expect(int(answer.headers.get("X-Akin-Expected-Bytes", 0)))
            yield from answer.iter_bytes()

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

    def ready(self) -> bool:
        """Whether the server says it is ready."""
        return self._says_yes("/readyz")

    def alive(self) -> bool:
        """Whether a server answers at all, though a part of it may be away."""
        return self._says_yes("/healthz")

    def _says_yes(self, path: str) -> bool:
        try:
            return self._http.get(path).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
