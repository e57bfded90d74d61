"""From the sources of an import to stored pictures: read, hashed, decoded, kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from sqlalchemy import select
from sqlalchemy.orm import Session

from backend.catalogue.intake import StoredPicture
from backend.catalogue.renditions import ImageFacts, prepare_image, store_image
from backend.catalogue.tables import Blob
from backend.encoding.decoding import DecodeLimits
from backend.errors import AkinError, Unavailable
from backend.runtime import Runtime
from workers.fetching import Fetcher
from workers.staged_files import FileSource, StagedFiles

SLICE_BYTES = 128 * 1024 * 1024
SLICE_PICTURES = 64
_PARAMETERS = 30_000  # in one statement; PostgreSQL takes 65,535, SQLite half of that


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of a batch's sources: stored pictures and refusals, by the source's name.

    `fresh` were decoded and stored just now; the others had been known as blobs.
    """

    pictures: dict[str, StoredPicture]
    refused: dict[str, AkinError]
    fresh: frozenset[str]

    def of(self, sources: Sequence[FileSource]) -> list[StoredPicture]:
        """The pictures of these sources; raises the first refusal."""
        for source in sources:
            if source.name in self.refused:
                raise self.refused[source.name]
        return [self.pictures[source.name] for source in sources]

    def hashes(self, sources: Iterable[FileSource]) -> set[str]:
        """The SHA-256 of those of these sources that are stored pictures."""
        names = [source.name for source in sources]
        return {self.pictures[name].sha256 for name in names if name in self.pictures}


@dataclass(frozen=True, slots=True)
class _Read:
    """A source with its bytes' hash; with the bytes, where the hash had to be taken from them."""

    source: FileSource
    sha256: str
    data: bytes | None = None


def take_in(
    runtime: Runtime,
    sources: Iterable[FileSource],
    staged: StagedFiles,
    pool: Executor,
    *,
    checkpoint: Callable[[], None] | None = None,
    again: bool = False,
) -> Intake:
    """See that the bytes of every source are a picture in the blob store, or learn why not.

    Bytes that are known as a blob are neither read nor decoded, unless `again`.

    checkpoint: called between slices of the sources, whose bytes are in memory one after the other.
    """
    taken = Intake({}, {}, frozenset())
    # By zip, so that each is opened once a batch: rows may name pictures of two of them in turn.
    in_order = sorted(sources, key=lambda source: source.archive or "")
    for number, some in enumerate(_slices(in_order)):
        if number and checkpoint is not None:
            checkpoint()
        one = _take_in(runtime, some, staged, pool, again=again)
        taken = Intake(
            taken.pictures | one.pictures, taken.refused | one.refused, taken.fresh | one.fresh
        )
    return taken


def fetcher_of(runtime: Runtime) -> Fetcher:
    """What fetches pictures from the web, as the settings allow it."""
    settings = runtime.settings
    return Fetcher(settings.url_import, settings.url_import_ports, runtime.limits.max_bytes)


def known_blobs(
    session: Session, sha256s: Collection[str], *, hold: bool = False
) -> dict[str, ImageFacts]:
    """The facts of those hashes that are stored blobs; with `hold` none goes before the commit."""
    in_order = sorted(sha256s)
    known: dict[str, ImageFacts] = {}
    for start in range(0, len(in_order), _PARAMETERS):
        some = in_order[start : start + _PARAMETERS]
        query = select(Blob).where(Blob.sha256.in_(some))
        if hold:
            query = query.order_by(Blob.sha256).with_for_update(read=True)
        for blob in session.scalars(query):
            known[blob.sha256] = ImageFacts(blob.size, blob.format, blob.width, blob.height)
    return known


def _slices(sources: Sequence[FileSource]) -> Iterator[list[FileSource]]:
    some: list[FileSource] = []
    size = 0
    for source in sources:
        if some and (size + source.size > SLICE_BYTES or len(some) == SLICE_PICTURES):
            yield some
            some, size = [], 0
        some.append(source)
        size += source.size
    if some:
        yield some


def _take_in(
    runtime: Runtime,
    sources: Iterable[FileSource],
    staged: StagedFiles,
    pool: Executor,
    *,
    again: bool,
) -> Intake:
    refused: dict[str, AkinError] = {}
    read: dict[str, _Read] = {}
    on_web, here = _parted(sources)
    fetched = pool.map(partial(_fetched, fetcher_of(runtime)), on_web)
    for source, data in zip(on_web, fetched, strict=True):
        if isinstance(data, AkinError):
            refused[source.name] = data
        else:
            read[source.name] = _Read(source, hashlib.sha256(data).hexdigest(), data)
    for source in here:
        try:
            read[source.name] = _read(source, staged, runtime.limits)
        except Unavailable:  # says nothing about the picture
            raise
        except AkinError as error:
            refused[source.name] = error
    pictures = {} if again else _known(runtime, read)
    new = {name: one for name, one in read.items() if name not in pictures}
    stored = pool.map(lambda one: _store(runtime, one), new.values())
    for name, made in zip(new, stored, strict=True):
        if isinstance(made, StoredPicture):
            pictures[name] = made
        else:
            refused[name] = made
    fresh = frozenset(pictures[name].sha256 for name in new if name in pictures)
    return Intake(pictures, refused, fresh)


def _parted(sources: Iterable[FileSource]) -> tuple[list[FileSource], list[FileSource]]:
    """Those on the web, and those that are here."""
    found = list(sources)
    return [one for one in found if one.web], [one for one in found if not one.web]


def _fetched(fetcher: Fetcher, source: FileSource) -> bytes | AkinError:
    try:
        return fetcher.fetch(source.web or "")
    except AkinError as error:
        return error


def _known(runtime: Runtime, read: Mapping[str, _Read]) -> dict[str, StoredPicture]:
    with runtime.database.read() as session:
        known = known_blobs(session, {one.sha256 for one in read.values()})
    return {
        name: StoredPicture(one.sha256, known[one.sha256])
        for name, one in read.items()
        # A disk that failed, or a removal that was killed, may have left a row without its file.
        if (facts := known.get(one.sha256)) and runtime.blobs.size(one.sha256) == facts.size
    }


def _read(source: FileSource, staged: StagedFiles, limits: DecodeLimits) -> _Read:
    """Files that were sent come with their hash; members of zips are read to learn theirs."""
    if source.member is None:
        return _Read(source, source.sha256)
    data = staged.read(source, limits.max_bytes)
    return _Read(source, hashlib.sha256(data).hexdigest(), data)


def _store(runtime: Runtime, read: _Read) -> StoredPicture | AkinError:
    """What a thread of the import does with a picture, most of the time waiting for others."""
    try:
        data = read.data
        if data is None:
            with StagedFiles(runtime.blobs) as staged:
                data = staged.read(read.source, runtime.limits.max_bytes)
        image = prepare_image(runtime.decoder, data, name=read.source.name)
        return StoredPicture(store_image(runtime.blobs, image), image.facts)
    except Unavailable:  # says nothing about the picture
        raise
    except AkinError as error:
        return error
