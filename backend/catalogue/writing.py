"""Writing one product's fields: checked, compared with what is there, inserted or changed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue.attributes import KnownKinds, register_attributes, slugify
from backend.catalogue.schemas import AttributeValue, ProductFields
from backend.catalogue.tables import Image, Product, words_of
from backend.catalogue.values import link_values
from backend.database import Base
from backend.errors import InvalidInput
from backend.registry.tables import Embedding

_REQUIRED = ("title", "category", "split")


def insert_product(session: Session, sku: str, fields: ProductFields) -> Product | None:
    """A new product, its title the SKU where none is given; None if the SKU is taken."""
    values = values_of_new(session, sku, fields)
    product = session.scalar(_insert(session, Product, ["sku"]).returning(Product), values)
    if product is not None:
        link_values(session, [product], new=True)
    return product


def values_of_new(
    session: Session, sku: str, fields: ProductFields, known: KnownKinds | None = None
) -> dict[str, Any]:
    """The columns of a product to be inserted; nothing has been written where it refuses.

    known: as for `register_attributes`.
    """
    moment = clock.now()
    given = fields.model_dump(exclude_none=True, exclude={"sku"})
    values = {
        "id": str(uuid.uuid4()),
        "sku": sku,
        "title": sku,
        "category": "uncategorised",
        "split": "train",
        **given,
        "created_at": moment,
        "updated_at": moment,
    }
    check_texts(values)
    _check_price(given.get("price"), given.get("currency"))
    values["attributes"] = register_attributes(session, given.get("attributes", {}), known)
    return values


def change_product(session: Session, product: Product, given: Mapping[str, Any]) -> bool:
    """Set the given fields; whether anything was different.

    Attributes are merged; one of null goes away, and so do price and currency with a price of
    null. Raises InvalidInput as the service says.
    """
    different = set_fields(session, product, given)
    if "attributes" in different:
        link_values(session, [product])
    if different:
        raise_revisions(session, [product.id])
    return bool(different)


def set_fields(
    session: Session,
    product: Product,
    given: Mapping[str, Any],
    known: KnownKinds | None = None,
) -> set[str]:
    """Set the given fields of the object; which were different. What follows is the caller's."""
    values = _merged(session, product, given, known)
    different = {name: new for name, new in values.items() if new != getattr(product, name)}
    for name, new in different.items():
        setattr(product, name, new)
    if "title" in different:
        product.words = words_of(product.title, product.sku)
    if different:
        product.updated_at = clock.now()
    return set(different)


def raise_revisions(session: Session, product_ids: Sequence[str]) -> None:
    """Say that what galleries store beside the vectors of these products' images is stale."""
    of_these = Image.product_id.in_(product_ids)
    theirs = select(Image.id).where(of_these)
    # In the order in which an embed job locks them, so that the two cannot deadlock.
    if session.scalars(theirs.order_by(Image.id).with_for_update()).all():
        # By product: their images may be more than a statement may have parameters.
        raised = update(Image).where(of_these).values(revision=Image.revision + 1)
        session.execute(raised, execution_options={"synchronize_session": False})
        stale = update(Embedding).where(Embedding.image_id.in_(theirs)).values(image_revision=0)
        session.execute(stale, execution_options={"synchronize_session": False})


def insert_if_new(
    session: Session,
    table: type[Base],
    values: Mapping[str, Any],
    key: Sequence[str],
    **computed: ColumnElement[Any],
) -> bool:
    """Insert a row; False where one with the same key is there or is just being committed."""
    # On the connection: an import does this for every file, and the session's own way costs double.
    columns = table.__table__.c
    statement = _insert(session, table.__table__, key).values(**computed).returning(columns[key[0]])
    return session.connection().execute(statement, dict(values)).first() is not None


def check_texts(values: Mapping[str, Any]) -> None:
    """Raises InvalidInput for a text that no database could hold."""
    for name, value in values.items():
        if isinstance(value, str) and "\0" in value:
            raise InvalidInput(f"The {name} holds a NUL character: remove it.")


def _merged(
    session: Session, product: Product, given: Mapping[str, Any], known: KnownKinds | None
) -> dict[str, Any]:
    values = dict(given)
    for name in _REQUIRED:
        if name in values and values[name] is None:
            raise InvalidInput(f"The {name} of '{product.sku}' cannot be taken away: give another.")
    if "price" in values and values["price"] is None:
        values.setdefault("currency", None)
    _check_price(*(values.get(name, getattr(product, name)) for name in ("price", "currency")))
    check_texts(values)
    attributes = values.get("attributes") or {}
    values["attributes"] = _merged_attributes(session, product, attributes, known)
    return values


def _merged_attributes(
    session: Session,
    product: Product,
    given: Mapping[str, AttributeValue | None],
    known: KnownKinds | None,
) -> dict[str, AttributeValue]:
    gone = {slugify(label) for label, value in given.items() if value is None}
    new = {label: value for label, value in given.items() if value is not None}
    kept = {slug: value for slug, value in product.attributes.items() if slug not in gone}
    return {**kept, **register_attributes(session, new, known)}


def _check_price(price: object, currency: object) -> None:
    if price is not None and currency is None:
        raise InvalidInput("A price needs its currency: give three letters such as EUR with it.")
    if price is None and currency is not None:
        raise InvalidInput(f"A currency needs its price: give one, or leave {currency} away.")


def _insert(session: Session, table: Any, key: Sequence[str]) -> sqlite.Insert | postgresql.Insert:
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    statement = sqlite.insert(table) if is_sqlite else postgresql.insert(table)
    return statement.on_conflict_do_nothing(index_elements=key)
