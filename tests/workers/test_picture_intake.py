"""Pictures are taken in slices, so that however many a row has, few are in memory at once."""

from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from backend.database import Database
from backend.errors import Unavailable
from backend.runtime import Runtime
from tests.backend.catalogue.stock import FACTS, product, sha
from tests.workers.workshop import photo, zipped
from workers import picture_intake
from workers.picture_intake import known_blobs, take_in
from workers.run import Stopped
from workers.staged_files import FileSource, StagedFiles


class Watched(StagedFiles):
    """Notes how many pictures were stored whenever one is read."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime.blobs)
        self._store = runtime.blobs
        self.stored: list[int] = []

    def read(self, source: FileSource, max_bytes: int) -> bytes:
        self.stored.append(len(list(self._store.files("originals"))))
        return super().read(source, max_bytes)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as opened:
        yield opened


def staged_zip(runtime: Runtime, pictures: list[bytes]) -> list[FileSource]:
    """The members of a staged zip of these pictures."""
    data = zipped({f"{n}.bmp": picture for n, picture in enumerate(pictures)})
    sha256 = hashlib.sha256(data).hexdigest()
    runtime.blobs.stage(sha256, [data], len(data))
    archive = FileSource(name="z.zip", sha256=sha256, size=len(data))
    with StagedFiles(runtime.blobs) as staged:
        return [
            FileSource(
                name=member.name,
                sha256=sha256,
                size=member.size,
                archive="z.zip",
                member=member.index,
            )
            for member in staged.members(archive)
        ]


def small(count: int) -> list[bytes]:
    return [photo(f"rgb({n}, 90, 9)", "BMP") for n in range(count)]


@pytest.mark.parametrize(("limit", "value"), [("PICTURES", 2), ("BYTES", 2 * len(small(1)[0]))])
def test_a_slice_is_stored_before_the_next_is_read(
    runtime: Runtime,
    pool: ThreadPoolExecutor,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: int,
) -> None:
    monkeypatch.setattr(picture_intake, f"SLICE_{limit}", value)
    sources = staged_zip(runtime, [*small(4), b"no picture"])
    with Watched(runtime) as staged:
        intake = take_in(runtime, sources, staged, pool)
        assert staged.stored == [0, 0, 2, 2, 4]
    assert intake.pictures.keys() == {"0.bmp", "1.bmp", "2.bmp", "3.bmp"}
    assert intake.refused.keys() == {"4.bmp"}
    assert intake.fresh == intake.hashes(sources)


def test_a_source_larger_than_a_slice_is_one_of_its_own(
    runtime: Runtime, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_intake, "SLICE_BYTES", 1)
    sources = staged_zip(runtime, small(3))
    with Watched(runtime) as staged:
        assert len(take_in(runtime, sources, staged, pool).pictures) == 3
        assert staged.stored == [0, 1, 2]


def test_the_bytes_of_a_slice_are_let_go_of(
    runtime: Runtime, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_intake, "SLICE_BYTES", 2_000_000)
    padding = bytes(1_000_000)
    sources = staged_zip(runtime, [picture + padding for picture in small(24)])
    with StagedFiles(runtime.blobs) as staged:
        tracemalloc.start()
        try:
            intake = take_in(runtime, sources, staged, pool)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert len(intake.pictures) == 24
    assert peak < 12_000_000


def test_between_slices_a_run_can_stop(
    runtime: Runtime, pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_intake, "SLICE_PICTURES", 1)
    sources = staged_zip(runtime, small(3))

    def stop() -> None:
        raise Stopped

    with StagedFiles(runtime.blobs) as staged:
        assert take_in(runtime, sources[:1], staged, pool, checkpoint=stop).pictures
        with pytest.raises(Stopped):
            take_in(runtime, sources, staged, pool, checkpoint=stop)


@pytest.mark.parametrize("hold", [False, True])
def test_more_blobs_are_looked_for_than_a_statement_takes_parameters(
    database: Database, hold: bool
) -> None:
    with database.write() as session:
        product(session, "TEE", 1, 65_999)
    with database.write() as session:
        known = known_blobs(session, [sha(number) for number in range(66_000)], hold=hold)
    assert known == {sha(1): FACTS, sha(65_999): FACTS}


class Away(StagedFiles):
    """In a bucket that cannot be reached."""

    def read(self, source: FileSource, max_bytes: int) -> bytes:
        raise Unavailable("The bucket akin cannot be reached.")


def test_a_bucket_that_is_away_is_no_word_about_a_picture(
    runtime: Runtime, pool: ThreadPoolExecutor
) -> None:
    """The job waits for it; a refusal would lose the pictures of the zip for good."""
    sources = staged_zip(runtime, small(2))
    with Away(runtime.blobs) as staged, pytest.raises(Unavailable):
        take_in(runtime, sources, staged, pool)
