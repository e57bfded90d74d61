"""What is left of deleted images, a few at a time."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from backend.gallery.port import Gallery
from backend.runtime import Runtime
from tests.workers.workshop import delete_all, ids, import_files, photos, run_embeds
from workers import removing
from workers.mentions import forget_mentions
from workers.run import Run


def test_mentions_of_many_are_looked_for_once(
    runtime: Runtime, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Since every sentence there is has to be read for it."""
    looked: list[int] = []

    def watched(run: Run, sha256s: Collection[str]) -> None:
        looked.append(len(sha256s))
        forget_mentions(run, sha256s)

    monkeypatch.setattr(removing, "forget_mentions", watched)
    monkeypatch.setattr(removing, "ROWS", 2)
    import_files(runtime, photos(7))
    run_embeds(runtime)
    with runtime.database.write() as session:
        delete_all(session, runtime)
    (job,) = run_embeds(runtime)
    assert (job.state, looked) == ("done", [7])
    assert (ids(runtime), gallery.count()) == ([], 0)
    with runtime.database.read() as session:
        assert removing.removals(session, 10) == []
