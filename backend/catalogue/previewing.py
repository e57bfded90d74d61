"""A manifest looked at before it is imported: what it would become, and what would be refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from operator import itemgetter
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue.attribute_kinds import samples_of
from backend.catalogue.attributes import convert, kind_of, slugify
from backend.catalogue.intake import there_already
from backend.catalogue.manifest_columns import Layout, lay_out, missing_sentence
from backend.catalogue.manifest_rows import Row
from backend.catalogue.manifest_tables import Table, read_table
from backend.catalogue.manifests import Manifest, read_rows
from backend.catalogue.naming import fields_of, title_of
from backend.catalogue.preview_schemas import (
    ColumnPreview,
    ColumnUse,
    ManifestPreview,
    PicturePreview,
    PreviewRequest,
    ProductPreview,
    RowProblem,
)
from backend.catalogue.schemas import AttributeKind, AttributeValue
from backend.catalogue.sources_on_web import is_web
from backend.catalogue.tables import Attribute, Product
from backend.catalogue.unicode_forms import composed
from backend.errors import InvalidInput

PRODUCTS, PROBLEMS = 20, 50
_EXAMPLES, _EXAMPLE = 3, 60
_PICTURES = 20
_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalogue knows: the kinds of its attributes by slug, and those of the SKUs asked
    for that it has."""

    kinds: dict[str, AttributeKind]
    skus: set[str]


def preview_manifest(
    data: bytes,
    name: str,
    request: PreviewRequest,
    look_up: Callable[[Sequence[str]], Known],
    *,
    web: bool = False,
) -> ManifestPreview:
    """What an import would make of a manifest; a required column that is missing is told in it.

    look_up: what the catalogue knows about these SKUs. web: whether pictures on the web are
        fetched; then none of them is missed.

    Raises:
        InvalidInput: where it is no table at all, or a chosen column is not there.
        TooLarge: for more rows or columns than a manifest may have.
    """
    table = read_table(data, name, request.encoding)
    layout = lay_out(table, request)
    count, columns = _columns(table, layout)
    shown = ManifestPreview(
        name=name,
        encoding=table.encoding,
        delimiter=table.delimiter,
        rows=count,
        missing=list(layout.missing),
        columns=columns,
    )
    if layout.missing:
        return shown.model_copy(update={"refusal": missing_sentence(table, layout)})
    manifest = read_rows(table, layout, request, web=web)
    known = look_up([row.sku for row in manifest.rows])
    kinds = _kinds(known, layout, manifest)
    return _filled(shown, manifest, kinds, known.skus, request)


def preview_pictures(names: Iterable[str]) -> list[PicturePreview]:
    """The products that pictures would become if no manifest described them."""
    found = {name: fields_of(name) for name in names}
    return [
        PicturePreview(
            name=name,
            sku=one.sku,
            title=title_of(one.sku, one.category),
            category=one.category,
            split=one.split,
        )
        for name, one in found.items()
    ]


def known_to(session: Session, skus: Sequence[str]) -> Known:
    """What the catalogue in the database knows."""
    rows = session.execute(select(Attribute.slug, Attribute.kind))
    parts = (skus[start : start + _AT_ONCE] for start in range(0, len(skus), _AT_ONCE))
    found = (session.scalars(select(Product.sku).where(Product.sku.in_(part))) for part in parts)
    return Known(
        {slug: cast(AttributeKind, kind) for slug, kind in rows},
        {sku for scalars in found for sku in scalars},
    )


@dataclass(frozen=True, slots=True)
class _Kinds:
    """What an attribute's values are read as, by column; or why they cannot be read."""

    by_column: dict[str, AttributeKind]
    problems: dict[str, str]

    def problem_of(self, row: Row) -> str | None:
        """Why the catalogue would refuse one of the row's attributes, if it would."""
        try:
            for column, value in (row.fields.attributes or {}).items():
                if column in self.problems:
                    return self.problems[column]
                convert(column, value, self.by_column[column])
        except InvalidInput as error:
            return error.sentence
        return None


def _columns(table: Table, layout: Layout) -> tuple[int, list[ColumnPreview]]:
    """How many rows there are, and each column with what stands in it."""
    count = 0
    filled: Counter[str] = Counter()
    examples: dict[str, list[str]] = {column: [] for column in table.columns}
    for record in table.records():
        count += 1
        filled.update(record.values.keys())
        for column, value in record.values.items():
            few = examples.setdefault(column, [])
            if len(few) < _EXAMPLES and (text := _shown(value)) not in few:
                few.append(text)
    uses: dict[str, ColumnUse] = {c: f for f, columns in layout.fields.items() for c in columns}
    uses |= dict.fromkeys(layout.others, "attribute")
    return count, [
        ColumnPreview(
            name=column,
            use=uses.get(column, "ignored"),
            chosen_by=layout.chosen_by.get(column, None if column in uses else "you"),
            filled=filled[column],
            examples=examples[column],
        )
        for column in table.columns
    ]


def _kinds(known: Known, layout: Layout, manifest: Manifest) -> _Kinds:
    declared = {one.slug: one.kind for one in manifest.declared}
    samples = samples_of(manifest)
    kinds: dict[str, AttributeKind] = {}
    problems: dict[str, str] = {}
    columns: dict[str, str] = {}
    for column in layout.others:
        try:
            slug = slugify(column)
        except InvalidInput as error:
            problems[column] = error.sentence
            continue
        other = columns.setdefault(slug, column)
        if other != column:
            problems[column] = (
                f"The attributes '{other}' and '{column}' have the same key '{slug}': rename one, "
                "or ignore it."
            )
        kinds[column] = known.kinds.get(slug) or declared.get(slug) or _kind(samples.get(column))
    return _Kinds(kinds, problems)


def _kind(sample: AttributeValue | None) -> AttributeKind:
    return "keyword" if sample is None else kind_of(sample)


def _filled(
    shown: ManifestPreview,
    manifest: Manifest,
    kinds: _Kinds,
    existing: Collection[str],
    request: PreviewRequest,
) -> ManifestPreview:
    """The preview with its products and problems, as the import would take each row."""
    stock = None if request.pictures is None else set(map(composed, request.pictures))
    good: list[Row] = []
    absent = skipped = 0
    problems = [(bad.number, bad.sku, bad.sentence) for bad in manifest.refused]
    for row in manifest.rows:
        exists = row.sku in existing
        missing = _absent(row, stock)
        if missing is not None:
            absent += 1
            told = f"{shown.name}, row {row.number}: the picture {missing} did not come along."
            problems.append((row.number, row.sku, told))
        elif exists and request.on_conflict == "skip":
            skipped += 1
        elif exists and request.on_conflict == "error":
            problems.append((row.number, row.sku, there_already(row.sku)))
        elif sentence := kinds.problem_of(row):
            problems.append((row.number, row.sku, sentence))
        else:
            good.append(row)
    for column in shown.columns:
        column.kind = kinds.by_column.get(column.name)
        column.problem = kinds.problems.get(column.name)
    first = nsmallest(PROBLEMS, problems, key=itemgetter(0))
    return shown.model_copy(
        update={
            "good": len(good),
            "bad": len(problems),
            "existing": sum(row.sku in existing for row in good),
            "skipped": skipped,
            "absent": absent,
            "products": [_product(row, row.sku in existing) for row in good[:PRODUCTS]],
            "problems": [RowProblem(row=n, sku=sku, sentence=told) for n, sku, told in first],
        }
    )


def _absent(row: Row, stock: Collection[str] | None) -> str | None:
    """The first picture of a row that did not come along, if one did not."""
    if stock is None:
        return None
    return next((i for i in row.images if not is_web(i) and composed(i) not in stock), None)


def _product(row: Row, exists: bool) -> ProductPreview:
    fields = row.fields.model_dump()
    if not exists:
        fields["title"] = fields["title"] or title_of(row.sku, fields["category"])
    return ProductPreview(
        **fields, row=row.number, sku=row.sku, images=list(row.images[:_PICTURES]), exists=exists
    )


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= _EXAMPLE else f"{text[: _EXAMPLE - 1]}…"
