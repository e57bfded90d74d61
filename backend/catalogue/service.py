"""The rules of the catalogue: what may be created, changed and deleted, and what follows from it.

An edit raises the revision of the product's images, and a deletion leaves a Removal for each, so
that the embed job of every gallery brings points, blobs and renditions into line.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import (
    ColumnElement,
    Select,
    delete,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session

from backend import clock
from backend.catalogue import noting
from backend.catalogue.field_types import sku_form
from backend.catalogue.lost_pictures import forget_problems
from backend.catalogue.renditions import ImageFacts
from backend.catalogue.schemas import BulkEdit, ProductCreate, ProductUpdate
from backend.catalogue.tables import Blob, Image, Product, Removal
from backend.catalogue.writing import (
    change_product,
    check_texts,
    insert_if_new,
    insert_product,
    raise_revisions,
)
from backend.database import Moment
from backend.errors import Conflict, InvalidInput, NotFound
from backend.feedback.tables import Triplet
from backend.jobs.broker import Queue
from backend.jobs.service import ensure_embed
from backend.registry.tables import Deployment, GalleryRow


def get(session: Session, product_id: str, *, for_change: bool = False) -> Product:
    """A product by id, locked until the transaction ends if it is to be changed.

    Raises:
        NotFound: if there is none.
    """
    product = _one(session, Product.id == product_id, product_id, for_change=for_change)
    if product is None:
        raise NotFound(f"There is no product {product_id}: it may have been deleted.")
    return product


def find(session: Session, sku: str, *, for_change: bool = False) -> Product | None:
    """The product with this SKU, if there is one; locked if it is to be changed."""
    form = sku_form(sku)
    return _one(session, Product.sku == form, form, for_change=for_change)


def get_by_sku(session: Session, sku: str, *, for_change: bool = False) -> Product:
    """The product with this SKU, locked if it is to be changed; raises NotFound."""
    product = find(session, sku, for_change=for_change)
    if product is None:
        raise NotFound(f"There is no product with the SKU '{sku}': look it up in the catalogue.")
    return product


def create_product(session: Session, new: ProductCreate, actor: str = "akin") -> Product:
    """Add a product without images.

    Raises:
        Conflict: if its SKU is taken.
        InvalidInput: for a price without a currency, or an attribute of another kind.
    """
    product = insert_product(session, new.sku, new)
    if product is None:
        raise Conflict(
            f"There is a product with the SKU '{new.sku}' already: change that one, or choose "
            "another SKU."
        )
    noting.note_created(session, product, actor)
    return product


def update_product(
    session: Session,
    queue: Queue,
    product_id: str,
    change: ProductUpdate,
    actor: str = "akin",
) -> Product:
    """Change the fields that are given; an attribute or price of null goes away.

    Raises:
        NotFound: if there is no such product.
        InvalidInput: for a title, category or split of null, a price without a currency, or an
            attribute of another kind.
    """
    product = get(session, product_id, for_change=True)
    before = noting.fields_of(product)
    if change_product(session, product, change.model_dump(exclude_unset=True)):
        noting.note_updated(session, product, before, actor)
        ensure_embedded(session, queue)
    return product


def bulk_edit(session: Session, queue: Queue, edit: BulkEdit, actor: str = "akin") -> int:
    """The same change to many products, or their deletion; how many it changed.

    Products that are not there, or are so already, are not counted.

    Raises:
        InvalidInput: if the edit says nothing, or both to change and to delete.
    """
    given = edit.model_dump(include={"split", "category"}, exclude_none=True)
    if bool(given) == edit.delete:
        raise InvalidInput("A bulk edit needs either a new split or category, or delete: true.")
    if edit.delete:
        return delete_products(session, queue, edit.product_ids, actor)
    check_texts(given)
    differs = or_(*(getattr(Product, name) != value for name, value in given.items()))
    ids = _locked_ids(session, edit.product_ids, differs)
    if ids:
        noting.note_edited(session, ids, given, actor)
        moment = clock.now()
        session.execute(
            update(Product).where(Product.id.in_(ids)).values(**given, updated_at=moment)
        )
        raise_revisions(session, ids)
        ensure_embedded(session, queue)
    return len(ids)


def delete_products(
    session: Session, queue: Queue, product_ids: Sequence[str], actor: str = "akin"
) -> int:
    """Delete products with their images; how many there were. Ids that are not there are ignored.

    Their points, blobs and renditions go with the next embed job of each gallery.
    """
    ids = _locked_ids(session, product_ids)
    if ids:
        noting.note_deleting(session, ids, actor)
        _leave_removals(session, Image.product_id.in_(ids))
        session.execute(delete(Product).where(Product.id.in_(ids)))
        ensure_embedded(session, queue)
    return len(ids)


def attach_image(session: Session, product: Product, sha256: str, facts: ImageFacts) -> bool:
    """Give a product a stored blob as its last image; False where it has that image already.

    The caller holds the product (created or locked in this transaction) and ends the transaction
    with `ensure_embedded`.
    """
    moment = clock.now()
    blob = {"sha256": sha256, **asdict(facts), "created_at": moment}
    insert_if_new(session, Blob, blob, ["sha256"])
    last = select(func.max(Image.position)).where(Image.product_id == product.id)
    position = func.coalesce(last.scalar_subquery() + 1, 0)
    image = {
        "id": str(uuid.uuid4()),
        "product_id": product.id,
        "sha256": sha256,
        "revision": 1,
        "created_at": moment,
    }
    is_new = insert_if_new(session, Image, image, ["product_id", "sha256"], position=position)
    if is_new:
        product.updated_at = moment
    return is_new


def add_image(
    session: Session,
    queue: Queue,
    product_id: str,
    sha256: str,
    facts: ImageFacts,
    actor: str = "akin",
) -> Product:
    """Give a product a stored blob; one that it has already heals where its bytes were lost.

    Raises:
        NotFound: if there is no such product.
    """
    product = get(session, product_id, for_change=True)
    is_new = attach_image(session, product, sha256, facts)
    is_healed = forget_problems(session, [sha256])
    if is_new or is_healed:
        action = "image.add" if is_new else "image.restore"
        noting.note_image(session, product, action, sha256, actor)
        ensure_embedded(session, queue)
    return product


def delete_image(
    session: Session, queue: Queue, product_id: str, image_id: str, actor: str = "akin"
) -> None:
    """Take one image off a product; raises NotFound."""
    product = get(session, product_id, for_change=True)
    its_images = select(Image.id, Image.sha256).where(Image.product_id == product_id)
    pictures = {found: sha256 for found, sha256 in session.execute(its_images)}  # noqa: C416
    if image_id not in pictures:
        raise NotFound(f"Product '{product.sku}' has no image {image_id}: it may be deleted.")
    noting.note_image(session, product, "image.remove", pictures[image_id], actor)
    _leave_removals(session, Image.id == image_id)
    session.execute(delete(Image).where(Image.id == image_id))
    product.updated_at = clock.now()
    ensure_embedded(session, queue)


def ensure_embedded(session: Session, queue: Queue) -> None:
    """See that an embed job is there for every gallery; the last statement of a transaction."""
    session.flush()
    newest = select(Deployment.gallery_id).order_by(Deployment.id.desc()).limit(1)
    searched = session.scalar(newest)
    for gallery_id in session.scalars(select(GalleryRow.id).order_by(GalleryRow.id)).all():
        ensure_embed(session, queue, gallery_id, searched=gallery_id == searched)


def _one(
    session: Session, which: ColumnElement[bool], key: str, *, for_change: bool
) -> Product | None:
    if "\0" in key:  # PostgreSQL refuses to look for it
        return None
    query = select(Product).where(which)
    if for_change:
        query = query.with_for_update().execution_options(populate_existing=True)
    return session.scalar(query)


def _locked_ids(
    session: Session, product_ids: Sequence[str], which: ColumnElement[bool] | None = None
) -> list[str]:
    """Those of the ids that are there; locked in the order in which an import locks its products,
    so that neither two edits nor an edit and an import can deadlock."""
    ids = [product_id for product_id in product_ids if "\0" not in product_id]
    wanted = select(Product.id).where(Product.id.in_(ids), true() if which is None else which)
    return list(session.scalars(wanted.order_by(Product.number).with_for_update()))


def _leave_removals(session: Session, which: ColumnElement[bool]) -> None:
    # In the order in which an embed job locks them, so that the two cannot deadlock.
    session.execute(select(Image.id).where(which).order_by(Image.id).with_for_update())
    images = select(Image.id, Image.sha256, literal(clock.now(), Moment)).where(which)
    columns = ["image_id", "sha256", "created_at"]
    session.execute(insert(Removal).from_select(columns, images))
    _leave_pictures_of_triplets(session, select(Image.id).where(which))


def _leave_pictures_of_triplets(session: Session, images: Select[str]) -> None:
    """Triplets go with their images; the pictures that shoppers left with them go as blobs do."""
    theirs = or_(Triplet.target_image_id.in_(images), Triplet.reference_image_id.in_(images))
    # In the order in which reviews and scorings lock them, so that no two can deadlock.
    session.execute(select(Triplet.id).where(theirs).order_by(Triplet.id).with_for_update())
    pictures = select(Triplet.id, Triplet.reference_sha256, literal(clock.now(), Moment)).where(
        theirs, Triplet.reference_sha256.is_not(None)
    )
    columns = ["image_id", "sha256", "created_at"]
    session.execute(insert(Removal).from_select(columns, pictures))
