"""A stand-in of Akin's HTTP API over a shop in memory, served on a real port."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import PurePosixPath
from typing import Annotated, Any, cast

from fastapi import FastAPI, Form, Query, Request, Response, UploadFile
from fastapi.responses import JSONResponse

from backend.catalogue.export_limits import with_problems
from backend.catalogue.preview_schemas import (
    ManifestPreview,
    PictureNames,
    PicturePreview,
    PreviewRequest,
)
from backend.catalogue.previewing import Known, preview_manifest, preview_pictures
from backend.catalogue.schemas import (
    BulkEdit,
    BulkResult,
    CatalogueSummary,
    ExportSize,
    Facet,
    FileClaims,
    FilesWanted,
    ImportCreate,
    ProductFields,
    ProductOut,
    ProductSort,
    ProductUpdate,
)
from backend.encoding.decoding import DecodeLimits
from backend.encoding.rendering import render_image
from backend.errors import AkinError, Conflict
from backend.jobs.schemas import JobItemOut, JobOut
from backend.paging import Page
from backend.registry.schemas import ComposerInfo, ModelInfo
from backend.search.schemas import SearchRequest, SearchResponse
from tests.api import served
from tests.ui.shop import Shop
from tests.ui.shop_jobs import add_job
from tests.ui.standin_admin import add_admin
from tests.ui.standin_compare import add_compare
from tests.ui.standin_feedback import add_feedback
from tests.ui.standin_models import add_models

Filters = Annotated[list[str], Query(default_factory=list)]

COMPOSERS = [
    ComposerInfo(name="sum", label="Sum of both", description="Adds picture and words."),
    ComposerInfo(name="combiner", label="Learned mix", description="Learned from *examples*."),
]


@contextmanager
def serve(shop: Shop, port: int = 0) -> Iterator[str]:
    """Serve the shop on loopback; the URL."""
    with _SHOWN.showing(shop), served(_app(), port) as url:
        yield url


class _Shown:
    """Stands for the shop that is served at the moment, so that one app serves those of all tests:
    FastAPI takes a fifth of a second to read the signatures of its routes."""

    def __init__(self) -> None:
        vars(self)["now"] = None

    def __getattr__(self, name: str) -> Any:
        return getattr(vars(self)["now"], name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(vars(self)["now"], name, value)

    @contextmanager
    def showing(self, shop: Shop) -> Iterator[None]:
        before = vars(self)["now"]
        vars(self)["now"] = shop
        yield
        vars(self)["now"] = before


_SHOWN = _Shown()


@cache
def _app() -> FastAPI:
    return create_app(cast(Shop, _SHOWN))


def create_app(shop: Shop) -> FastAPI:
    """The API's paths, answered from `shop`."""
    app = FastAPI()
    _add_catalogue(app, shop)
    _add_imports(app, shop)
    _add_search(app, shop)
    add_admin(app, shop)
    add_compare(app, shop)
    add_feedback(app, shop)
    add_models(app, shop)

    @app.exception_handler(AkinError)
    def problem(_: Request, error: AkinError) -> JSONResponse:
        content = {"detail": error.sentence, "code": error.code}
        return JSONResponse(content, status_code=error.status)

    @app.get("/readyz")
    def ready() -> str:
        return "ready"

    @app.get("/v1/pictures/{sha256}/{kind}")
    def picture(sha256: str, kind: str) -> Response:
        return Response(shop.pictures[sha256], media_type="image/webp")

    @app.post("/v1/pictures/thumbnail")
    def thumbnail(image: UploadFile) -> Response:
        made = render_image(image.file.read(), DecodeLimits(), name=image.filename or "")
        return Response(made.renditions["thumbnail"], media_type="image/webp")

    return app


def _add_catalogue(app: FastAPI, shop: Shop) -> None:
    @app.get("/v1/products")
    def products(
        filters: Filters,
        q: str = "",
        cursor: int = 0,
        limit: int = 50,
        sort: ProductSort = "newest",
        offset: int = 0,
    ) -> Page[ProductOut]:
        found = shop.matching(filters, q)
        if sort == "oldest":
            found.reverse()
        elif sort != "newest":
            found.sort(key=lambda product: getattr(product, sort))
        return _page(found, cursor or offset, limit)

    @app.get("/v1/products/by-sku")
    def by_sku(sku: str) -> ProductOut:
        return next((p for p in shop.products.values() if p.sku == sku), None) or shop.get(sku)

    @app.get("/v1/products/{product_id}")
    def product(product_id: str) -> ProductOut:
        return shop.get(product_id)

    @app.patch("/v1/products/{product_id}")
    def update(product_id: str, change: ProductUpdate) -> ProductOut:
        given = change.model_dump(exclude_unset=True)
        old = shop.get(product_id)
        merged = old.attributes | given.pop("attributes", {})
        given["attributes"] = {key: v for key, v in merged.items() if v is not None}
        shop.products[product_id] = old.model_copy(update=given)
        return shop.products[product_id]

    @app.delete("/v1/products/{product_id}", status_code=204)
    def delete(product_id: str) -> None:
        del shop.products[shop.get(product_id).id]

    @app.post("/v1/products/{product_id}/images")
    def add_image(product_id: str, image: UploadFile) -> ProductOut:
        shop.attach(product_id, image.file.read(), embedded=False)
        return shop.get(product_id)

    @app.delete("/v1/products/{product_id}/images/{image_id}", status_code=204)
    def remove_image(product_id: str, image_id: str) -> None:
        product = shop.get(product_id)
        product.images[:] = [image for image in product.images if image.id != image_id]

    @app.post("/v1/products/bulk")
    def bulk(edit: BulkEdit) -> BulkResult:
        for product_id in edit.product_ids:
            if edit.delete:
                del shop.products[product_id]
            elif edit.split:
                shop.products[product_id].split = edit.split
            elif edit.category:
                shop.products[product_id].category = edit.category
        return BulkResult(changed=len(edit.product_ids))

    @app.get("/v1/facets")
    def facets(filters: Filters) -> list[Facet]:
        return shop.facets(filters)

    @app.get("/v1/catalogue/export")
    def export_size(filters: Filters) -> ExportSize:
        found = shop.matching(filters)
        images = {image.sha256 for product in found for image in product.images}
        size = sum(len(shop.pictures[sha]) for sha in images)
        size_told = ExportSize(products=len(found), images=len(images), bytes=size)
        return with_problems(size_told, shop.upload_bytes)

    @app.get("/v1/catalogue/export.zip")
    def export(filters: Filters) -> Response:
        skus = " ".join(product.sku for product in shop.matching(filters))
        headers = {"Content-Disposition": 'attachment; filename="catalogue.zip"'}
        return Response(f"a zip of {skus}", media_type="application/zip", headers=headers)

    @app.get("/v1/catalogue")
    def summary() -> CatalogueSummary:
        return shop.summary()


def _add_imports(app: FastAPI, shop: Shop) -> None:
    @app.post("/v1/imports", status_code=201)
    def open_import(request: ImportCreate) -> JobOut:
        return add_job(shop, "ingest", "collecting", parameters=request.model_dump())

    @app.post("/v1/imports/preview")
    def preview(manifest: UploadFile, request: UploadFile) -> ManifestPreview:
        shop.previews += 1
        asked = PreviewRequest.model_validate_json(request.file.read())
        known = Known({}, {product.sku for product in shop.products.values()})
        return preview_manifest(manifest.file.read(), asked.name or "", asked, lambda _: known)

    @app.post("/v1/imports/preview/pictures")
    def preview_names(pictures: PictureNames) -> list[PicturePreview]:
        return preview_pictures(pictures.names)

    @app.get("/v1/imports/{job_id}/products")
    def imported(job_id: str, offset: int = 0, limit: int = 50) -> Page[ProductOut]:
        return _page([shop.products[one] for one in shop.brought.get(job_id, [])], offset, limit)

    @app.post("/v1/imports/{job_id}/files")
    def claim(job_id: str, claims: FileClaims) -> FilesWanted:
        shop.staged.setdefault(job_id, {}).update({f.sha256: f.name for f in claims.files})
        return FilesWanted(missing=[f.sha256 for f in claims.files])

    @app.put("/v1/imports/{job_id}/files/{sha256}", status_code=204)
    async def receive(job_id: str, sha256: str, request: Request) -> None:
        data = await request.body()
        assert hashlib.sha256(data).hexdigest() == sha256
        shop.pictures[sha256] = data

    @app.post("/v1/imports/{job_id}/start", status_code=202)
    def start(job_id: str) -> JobOut:
        job = shop.jobs[job_id]
        job.state, job.total = "running", len(shop.staged[job_id])
        return job

    @app.get("/v1/jobs")
    def jobs(state: str | None = None, kind: str | None = None, limit: int = 50) -> Page[JobOut]:
        found = [
            job
            for job in reversed(shop.jobs.values())
            if state in (None, job.state) and kind in (None, job.kind)
        ]
        return Page[JobOut](items=found[:limit], next_cursor=None, total=len(found))

    @app.get("/v1/jobs/{job_id}")
    def job(job_id: str) -> JobOut:
        if shop.jobs[job_id].state == "running" and job_id in shop.staged:
            _ingest(shop, shop.jobs[job_id])
        return shop.jobs[job_id]

    @app.get("/v1/jobs/{job_id}/items")
    def items(job_id: str, state: str | None = None) -> Page[JobItemOut]:
        found = [i for i in shop.items.get(job_id, []) if state in (None, i.state)]
        return Page[JobItemOut](items=found, next_cursor=None, total=len(found))

    @app.get("/v1/jobs/{job_id}/items.csv")
    def report(job_id: str, state: str | None = None) -> Response:
        found = [i for i in shop.items.get(job_id, []) if state in (None, i.state)]
        lines = [f"{item.name},{item.outcome},{item.reason or ''}" for item in found]
        return Response("\n".join(["akin_line,akin_outcome,akin_reason", *lines]))

    @app.post("/v1/jobs/{job_id}/cancel")
    def cancel(job_id: str) -> JobOut:
        if shop.jobs[job_id].finished:
            raise Conflict(f"Job {job_id} is {shop.jobs[job_id].state} already: nothing to cancel.")
        shop.jobs[job_id].state = "cancelled"
        return shop.jobs[job_id]

    @app.post("/v1/jobs/{job_id}/retry", status_code=202)
    def retry(job_id: str) -> JobOut:
        shop.jobs[job_id].state = "queued"
        return shop.jobs[job_id]


def _add_search(app: FastAPI, shop: Shop) -> None:
    @app.post("/v1/search")
    def search(request: SearchRequest) -> SearchResponse:
        return shop.search(request)

    @app.post("/v1/search/upload")
    def upload(image: UploadFile, request: Annotated[str, Form()]) -> SearchResponse:
        return shop.search(SearchRequest.model_validate_json(request), image.file.read())

    @app.get("/v1/model")
    def model() -> ModelInfo:
        return ModelInfo(
            version="akin-demo-sum",
            backbone="akin-demo" if shop.demo else "ViT-B-32",
            composer="sum",
            composers=COMPOSERS,
            fingerprint="f" * 16,
            dim=256,
            context_length=32,
            demo=shop.demo,
        )


def _page(found: list[ProductOut], start: int, limit: int) -> Page[ProductOut]:
    end = start + limit
    more = str(end) if end < len(found) else None
    return Page[ProductOut](items=found[start:end], next_cursor=more, total=len(found))


def _ingest(shop: Shop, job: JobOut) -> None:
    """Everything at once: pictures become products, other files are refused."""
    report: list[JobItemOut] = []
    for position, (sha, name) in enumerate(shop.staged[job.id].items()):
        refused = name.endswith(".csv")
        reason = f"{name} has no column sku: add one." if refused else None
        report.append(
            JobItemOut(
                position=position,
                name=name,
                state="failed" if refused else "done",
                outcome="refused" if refused else "created",
                reason=reason,
            )
        )
        if not refused:
            product = shop.add(
                PurePosixPath(name).stem,
                ProductFields(category=job.parameters["category"], split=job.parameters["split"]),
            )
            shop.attach(product.id, shop.pictures[sha])
            shop.brought.setdefault(job.id, []).append(product.id)
    failed = sum(item.state == "failed" for item in report)
    shop.items[job.id] = report
    job.state, job.done, job.failed = "done", len(report), failed
    job.result = {
        "created": len(report) - failed,
        "updated": 0,
        "unchanged": 0,
        "skipped": 0,
        "refused": failed,
        "seconds": {"plan": 0.4, "pictures": 2.0, "sql": 0.5, "total": 3.4},
    }
    job.finished_at = datetime.now(UTC)
