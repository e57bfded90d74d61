"""From the files of an import to its items: zips opened, manifests read, folders understood."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from backend.catalogue.archives import Member
from backend.catalogue.attribute_kinds import samples_of
from backend.catalogue.manifest_rows import BadRow, Row, cells_of
from backend.catalogue.manifests import Manifest, parse_manifest
from backend.catalogue.naming import fields_of, folder_of, kind_of
from backend.catalogue.schemas import (
    AttributeDeclaration,
    AttributeValue,
    FileClaim,
    ImportCreate,
    ProductFields,
)
from backend.errors import AkinError, TooLarge
from workers.staged_files import FileSource, StagedFiles

MAX_MANIFEST_BYTES = 100 * 1024 * 1024


class ItemPlan(BaseModel):
    """One product to be: what a job item's payload holds."""

    sku: str
    fields: ProductFields
    pictures: list[FileSource]
    from_manifest: bool = False
    manifest: str | None = None
    """The name of the manifest, for a report that says the row again."""

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


@dataclass(frozen=True, slots=True)
class Plan:
    """The items of an import in a fixed order, and what tells the kinds of its attributes: those
    that an export declares, and for each attribute a value to type it by."""

    items: list[Item]
    declared: list[AttributeDeclaration]
    samples: dict[str, AttributeValue]


def no_progress(done: int, total: int) -> None:
    """What `plan_import` calls where nobody wants to know how far it is."""


@dataclass(slots=True)
class _Stock:
    """What there is: `paths` are the pictures' places, without the names of zips."""

    pictures: dict[str, FileSource] = field(default_factory=dict)
    paths: dict[str, str] = field(default_factory=dict)
    manifests: list[FileSource] = field(default_factory=list)
    refused: list[Item] = field(default_factory=list)
    zips: int = 0

    def add(self, source: FileSource, path: str) -> None:
        if kind_of(source.name) == "manifest":
            self.manifests.append(source)
            return
        key = _key(source.name)
        held = self.pictures.get(key)
        if held is not None and held.name == source.name:
            refusal = f"{source.name} came twice, in a zip and beside it: keep one of the two."
            self.refused.append(Item(source.name[:1000], refusal=refusal))
            return
        if held is not None and key != source.name:
            key = source.name
        elif held is not None:  # its name in another Unicode form came first
            self.pictures[held.name], self.paths[held.name] = held, self.paths[key]
        self.pictures[key], self.paths[key] = source, path


def plan_import(
    files: Sequence[FileClaim],
    staged: StagedFiles,
    request: ImportCreate,
    progress: Callable[[int, int], None] = no_progress,
) -> Plan:
    """Everything an import will do, from the names and hashes of its files.

    Category and split of `request` are for pictures whose folders say nothing. A picture that a
    manifest names is not an item of its own. What cannot be read is an item with its refusal.

    progress: told how many of the zips and manifests have been read, and how many there are.
    """
    stock = _take_stock(files, staged, progress)
    manifests = dict(_read_manifests(stock, staged, request, progress))
    items = [*stock.refused]
    for name, manifest in manifests.items():
        items += _row_items(name, manifest, stock.pictures)
    named = set(_named_pictures(manifests.values()))
    items += [
        _file_item(source, stock.paths[key], request)
        for key, source in stock.pictures.items()
        if key not in named
    ]
    declared = [one for manifest in manifests.values() for one in manifest.declared]
    return Plan(items, declared, samples_of(manifests.values()))


def _take_stock(
    files: Sequence[FileClaim], staged: StagedFiles, progress: Callable[[int, int], None]
) -> _Stock:
    stock = _Stock()
    total = sum(kind_of(file.name) in {"zip", "manifest"} for file in files)
    for file in files:
        source = FileSource(name=file.name, sha256=file.sha256, size=file.size)
        if kind_of(file.name) != "zip":
            stock.add(source, file.name)
            continue
        try:
            _expand(source, staged, stock)
        except AkinError as error:
            stock.refused.append(Item(source.name, refusal=error.sentence))
        stock.zips += 1
        progress(stock.zips, total)
    return stock


def _expand(archive: FileSource, staged: StagedFiles, stock: _Stock) -> None:
    used = False
    for member in staged.members(archive):
        name = f"{archive.name}/{member.name}"
        kind = kind_of(name)
        if member.refusal:
            shown = name if name.isprintable() else ascii(name)
            stock.refused.append(Item(shown[:1000], refusal=member.refusal))
        elif kind in {"picture", "manifest"}:
            stock.add(_inside(archive, member, name), _below(archive, member))
        used = used or member.refusal is not None or kind in {"picture", "manifest"}
    if not used:
        refusal = f"{archive.name} holds no picture and no manifest: look into it."
        stock.refused.append(Item(archive.name, refusal=refusal))


def _inside(archive: FileSource, member: Member, name: str) -> FileSource:
    return FileSource(
        name=name,
        sha256=archive.sha256,
        size=member.size,
        archive=archive.name,
        member=member.index,
    )


def _below(archive: FileSource, member: Member) -> str:
    """The member's place if the zip had been unpacked where it lies."""
    return "/".join(part for part in (folder_of(archive.name), member.name) if part)


def _read_manifests(
    stock: _Stock,
    staged: StagedFiles,
    request: ImportCreate,
    progress: Callable[[int, int], None],
) -> Iterator[tuple[str, Manifest]]:
    total = stock.zips + len(stock.manifests)
    for count, source in enumerate(stock.manifests):
        progress(stock.zips + count, total)
        try:
            yield source.name, parse_manifest(_manifest_bytes(source, staged), source.name, request)
        except AkinError as error:
            stock.refused.append(Item(source.name, refusal=error.sentence))


def _manifest_bytes(source: FileSource, staged: StagedFiles) -> bytes:
    if source.size > MAX_MANIFEST_BYTES:
        raise TooLarge(
            f"{source.name} has {source.size:,} bytes, and {MAX_MANIFEST_BYTES:,} are allowed for "
            "a manifest: split it."
        )
    return staged.read(source, MAX_MANIFEST_BYTES)


def _row_items(name: str, manifest: Manifest, pictures: Mapping[str, FileSource]) -> Iterator[Item]:
    for bad in manifest.refused:
        shown = _row_name(name, bad.number, bad.sku)
        yield Item(shown, refusal=bad.sentence, cells=bad.cells)
    for row in manifest.rows:
        shown = _row_name(name, row.number, row.sku)
        missing = [image for image in row.images if _key(image) not in pictures]
        if missing:
            refusal = (
                f"{name}, row {row.number}: the picture {missing[0]} did not come with the "
                "manifest: put it where the row says, and import again."
            )
            yield Item(shown, refusal=refusal, cells=cells_of(row, name))
            continue
        sources = [pictures[_key(image)] for image in row.images]
        plan = ItemPlan(
            sku=row.sku, fields=row.fields, pictures=sources, from_manifest=True, manifest=name
        )
        yield Item(shown, plan)


def _file_item(source: FileSource, path: str, request: ImportCreate) -> Item:
    found = fields_of(path)
    fields = ProductFields(
        category=found.category or request.category, split=found.split or request.split
    )
    return Item(source.name[:1000], ItemPlan(sku=found.sku, fields=fields, pictures=[source]))


def _row_name(manifest: str, number: int, sku: str) -> str:
    shown = f"{manifest}, row {number}"
    return f"{shown} ({sku})"[:1000] if sku else shown[:1000]


def _named_pictures(manifests: Iterable[Manifest]) -> Iterator[str]:
    """Also those of refused rows: a row's mistake must not make its pictures products."""
    for manifest in manifests:
        rows: list[Row | BadRow] = [*manifest.rows, *manifest.refused]
        yield from (_key(image) for row in rows for image in row.images)


def _key(name: str) -> str:
    """macOS sends decomposed file names; manifests are mostly written composed."""
    return unicodedata.normalize("NFC", name)
