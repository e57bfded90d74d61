"""Captions from what the catalogue says of its own products: titles, categories, attributes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from backend.catalogue.manifest_columns import Layout, lay_out, picture_names
from backend.catalogue.manifest_tables import Table, read_table
from backend.catalogue.schemas import ManifestOptions
from backend.errors import InvalidInput
from workers.captioning.captions import Cancelled, Captions, Report, tidy

MANIFESTS = ("products.jsonl", "products.csv")
"""What a catalogue's table is called: that of `akin export`, that of `akin dataset wardrobe`."""

_SILENT = frozenset({"none", "no", "false", "n/a"})  # values that say what a product has not
_FIELD = re.compile(r"\{([^{}]*)\}")


class MetadataCaptioner:
    """One caption a picture, from the row of the manifest that names it.

    template: a sentence with columns in braces, "{colour} {category} with {sleeves} sleeves"; a
    row that lacks one of them has no caption. Without a template the title is the caption, and
    where there is none, the attributes followed by the category: "red striped dress".

    Raises InvalidInput where the manifest is missing or cannot be read, has no column of pictures,
    or lacks a column of the template.
    """

    name = "metadata"

    def __init__(self, manifest: Path, template: str | None = None) -> None:
        self._manifest = manifest
        self._table = _read(manifest)
        self._layout = lay_out(self._table, ManifestOptions())
        if "image" in self._layout.missing:
            raise InvalidInput(
                f"{manifest} has no column that names pictures (its columns: "
                f"{', '.join(self._table.columns)}): add one called image."
            )
        self._template = template
        self._check_template()

    def caption(
        self,
        pictures: Mapping[str, Path],
        categories: Mapping[str, str],
        report: Report,
        cancelled: Cancelled,
    ) -> Captions:
        rows = self._rows_of(pictures)
        texts = {name: text for name in pictures if (text := self._words(rows.get(name)))}
        failed = {name: self._why(name, rows) for name in pictures if name not in texts}
        report("captions", len(pictures), len(pictures))
        return Captions(texts, failed)

    def categories(self, pictures: Mapping[str, Path]) -> dict[str, str]:
        """The category of each picture whose row gives one."""
        column = self._layout.column("category")
        rows = self._rows_of(pictures)
        return {name: str(row[column]) for name, row in rows.items() if row.get(column)}

    def _rows_of(self, pictures: Mapping[str, Path]) -> dict[str, Mapping[str, Any]]:
        """The row of each picture: the first that names its file, else the only one that names a
        file called so, as FashionIQ calls pictures by their file's name without its ending."""
        by_path: dict[Path, Mapping[str, Any]] = {}
        by_stem: dict[str, list[Mapping[str, Any]]] = {}
        for name, values in self._rows():
            by_path.setdefault((self._manifest.parent / name).absolute(), values)
            by_stem.setdefault(PurePosixPath(name).stem, []).append(values)
        found = {}
        for name, path in pictures.items():
            alike = by_stem.get(path.stem, [])
            row = by_path.get(path.absolute(), alike[0] if len(alike) == 1 else None)
            if row is not None:
                found[name] = row
        return found

    def _rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every picture's name with the values of its row."""
        for record in self._table.records():
            for column in self._layout.fields["image"]:
                for name in picture_names(record.values.get(column)):
                    yield name, record.values

    def _words(self, values: Mapping[str, Any] | None) -> str:
        if values is None:
            return ""
        if self._template is not None:
            return _filled(self._template, values)
        title = tidy(str(values.get(self._layout.column("title"), "")))
        return title or _described(values, self._layout)

    def _why(self, name: str, rows: Mapping[str, Mapping[str, Any]]) -> str:
        if name not in rows:
            return f"no row of {self._manifest} names it"
        if self._template is not None:
            return f"its row in {self._manifest} lacks a column of the template"
        return f"its row in {self._manifest} has no title, no category and no attributes"

    def _check_template(self) -> None:
        fields = _FIELD.findall(self._template or "{}")
        unknown = [field for field in fields if field and field not in self._table.columns]
        if unknown or (self._template is not None and not any(fields)):
            raise InvalidInput(
                f"The template {self._template!r} has to name columns of {self._manifest} in "
                f"braces{f', and {unknown[0]} is none' if unknown else ''}: its columns are "
                f"{', '.join(self._table.columns)}."
            )


def manifest_in(folder: Path) -> Path:
    """The product table of a catalogue's folder; InvalidInput where there is none."""
    found = next((folder / name for name in MANIFESTS if (folder / name).is_file()), None)
    if found is None:
        raise InvalidInput(
            f"There is no {' or '.join(MANIFESTS)} in {folder}, so there are no words for its "
            "pictures: name the product table, or take captions from a model."
        )
    return found


def _read(manifest: Path) -> Table:
    try:
        return read_table(manifest.read_bytes(), str(manifest))
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InvalidInput(f"{manifest} cannot be read ({reason}): check the path.") from error


def _filled(template: str, values: Mapping[str, Any]) -> str:
    if any(not values.get(field) for field in _FIELD.findall(template)):
        return ""
    return tidy(_FIELD.sub(lambda match: str(values[match[1]]), template))


def _described(values: Mapping[str, Any], layout: Layout) -> str:
    """The attributes that are words, in the manifest's order, then the category."""
    told = [str(values[name]) for name in layout.others if _is_telling(values.get(name))]
    category = values.get(layout.column("category"))
    return tidy(" ".join([*told, *([str(category)] if category else [])]))


def _is_telling(value: Any) -> bool:
    """Words tell what a picture shows; numbers, addresses and "none" do not."""
    if not isinstance(value, str) or value.casefold() in _SILENT:
        return False
    return "/" not in value and bool(re.search(r"[^\W\d_]", value))
