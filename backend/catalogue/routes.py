"""The catalogue over HTTP."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response, UploadFile
from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.accounts.actor import Actor, require
from backend.catalogue import examples, export_routes, picture_routes, service
from backend.catalogue.facets import facets, summary
from backend.catalogue.filter_query import Filters
from backend.catalogue.listing import list_products, read_filter
from backend.catalogue.presenting import active_gallery, to_schema
from backend.catalogue.renditions import prepare_image, store_image
from backend.catalogue.schemas import (
    BulkEdit,
    BulkResult,
    CatalogueSummary,
    Facet,
    ProductCreate,
    ProductOut,
    ProductSort,
    ProductUpdate,
)
from backend.catalogue.sorted_listing import products_at
from backend.catalogue.tables import Product
from backend.dependencies import get_runtime
from backend.errors import NotFound
from backend.paging import Page
from backend.problems import PROBLEM_RESPONSES
from backend.runtime import Runtime

router = APIRouter(prefix="/v1", tags=["catalogue"], responses=PROBLEM_RESPONSES)

_SHOPPER, _MANAGER = Depends(require("shopper")), Depends(require("manager"))


@router.get("/products", summary="List products", responses=examples.PAGE, dependencies=[_SHOPPER])
def get_products(
    filters: Filters = [],  # noqa: B006 - FastAPI copies it
    q: Annotated[
        str, Query(max_length=200, description="Words in title or SKU.", examples=["red tee"])
    ] = "",
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    sort: ProductSort = "newest",
    offset: Annotated[
        int | None,
        Query(ge=0, le=10_000_000, description="Instead of a cursor: how many to pass over."),
    ] = None,
    runtime: Runtime = Depends(get_runtime),
) -> Page[ProductOut]:
    """One page of the products that match, newest first or in another order. Pages go by cursor;
    `offset` jumps to any of them."""
    with runtime.database.read() as session:
        wanted = read_filter(session, filters)
        if sort != "newest" or offset is not None:
            return products_at(
                session,
                filter=wanted,
                text=q,
                sort=sort,
                offset=offset or 0,
                cursor=cursor if offset is None else None,
                limit=limit,
            )
        return list_products(session, filter=wanted, text=q, cursor=cursor, limit=limit)


@router.post(
    "/products",
    summary="Create a product",
    status_code=HTTPStatus.CREATED,
    responses=examples.PRODUCT_CREATED,
)
def post_product(
    new: ProductCreate, actor: Actor = _MANAGER, runtime: Runtime = Depends(get_runtime)
) -> ProductOut:
    """Add a product; its images are sent afterwards."""
    with runtime.database.write() as session:
        return _shown(session, service.create_product(session, new, actor.name))


@router.get(
    "/products/by-sku",
    summary="Get a product by SKU",
    responses=examples.PRODUCT,
    dependencies=[_SHOPPER],
)
def get_product_by_sku(
    sku: Annotated[str, Query(min_length=1, max_length=200, examples=["TEE-0042"])],
    runtime: Runtime = Depends(get_runtime),
) -> ProductOut:
    """The product that has exactly this SKU."""
    with runtime.database.read() as session:
        return _shown(session, service.get_by_sku(session, sku))


@router.post(
    "/products/bulk",
    summary="Change or delete many products",
    responses=examples.BULK,
)
def post_bulk(
    edit: BulkEdit, actor: Actor = _MANAGER, runtime: Runtime = Depends(get_runtime)
) -> BulkResult:
    """Move up to a thousand products to a split or category, or delete them."""
    with runtime.database.write() as session:
        changed = service.bulk_edit(session, runtime.queue, edit, actor.name)
        return BulkResult(changed=changed)


@router.get(
    "/products/{product_id}",
    summary="Get a product",
    responses=examples.PRODUCT,
    dependencies=[_SHOPPER],
)
def get_product(product_id: str, runtime: Runtime = Depends(get_runtime)) -> ProductOut:
    """A product with its images."""
    with runtime.database.read() as session:
        return _shown(session, service.get(session, product_id))


@router.patch(
    "/products/{product_id}",
    summary="Change a product",
    responses=examples.PRODUCT,
)
def patch_product(
    product_id: str,
    change: ProductUpdate,
    actor: Actor = _MANAGER,
    runtime: Runtime = Depends(get_runtime),
) -> ProductOut:
    """Change the fields that are given; filters see the change once the embed job has run."""
    with runtime.database.write() as session:
        product = service.update_product(session, runtime.queue, product_id, change, actor.name)
        return _shown(session, product)


@router.delete(
    "/products/{product_id}",
    summary="Delete a product",
    status_code=HTTPStatus.NO_CONTENT,
)
def delete_product(
    product_id: str, actor: Actor = _MANAGER, runtime: Runtime = Depends(get_runtime)
) -> Response:
    """Delete a product with its images; stored pictures that no other product shows go too."""
    with runtime.database.write() as session:
        if not service.delete_products(session, runtime.queue, [product_id], actor.name):
            raise NotFound(f"There is no product {product_id}: it may have been deleted.")
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.post(
    "/products/{product_id}/images",
    summary="Add an image to a product",
    status_code=HTTPStatus.CREATED,
    responses=examples.PRODUCT_CREATED,
)
def post_image(
    product_id: str,
    image: UploadFile,
    actor: Actor = _MANAGER,
    runtime: Runtime = Depends(get_runtime),
) -> ProductOut:
    """Store a picture; search finds it once the embed job has run. Sent twice, nothing changes."""
    with runtime.database.read() as session:
        service.get(session, product_id)
    data = image.file.read(runtime.limits.max_bytes + 1)
    prepared = prepare_image(runtime.query_decoder, data, name=image.filename or "the file")
    sha256 = store_image(runtime.blobs, prepared)
    with runtime.database.write() as session:
        product = service.add_image(
            session, runtime.queue, product_id, sha256, prepared.facts, actor.name
        )
        shown = _shown(session, product)
    if not runtime.blobs.exists(sha256):  # an embed job removed the same bytes before the commit
        store_image(runtime.blobs, prepared)
    return shown


@router.delete(
    "/products/{product_id}/images/{image_id}",
    summary="Remove an image from a product",
    status_code=HTTPStatus.NO_CONTENT,
)
def delete_image(
    product_id: str,
    image_id: str,
    actor: Actor = _MANAGER,
    runtime: Runtime = Depends(get_runtime),
) -> Response:
    """Take one image off a product; the stored picture goes if no other product shows it."""
    with runtime.database.write() as session:
        service.delete_image(session, runtime.queue, product_id, image_id, actor.name)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get(
    "/facets", summary="What can be filtered by", responses=examples.FACETS, dependencies=[_SHOPPER]
)
def get_facets(
    filters: Filters = [],  # noqa: B006 - FastAPI copies it
    runtime: Runtime = Depends(get_runtime),
) -> list[Facet]:
    """Every filter with its values and counts; each is counted under the filters on the others."""
    with runtime.database.read() as session:
        return facets(session, read_filter(session, filters))


@router.get(
    "/catalogue",
    summary="How full the catalogue is",
    responses=examples.SUMMARY,
    dependencies=[_SHOPPER],
)
def get_summary(runtime: Runtime = Depends(get_runtime)) -> CatalogueSummary:
    """Products, images and how many of them search can find today."""
    with runtime.database.read() as session:
        return summary(session, session.scalar(select(active_gallery())))


def _shown(session: Session, product: Product) -> ProductOut:
    return to_schema(session, [product])[0]


router.include_router(export_routes.router)
router.include_router(picture_routes.router)
