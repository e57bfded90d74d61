"""kill -9 between any two steps of a promotion: nothing answers before its gallery is full, and the
next process brings it to its end.

One promotion of a version with a new image tower is killed at these points, one after the other,
each time in a new process that got so far:

- in the transaction that asks for it, which does not commit
- when it is asked for, before any message
- before its gallery is made
- when its gallery is made, before a picture
- when points are stored, before they are noted
- in the transaction that notes them
- when all is embedded, before the job is done
- when the job is done, before the switch
- when the gallery is optimised, before the switch
- in the transaction of the switch, which does not commit
- when it is switched

Then its rollback, in its transaction; and the drop of the gallery that nobody needs any more, in
its transaction and between SQL and the store.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import func, select

from backend.composition.artefact import read_card
from backend.encoding.backbone import BackboneSpec, load_backbone
from backend.registry.coverage import coverage
from backend.registry.deployments import Active, active
from backend.registry.lifecycle import register
from backend.registry.promotion import waiting_promotion
from backend.registry.service import galleries
from backend.registry.tables import Deployment
from backend.runtime import Runtime
from tests.end_to_end.model_life import other_towers
from tests.workers.promoting.worker import DROP, NEW, PROMOTION, ROLLBACK, SWITCHED
from tests.workers.training.installations import opened, write_installation

ROOT = Path(__file__).parents[3]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An embedded catalogue of 72 pictures, and a version with another image tower."""
    place = write_installation(tmp_path)
    tiny = load_backbone(BackboneSpec(f"local-dir:{place / 'tiny'}"), "cpu", 1)
    folder = other_towers(place / "model", tiny, "image")
    with opened(place) as runtime:
        artefact = runtime.artefacts.keep(folder)
        with runtime.database.write() as session:
            register(session, read_card(folder), artefact, actor="ann", name=NEW)
    return place


def work(home: Path, action: str, point: str | None = None) -> int:
    """Let a process do what is left; how it ended."""
    words = [sys.executable, "-m", "tests.workers.promoting.worker", str(home), action]
    return subprocess.run([*words, *([point] if point else [])], cwd=ROOT, check=False).returncode


def answering(runtime: Runtime) -> tuple[Active, int]:
    """What answers, and how many deployments there have been."""
    with runtime.database.read() as session:
        return active(session), session.scalar(select(func.count(Deployment.id))) or 0


def is_whole(runtime: Runtime, gallery_id: str) -> bool:
    """Whether rows and points of a gallery are those of the catalogue."""
    with runtime.database.read() as session:
        found = coverage(session, gallery_id)
    points = runtime.galleries.open(gallery_id).count()
    return found.is_complete and found.embedded == points == found.images == 72


@pytest.mark.slow
def test_killed_in_the_embedding_and_around_the_switch_it_goes_on(home: Path) -> None:
    with opened(home) as runtime:
        before, _ = answering(runtime)
    stored, switching = "when points are stored, before they are noted", [*PROMOTION][-1]
    for point in (stored, switching):
        assert work(home, "promote", point) == -signal.SIGKILL, point
        with opened(home) as runtime:
            assert answering(runtime) == (before, 1), point
    assert work(home, "promote") == 0
    with opened(home) as runtime:
        now, count = answering(runtime)
        assert (now.version, count) == (NEW, 2)
        assert is_whole(runtime, now.gallery_id)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_killed_at_every_point_a_promotion_comes_to_its_end(home: Path) -> None:
    with opened(home) as runtime:
        before, _ = answering(runtime)
    for point in PROMOTION:
        assert work(home, "promote", point) == -signal.SIGKILL, point
        with opened(home) as runtime:
            assert answering(runtime) == (before, 1), point
            assert is_whole(runtime, before.gallery_id), point
            with runtime.database.read() as session:
                is_asked = waiting_promotion(session) is not None
            assert is_asked == (point != "in the transaction that asks for it"), point
    (last,) = SWITCHED
    assert work(home, "promote", last) == -signal.SIGKILL
    with opened(home) as runtime:
        now, count = answering(runtime)
        assert (now.version, count) == (NEW, 2)
        assert is_whole(runtime, now.gallery_id)
    assert work(home, "promote") == 0, "there is nothing left to do"
    for point in ROLLBACK:
        assert work(home, "roll back", point) == -signal.SIGKILL
        with opened(home) as runtime:
            assert answering(runtime) == (now, 2)
    assert work(home, "roll back") == 0
    with opened(home) as runtime:
        assert answering(runtime) == (before, 3)
    for point in DROP:
        assert work(home, "drop", point) == -signal.SIGKILL
        with opened(home) as runtime, runtime.database.read() as session:
            kept = {one.id for one in galleries(session)}
            assert (now.gallery_id in kept) == (point == "in the transaction that drops a gallery")
            assert now.gallery_id in runtime.galleries.names()
    assert work(home, "drop") == 0
    with opened(home) as runtime:
        assert runtime.galleries.names() == [before.gallery_id]
        assert is_whole(runtime, before.gallery_id)
