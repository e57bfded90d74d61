"""The items of an import's plan: one a product to be, of a picture or of a manifest's row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from pydantic import BaseModel

from backend.catalogue.attribute_kinds import Samples
from backend.catalogue.field_types import sku_form
from backend.catalogue.manifest_rows import BadRow, Row, cells_of
from backend.catalogue.naming import fields_of, folder_of, join, kind_of
from backend.catalogue.schemas import ImportCreate, ProductFields
from backend.catalogue.sources_on_web import is_web, local_name
from backend.errors import InvalidInput
from workers.plan_scratch import Scratch
from workers.staged_files import FileSource

SKU_LENGTH = 200
EXPECTED_BYTES = 16 * 1024 * 1024
"""What a picture on the web counts for until it is here: eight are fetched at a time."""


class ItemPlan(BaseModel):
    """One product to be: what a job item's payload holds."""

    sku: str
    fields: ProductFields
    pictures: list[FileSource]
    from_manifest: bool = False
    manifest: str | None = None
    """The name of the manifest, for a report that says the row again."""
    after: int | None = None
    """The position of the last item before it that has the same SKU, to be done first."""

    def cells(self) -> dict[str, str] | None:
        """The manifest's row, as a CSV of refusals says it; None for a plain picture."""
        if self.manifest is None:
            return None
        images = tuple(source.name for source in self.pictures)
        return cells_of(Row(0, self.sku, self.fields, images), self.manifest)


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the report to be; `plan` is None where `refusal` says why, in a sentence."""

    name: str
    plan: ItemPlan | None = None
    refusal: str | None = None
    cells: dict[str, str] | None = None
    """What stands in a refused row of a manifest."""
    row_sku: str | None = None
    """The SKU of a refused row."""

    @property
    def sku(self) -> str | None:
        """Of the product that the line is about; None where it is about none."""
        if self.plan is not None:
            return sku_form(self.plan.sku)
        if self.row_sku is not None:
            return sku_form(self.row_sku)[:SKU_LENGTH] or None
        return sku_form(fields_of(self.name).sku) if kind_of(self.name) == "picture" else None


def row_items(name: str, scratch: Scratch, samples: Samples) -> Iterator[Item]:
    """The rows of the manifest that is in the scratch, the refused ones first.

    Also the pictures of refused rows are named: a row's mistake must not make them products.
    """
    for bad in scratch.refused():
        samples.add_refused(bad)
        _name_pictures(name, bad, scratch)
        shown = _row_name(name, bad.number, bad.sku)
        yield Item(shown, refusal=bad.sentence, cells=bad.cells, row_sku=bad.sku)
    for row in scratch.rows():
        samples.add(row)
        _name_pictures(name, row, scratch)
        yield _row_item(name, row, scratch)


def file_item(source: FileSource, path: str, request: ImportCreate) -> Item:
    """A picture that no manifest names, found at this path."""
    found = fields_of(path)
    fields = ProductFields(
        category=found.category or request.category, split=found.split or request.split
    )
    return Item(source.name, ItemPlan(sku=found.sku, fields=fields, pictures=[source]))


def _name_pictures(manifest: str, row: Row | BadRow, scratch: Scratch) -> None:
    for image in row.images:
        scratch.mark_named(_sent_as(image, manifest))


def _sent_as(image: str, manifest: str) -> str:
    """The name under which a picture comes along: of a web address, its file's beside the list."""
    if not is_web(image):
        return image
    with suppress(InvalidInput):
        return join(folder_of(manifest), local_name(image))
    return image


def _row_item(name: str, row: Row, scratch: Scratch) -> Item:
    shown = _row_name(name, row.number, row.sku)
    sources: list[FileSource] = []
    for image in row.images:
        source = scratch.picture(_sent_as(image, name))
        if source is None and is_web(image):
            source = FileSource(name=image, sha256="", size=EXPECTED_BYTES, web=image)
        if source is None:
            refusal = (
                f"{name}, row {row.number}: the picture {image} did not come with the "
                "manifest: put it where the row says, and import again."
            )
            return Item(shown, refusal=refusal, cells=cells_of(row, name), row_sku=row.sku)
        sources.append(source)
    plan = ItemPlan(
        sku=row.sku, fields=row.fields, pictures=sources, from_manifest=True, manifest=name
    )
    return Item(shown, plan)


def _row_name(manifest: str, number: int, sku: str) -> str:
    shown = f"{manifest}, row {number}"
    return f"{shown} ({sku})" if sku else shown
