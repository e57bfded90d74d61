"""Which column of a manifest gives which field: chosen, told by its name, or by its content."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from backend.catalogue.manifest_tables import Record, Table
from backend.catalogue.naming import kind_of
from backend.catalogue.schemas import ManifestField, ManifestOptions
from backend.catalogue.sources_on_web import is_web, local_name
from backend.catalogue.unicode_forms import normalised
from backend.errors import InvalidInput

REQUIRED: tuple[ManifestField, ...] = ("sku", "image")
ChosenBy = Literal["name", "content", "you"]

# The first of these names that a manifest has gives the field; written as `normal` makes them.
ALIASES: dict[ManifestField, str] = {
    "sku": """
        sku variant_sku product_sku item_sku article_number item_number artikelnummer artikelnr
        artikel_nr art_nr bestellnummer produktnummer artikelcode product_id item_id article
        reference ref codigo code codice codice_articolo handle id""",
    "image": """
        image images image_src image_link image_url image_path image_file image_name main_image
        main_image_url picture pictures picture_url photo photos bild bilder bilddatei bild_url
        foto fotos imagen imagenes immagine immagini afbeelding filename file path""",
    "title": """
        title name product_name product_title item_name titel produktname artikelname bezeichnung
        nom nom_du_produit titre nombre titulo nome naam""",
    "category": """
        category categories product_category product_type kategorie kategorien warengruppe
        categorie categoria categorias rubrik google_product_category type""",
    "split": "split",
    "price": """
        price variant_price regular_price unit_price preis verkaufspreis prix precio preco prezzo
        prijs""",
    "currency": """
        currency currency_code price_currency wahrung waehrung devise moneda moeda valuta""",
}
_FURTHER = re.compile(
    r"additional_image_links?|variant_image|"
    r"(image|images|picture|photo|bild|foto)(_(src|url|link|path|file))?_?\d{1,2}"
)
_PAIR = {"image", "images"}
_NUMBERED = re.compile(r".*(number|nummer|numero|nr|no|code|sku|ref|key|id|ean|gtin)")
_SAMPLE = 200
_SPLIT = re.compile(r"[,;\n]")  # no blanks round it: a run of them would be gone over from each


@dataclass(frozen=True, slots=True)
class Layout:
    """Field -> the columns that give it; `others` are attributes, the rest is ignored."""

    fields: dict[ManifestField, tuple[str, ...]]
    others: tuple[str, ...]
    chosen_by: dict[str, ChosenBy]
    """Column -> what its field was told by."""
    missing: tuple[ManifestField, ...]
    """Required fields that no column gives."""

    def column(self, field: ManifestField) -> str:
        """The first column that gives a field, or the field's own name."""
        return (*self.fields[field], field)[0]


def lay_out(table: Table, options: ManifestOptions) -> Layout:
    """What each column is for.

    Raises:
        InvalidInput: for a chosen column that the table has not, or that is chosen twice.
    """
    chosen = _chosen(table, options)
    declared = {one.slug for one in table.declared}
    taken = {column for columns in chosen.values() for column in columns}
    free = [
        column
        for column in table.columns
        if column not in taken | declared and column not in options.ignored_columns
    ]
    told: dict[str, ChosenBy] = dict.fromkeys(taken, "you")
    named = {field: _by_name(field, free) for field in ALIASES if field not in chosen}
    told |= dict.fromkeys((column for columns in named.values() for column in columns), "name")
    fields = {**chosen, **named}
    for field, columns in _by_content(table, fields, chosen, [c for c in free if c not in told]):
        fields[field] = columns
        told |= dict.fromkeys(columns, "content")
    others = (c for c in table.columns if c not in told and c not in options.ignored_columns)
    missing = tuple(field for field in REQUIRED if not fields[field])
    return Layout(fields, tuple(others), told, missing)


def picture_names(value: Any, *, web: bool = False) -> list[str]:
    """The pictures that a cell names: parted by `|`, or by commas where each part is a picture's.

    Of a web address only the file's name counts, since the file has to come with the manifest;
    with `web`, which is for pictures that may be fetched, it stays as it is.
    """
    parts = value if isinstance(value, list) else [value]
    texts = [text for part in parts if part is not None for text in str(part).split("|")]
    names = [name for text in texts for name in _parted(text) if name.strip()]
    return [name if web and is_web(name) else local_name(name) for name in names]


def normal(column: str) -> str:
    """A column's name without case, accents and punctuation: `g:Image-Link *` is image_link."""
    folded = normalised("NFKD", column.casefold().removeprefix("g:"))
    plain = "".join(c for c in folded if not unicodedata.combining(c))
    return re.sub(r"[\W_]+", "_", plain).strip("_")


def _chosen(table: Table, options: ManifestOptions) -> dict[ManifestField, tuple[str, ...]]:
    chosen = {field: tuple(dict.fromkeys(names)) for field, names in options.columns.items()}
    for field, names in chosen.items():
        for name in names:
            if name not in table.columns:
                raise InvalidInput(
                    f"{table.name} has no column '{name}', which was chosen for {field} "
                    f"({_listed(table)}): choose another."
                )
        if len(names) > 1 and field != "image":
            raise InvalidInput(
                f"{len(names)} columns were chosen for {field} ({', '.join(names)}): choose one."
            )
    uses = [name for names in chosen.values() for name in names]
    twice = next((name for name in uses if uses.count(name) > 1), None)
    if twice is not None:
        raise InvalidInput(f"The column '{twice}' was chosen for two fields: choose one of them.")
    return chosen


def missing_sentence(table: Table, layout: Layout) -> str:
    """Why nothing of the manifest can be read, where a required column is missing."""
    field = layout.missing[0]
    return (
        f"{table.name} has no column '{field}' ({_listed(table)}): add it, or say which column it "
        "is; every row needs a sku and an image."
    )


def _listed(table: Table) -> str:
    return f"its columns: {', '.join(table.columns)[:1000] or 'none'}"


def _by_name(field: ManifestField, columns: Iterable[str]) -> tuple[str, ...]:
    present: dict[str, str] = {}
    for column in columns:
        present.setdefault(normal(column), column)
    first = next((present[alias] for alias in ALIASES[field].split() if alias in present), None)
    found = [] if first is None else [first]
    if field == "image":
        found += [c for name, c in present.items() if _FURTHER.fullmatch(name)]
        found += [present[name] for name in sorted(_PAIR) if present.keys() >= _PAIR]
    return tuple(dict.fromkeys(found))


def _by_content(
    table: Table,
    fields: dict[ManifestField, tuple[str, ...]],
    chosen: Iterable[str],
    free: Sequence[str],
) -> list[tuple[ManifestField, tuple[str, ...]]]:
    """A guess for each required field that no name tells, where the content makes it plain."""
    wanted = [field for field in REQUIRED if not fields[field] and field not in chosen]
    if not wanted:
        return []
    sample = [record for record in islice(table.records(), _SAMPLE) if not record.problem]
    found: list[tuple[ManifestField, tuple[str, ...]]] = []
    if "image" in wanted and (pictures := tuple(c for c in free if _holds_pictures(c, sample))):
        found.append(("image", pictures))
        free = [column for column in free if column not in pictures]
    numbers = [column for column in free if _holds_numbers(column, sample)]
    if "sku" in wanted and len(numbers) == 1:
        found.append(("sku", tuple(numbers)))
    return found


def _holds_pictures(column: str, sample: Sequence[Record]) -> bool:
    values = [record.values[column] for record in sample if column in record.values]
    named = [picture_names(value) for value in values]
    return bool(values) and all(names and all(map(_is_picture, names)) for names in named)


def _holds_numbers(column: str, sample: Sequence[Record]) -> bool:
    """Named like a number, and another one in each row."""
    if not _NUMBERED.fullmatch(normal(column)):
        return False
    values = [str(record.values.get(column, "")) for record in sample]
    return bool(values) and all(values) and len(set(values)) == len(values)


def _is_picture(name: str) -> bool:
    return kind_of(name) == "picture"


def _parted(text: str) -> list[str]:
    parts = [name for part in _SPLIT.split(text) if (name := part.strip())]
    return (
        parts
        if len(parts) > 1 and all(map(_is_picture, map(local_name, parts)))
        else [text.strip()]
    )
