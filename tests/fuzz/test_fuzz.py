"""Spoiled files through the doors that production uses: a result or one of our sentences, nothing
else, in bounded time and memory. `make fuzz` tries ten thousand pictures and archives."""

from __future__ import annotations

import io
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from backend.catalogue.archives import ZipLimits, open_archive
from backend.catalogue.manifests import parse_manifest
from backend.catalogue.preview_schemas import PreviewRequest
from backend.catalogue.previewing import Known, preview_manifest
from backend.encoding.decode_pool import LARGE_MEMORY, DecodePool
from backend.encoding.decoding import DecodeLimits
from backend.encoding.preprocessing import Preprocessing
from backend.errors import AkinError, Unavailable
from tests.fuzz import seeds
from tests.fuzz.mutations import mutants

MiB = 2**20
PARENT_GROWTH = 192 * MiB
"""How much more memory the process that imports may hold after any file than before the first."""

CHILD_SECONDS = 5.0
SLOWEST = 30.0
"""Seconds for one file on a busy machine; a hang would take for ever."""

MEMBER_BYTES = 8 * MiB
TOWER = Preprocessing(mean=(0.5,) * 3, std=(0.5,) * 3, size=64)

Door = Callable[[str, bytes], str]
"""What to do with a named file; the kind of what came out."""


@dataclass
class Tally:
    """What came out, how long the slowest took, and the most memory."""

    outcomes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    before: int = field(default_factory=lambda: psutil.Process().memory_info().rss)
    most: int = 0
    child_resident: int = 0
    child_space: int = 0

    def take(self, door: Door, name: str, data: bytes) -> None:
        begun = time.monotonic()
        try:
            outcome = door(name, data)
        except AkinError as refusal:
            outcome = refused(refusal)
        self.outcomes[outcome] += 1
        self.slowest = max(self.slowest, time.monotonic() - begun)
        self.most = max(self.most, psutil.Process().memory_info().rss)

    def look_at(self, children: list[int]) -> None:
        """The most memory that each child ever held, as the kernel remembers it."""
        for pid in children:
            try:
                status = Path(f"/proc/{pid}/status").read_text()
            except OSError:
                continue
            figures = dict(line.split(":", 1) for line in status.splitlines())
            self.child_resident = max(self.child_resident, _bytes(figures.get("VmHWM", "0 kB")))
            self.child_space = max(self.child_space, _bytes(figures.get("VmPeak", "0 kB")))

    def check(self) -> None:
        assert self.slowest < SLOWEST
        assert self.most - self.before < PARENT_GROWTH
        assert self.child_space <= LARGE_MEMORY

    def told(self) -> str:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self.outcomes.most_common())
        children = (
            f", children at most {self.child_resident / MiB:.0f} MiB resident and "
            f"{self.child_space / MiB:.0f} MiB of address space"
        )
        return (
            f"{self.outcomes.total():,} files: {kinds}; slowest {self.slowest:.2f} s, "
            f"parent {self.before / MiB:.0f} MiB + {(self.most - self.before) / MiB:.0f}"
            f"{children if self.child_space else ''}"
        )


def refused(refusal: AkinError, about: str = "") -> str:
    """The kind of a refusal that is fit to be read."""
    assert refusal.sentence.endswith(".")
    assert about in refusal.sentence
    assert len(refusal.sentence) < 3000
    assert not isinstance(refusal, Unavailable)  # the import would wait for ever
    return type(refusal).__name__


def _bytes(figure: str) -> int:
    return int(figure.split()[0]) * 1024


@pytest.fixture(scope="module")
def pool() -> Iterator[DecodePool]:
    """As imports have it, with less patience."""
    pool = DecodePool(2, DecodeLimits(), seconds=CHILD_SECONDS)
    pool.warm_up()
    yield pool
    pool.close()


def fuzzed(door: Door, files: dict[str, bytes], count: int, tally: Tally, *, fixed: bool) -> None:
    """So many spoiled files through a door; the same ones each time if `fixed`."""
    for name, data in files.items():
        tally.take(door, name, data)

    @settings(
        max_examples=count,
        derandomize=fixed,
        database=None,
        deadline=None,
        print_blob=True,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(mutants(files))
    def spoiled(mutant: tuple[str, bytes]) -> None:
        tally.take(door, *mutant)

    spoiled()
    tally.check()
    print(f"\n{tally.told()}")  # noqa: T201 - shown by `make fuzz`


def fuzz_pictures(pool: DecodePool, count: int, *, fixed: bool) -> None:
    tally = Tally()
    calls = 0

    def door(name: str, data: bytes) -> str:
        nonlocal calls
        calls += 1
        try:
            if calls % 4:
                made = pool.render(data, name=name)
                assert set(made.renditions) == {"thumbnail", "preview"}
                return "rendered"
            assert pool.pixels(data, TOWER, name=name).shape == (3, 64, 64)
            return "decoded"
        finally:
            tally.look_at(pool.children())

    fuzzed(door, seeds.pictures(), count, tally, fixed=fixed)
    assert tally.outcomes["rendered"] > 0
    assert tally.outcomes["UnsupportedImage"] > 0


def read_archive(name: str, data: bytes) -> str:
    limits = ZipLimits(ratio_from_bytes=MiB)
    with open_archive(io.BytesIO(data), name, limits) as archive:
        outcome = "opened"
        for member in archive.members():
            assert member.refusal is None or member.refusal.endswith(".")
            if member.refusal is not None:
                continue
            try:
                assert len(archive.read(member.index, MEMBER_BYTES)) == member.size
            except AkinError as refusal:
                outcome = f"opened, with {refused(refusal, name)}"
        return outcome


def fuzz_archives(count: int, *, fixed: bool) -> None:
    tally = Tally()
    fuzzed(read_archive, seeds.archives(), count, tally, fixed=fixed)
    assert tally.outcomes["opened"] > 0
    assert tally.outcomes["InvalidInput"] > 0


def read_manifest(name: str, data: bytes) -> str:
    manifest = parse_manifest(data, name)
    seen = preview_manifest(data, name, PreviewRequest(), lambda _: Known({}, set()))
    assert seen.good + seen.bad == len(manifest.rows) + len(manifest.refused)
    assert all(row.sku and row.sku.isprintable() for row in manifest.rows)
    assert all(bad.sentence.startswith(name) for bad in manifest.refused)
    return "read, rows refused" if manifest.refused else "read"


def fuzz_manifests(count: int, *, fixed: bool) -> None:
    tally = Tally()
    fuzzed(read_manifest, seeds.manifests(), count, tally, fixed=fixed)
    assert tally.outcomes["read"] > 0


def test_some_spoiled_pictures(pool: DecodePool) -> None:
    fuzz_pictures(pool, 150, fixed=True)


def test_some_spoiled_archives() -> None:
    fuzz_archives(150, fixed=True)


def test_some_spoiled_manifests() -> None:
    fuzz_manifests(150, fixed=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_eight_thousand_spoiled_pictures(pool: DecodePool) -> None:
    fuzz_pictures(pool, 8000, fixed=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_thousand_spoiled_archives() -> None:
    fuzz_archives(2000, fixed=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_thousand_spoiled_manifests() -> None:
    fuzz_manifests(2000, fixed=False)
