"""How stored pictures and manifest rows become products (DESIGN, Decision 8).

Many at a time: a batch reads what is there once, judges its items one after the other in memory,
and writes everything at the end, in a dozen statements. An item that is refused has changed
nothing by then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.attributes import KnownKinds
from backend.catalogue.field_types import sku_form
from backend.catalogue.naming import skus_for, title_of
from backend.catalogue.renditions import ImageFacts
from backend.catalogue.schemas import OnConflict, ProductFields
from backend.catalogue.tables import Blob, Image, Product
from backend.catalogue.values import link_values
from backend.catalogue.writing import raise_revisions, set_fields, values_of_new
from backend.errors import Conflict

Outcome = Literal["created", "updated", "unchanged", "skipped"]


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture whose bytes are in the blob store."""

    sha256: str
    facts: ImageFacts


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a file or row, and the product that has it now."""

    outcome: Outcome
    product_id: str


class Batch:
    """Files and rows that are written together, in a transaction that ends with `ensure_embedded`.

    The products that are there are locked. Should another transaction create one of the new ones
    first, `write` fails with SQLAlchemy's IntegrityError: do the batch again.
    """

    def __init__(self, session: Session, skus: Iterable[str]) -> None:
        """skus: of the items to come; those not named are looked up when they come."""
        self._session = session
        self._kinds: KnownKinds = {}
        self._products: dict[str, Product | None] = {}
        self._images: dict[str, dict[str, int]] = defaultdict(dict)  # product: picture: position
        self._created: list[Product] = []
        self._changed: dict[str, set[str]] = defaultdict(set)  # product: fields
        self._attached: list[Image] = []
        self._blobs: dict[str, ImageFacts] = {}
        self._look_up(skus)

    def take_file(self, sku: str, fields: ProductFields, picture: StoredPicture) -> Taken:
        """A picture that no manifest describes: a product of its own, unless it is there already.

        fields: those of the new product. While the SKU belongs to other pictures, digits of the
        hash are added to it.
        """
        for candidate in skus_for(sku, picture.sha256):
            product = self._find(candidate)
            if product is None:
                product = self._create(candidate, _titled(candidate, fields))
                self._attach(product, picture)
                return Taken("created", product.id)
            if picture.sha256 in self._images[product.id]:
                return Taken("unchanged", product.id)
            if not self._images[product.id]:
                self._attach(product, picture)
                return Taken("updated", product.id)
        raise Conflict(f"Every SKU that could be made for '{sku}' is taken: rename the file.")

    def take_row(
        self,
        sku: str,
        fields: ProductFields,
        pictures: Sequence[StoredPicture],
        *,
        on_conflict: OnConflict,
        defaults: ProductFields,
    ) -> Taken:
        """A manifest row: its product is created or changed, and given the pictures it lacks.

        Fields that are not given, and attributes that are not named, stay as they are.
        defaults: what a new product has where `fields` says nothing.

        Raises:
            Conflict: if the product is there and `on_conflict` is error.
            InvalidInput: for fields that the catalogue refuses.
        """
        product = self._find(sku)
        if product is None:
            given = defaults.model_dump(exclude_none=True) | fields.model_dump(exclude_none=True)
            product = self._create(sku, _titled(sku, ProductFields(**given)))
            for picture in pictures:
                self._attach(product, picture)
            return Taken("created", product.id)
        if on_conflict == "error":
            raise Conflict(there_already(sku))
        if on_conflict == "skip":
            return Taken("skipped", product.id)
        different = self._change(product, fields)
        new = [self._attach(product, picture) for picture in pictures]
        return Taken("updated" if different or any(new) else "unchanged", product.id)

    def write(self) -> None:
        """Write what the items amount to."""
        session = self._session
        self._write_blobs()
        session.add_all(self._created)
        session.flush()
        link_values(session, self._created, new=True)
        products = {product.id: product for product in self._products.values() if product}
        relinked = [key for key, fields in self._changed.items() if "attributes" in fields]
        link_values(session, [products[product_id] for product_id in relinked])
        raise_revisions(session, list(self._changed))
        session.add_all(self._attached)
        session.flush()

    def _look_up(self, skus: Iterable[str]) -> None:
        forms = {sku_form(sku) for sku in skus} - self._products.keys()
        self._products |= dict.fromkeys(forms)
        # PostgreSQL refuses to look for a NUL, and no product has one.
        named = select(Product).where(Product.sku.in_([form for form in forms if "\0" not in form]))
        locked = named.order_by(Product.number).with_for_update()
        found = self._session.scalars(locked.execution_options(populate_existing=True)).all()
        self._products |= {product.sku: product for product in found}
        images = select(Image.product_id, Image.sha256, Image.position)
        theirs = images.where(Image.product_id.in_([product.id for product in found]))
        for product_id, sha256, position in self._session.execute(theirs) if found else ():
            self._images[product_id][sha256] = position

    def _find(self, sku: str) -> Product | None:
        form = sku_form(sku)
        if form not in self._products:
            self._look_up([form])
        return self._products[form]

    def _create(self, sku: str, fields: ProductFields) -> Product:
        product = Product(**values_of_new(self._session, sku, fields, self._kinds))
        self._created.append(product)
        self._products[sku_form(sku)] = product
        return product

    def _change(self, product: Product, fields: ProductFields) -> bool:
        given = fields.model_dump(exclude_none=True)
        different = set_fields(self._session, product, given, self._kinds)
        if different and product.number is not None:  # else it is yet to be inserted
            self._changed[product.id] |= different
        return bool(different)

    def _attach(self, product: Product, picture: StoredPicture) -> bool:
        """Give a product a picture as its last image; False where it has that one already."""
        images, moment = self._images[product.id], clock.now()
        if picture.sha256 in images:
            return False
        position = max(images.values(), default=-1) + 1
        images[picture.sha256] = position
        self._blobs[picture.sha256] = picture.facts
        self._attached.append(
            Image(
                id=str(uuid4()),
                product_id=product.id,
                sha256=picture.sha256,
                position=position,
                created_at=moment,
            )
        )
        product.updated_at = moment
        return True

    def _write_blobs(self) -> None:
        """In one order, so that two imports of the same pictures cannot deadlock."""
        moment = clock.now()
        rows = [
            {"sha256": sha256, **asdict(facts), "created_at": moment}
            for sha256, facts in sorted(self._blobs.items())
        ]
        on_sqlite = self._session.get_bind().dialect.name == "sqlite"
        statement = sqlite.insert(Blob) if on_sqlite else postgresql.insert(Blob)
        if rows:
            self._session.execute(statement.on_conflict_do_nothing(), rows)


def there_already(sku: str) -> str:
    """Why a row is refused where `on_conflict` is error."""
    return (
        f"There is a product with the SKU '{sku}' already: import with --on-conflict update or "
        "skip."
    )


def _titled(sku: str, fields: ProductFields) -> ProductFields:
    title = fields.title or title_of(sku, fields.category)
    return fields.model_copy(update={"title": title})
