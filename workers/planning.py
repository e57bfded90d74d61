"""From the files of an import to its items: zips opened, manifests read, folders understood."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from backend.catalogue.archives import Member
from backend.catalogue.attribute_kinds import Samples, widen
from backend.catalogue.field_types import sku_form
from backend.catalogue.manifest_rows import BadRow, Row
from backend.catalogue.manifests import open_manifest, read_onto
from backend.catalogue.naming import folder_of, kind_of
from backend.catalogue.schemas import (
    AttributeDeclaration,
    AttributeValue,
    FileClaim,
    ImportCreate,
)
from backend.errors import AkinError, TooLarge, Unavailable
from workers.plan_items import Item, file_item, row_items
from workers.plan_scratch import Scratch
from workers.staged_files import FileSource, StagedFiles

MAX_MANIFEST_BYTES = 100 * 1024 * 1024


def no_progress(done: int, total: int) -> None:
    """What an `ImportPlan` calls where nobody wants to know how far it is."""


class ImportPlan:
    """Everything an import will do, from the names and hashes of its files.

    The items come in a fixed order, one at a time, and none is kept. Once all have come it is known
    what tells the kinds of their attributes: those that an export declares, and for each attribute
    a value to type it by.
    """

    def __init__(
        self,
        files: Iterable[FileClaim],
        staged: StagedFiles,
        request: ImportCreate,
        progress: Callable[[int, int], None] = no_progress,
        *,
        web: bool = False,
    ) -> None:
        """Category and split of `request` are for pictures whose folders say nothing.

        files: read once, when the first item is asked for.
        progress: told how many of the zips and manifests have been read, and how many there are;
            again for each picture and each row of a manifest, so that it may stop there.
        web: whether pictures that a manifest names by a web address, and that did not come along
            under its file's name, are to be fetched.
        """
        self.declared: list[AttributeDeclaration] = []
        self.samples: dict[str, AttributeValue] = {}
        self._files, self._staged, self._request = files, staged, request
        self._progress, self._read, self._total = progress, 0, 0
        self._web = web
        self._manifests: list[FileSource] = []

    def items(self) -> Iterator[Item]:
        """What cannot be read is an item with its refusal. A picture that a manifest names is not
        an item of its own. Raises `Unavailable` where the files cannot be reached for the moment.
        """
        with Scratch() as scratch:
            for position, item in enumerate(self._items(scratch)):
                if item.plan is not None:
                    item.plan.after = scratch.before(sku_form(item.plan.sku), position)
                yield item

    def _items(self, scratch: Scratch) -> Iterator[Item]:
        for file in self._files:
            scratch.add_file(file)
            self._total += kind_of(file.name) in {"zip", "manifest"}
        yield from self._take_stock(scratch)
        self._total = self._read + len(self._manifests)  # now with those in zips
        for manifest in self._manifests:
            self._progress(self._read, self._total)
            yield from self._rows_of(manifest, scratch)
            self._read += 1
        for source, path in scratch.unnamed():
            yield file_item(source, path, self._request)

    def _take_stock(self, scratch: Scratch) -> Iterator[Item]:
        """Opens the zips; what is refused of them."""
        for source in scratch.files():
            if kind_of(source.name) != "zip":
                yield from self._add(source, source.name, scratch)
                continue
            try:
                yield from self._expand(source, scratch)
            except Unavailable:  # says nothing about the zip
                raise
            except AkinError as error:
                yield Item(source.name, refusal=error.sentence)
            self._read += 1
            self._progress(self._read, self._total)

    def _add(self, source: FileSource, path: str, scratch: Scratch) -> Iterator[Item]:
        self._progress(self._read, self._total)
        if kind_of(source.name) == "manifest":
            self._manifests.append(source)
        elif not scratch.add_picture(source, path):
            refusal = f"{source.name} came twice, in a zip and beside it: keep one of the two."
            yield Item(source.name, refusal=refusal)

    def _expand(self, archive: FileSource, scratch: Scratch) -> Iterator[Item]:
        used = False
        for member in self._staged.members(archive):
            name = f"{archive.name}/{member.name}"
            kind = kind_of(name)
            if member.refusal:
                shown = name if name.isprintable() else ascii(name)
                yield Item(shown, refusal=member.refusal)
            elif kind in {"picture", "manifest"}:
                place = _below(archive, member)
                yield from self._add(_inside(archive, member, name), place, scratch)
            used = used or member.refusal is not None or kind in {"picture", "manifest"}
        if not used:
            refusal = f"{archive.name} holds no picture and no manifest: look into it."
            yield Item(archive.name, refusal=refusal)

    def _rows_of(self, source: FileSource, scratch: Scratch) -> Iterator[Item]:
        try:
            data = _manifest_bytes(source, self._staged)
            table, layout = open_manifest(data, source.name, self._request)
            note = partial(self._progress, self._read, self._total)
            read_onto(_Noting(scratch, note), table, layout, self._request, web=self._web)
        except Unavailable:  # says nothing about the manifest
            raise
        except AkinError as error:
            yield Item(source.name, refusal=error.sentence)
        else:
            self.declared += table.declared
            samples = Samples()
            yield from row_items(source.name, scratch, samples)
            widen(self.samples, samples.widest())
        scratch.forget_rows()


class _Noting:
    """A shelf that tells of every row, for there may be very many."""

    def __init__(self, scratch: Scratch, note: Callable[[], None]) -> None:
        self._scratch = scratch
        self._note = note

    def row(self, sku: str) -> Row | None:
        return self._scratch.row(sku)

    def put(self, row: Row) -> None:
        self._note()
        self._scratch.put(row)

    def refuse(self, bad: BadRow) -> None:
        self._note()
        self._scratch.refuse(bad)


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


def _manifest_bytes(source: FileSource, staged: StagedFiles) -> bytes:
    if source.size > MAX_MANIFEST_BYTES:
        raise TooLarge(
            f"{source.name} has {source.size:,} bytes, and {MAX_MANIFEST_BYTES:,} are allowed for "
            "a manifest: split it."
        )
    return staged.read(source, MAX_MANIFEST_BYTES)
