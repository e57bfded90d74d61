"""The client's calls about the catalogue: products, their pictures, facets, exports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from backend.catalogue.schemas import (
    BulkEdit,
    BulkResult,
    CatalogueSummary,
    ExportSize,
    Facet,
    ProductCreate,
    ProductOut,
    ProductSort,
    ProductUpdate,
)
from backend.client_transport import Transport
from backend.paging import Page


class CatalogueCalls(Transport):
    """What is in the catalogue and how it changes; raises as `AkinClient` says."""

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
