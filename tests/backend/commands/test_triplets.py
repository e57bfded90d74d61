"""`akin triplets` over a running server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from backend.cli import app as akin
from backend.feedback.routes import router
from backend.gallery.port import Gallery
from backend.jobs.routes import router as job_router
from backend.jobs.tables import Job
from backend.runtime import Runtime
from tests.api import api_of, served
from tests.backend.feedback.stock import say, triplets
from tests.workers.conftest import backbone, gallery, tiny
from tests.workers.workshop import import_files, photos, run_embeds
from workers.execution import execute
from workers.scoring import score

__all__ = ["backbone", "gallery", "tiny"]


@pytest.fixture
def url(runtime: Runtime, gallery: Gallery) -> Iterator[str]:
    """A server with six products, called 0 to 5."""
    import_files(runtime, photos(6))
    run_embeds(runtime)
    with served(api_of(runtime, router, job_router)) as url:
        yield url


def run(url: str, *arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(akin, ["triplets", *arguments, "--url", url])
    assert result.exit_code == code, (result.output, result.exception)
    return result


def test_a_file_comes_in_is_reviewed_and_goes_out(
    url: str, runtime: Runtime, tmp_path: Path
) -> None:
    rows = [{"candidate": "0", "target": "1", "captions": ["is redder"]},
            {"candidate": "0", "target": "lost", "captions": ["is gone"]}]  # fmt: skip
    (tmp_path / "f.json").write_text(json.dumps(rows))
    told = run(url, "import", str(tmp_path / "f.json"), "--source", "spn-positives", code=1)
    assert "1 new candidates, 0 there already, 1 rows refused" in told.stdout
    assert "row 1: no product or picture is called lost" in told.stderr
    (kept,) = triplets(runtime.database)
    listed = run(url, "list", "--state", "candidate", "--source", "spn-positives", "--json")
    assert json.loads(listed.stdout)["items"][0]["id"] == kept
    assert "is redder" in run(url, "list").stdout
    assert "1 triplets accepted." in run(url, "accept", kept).stdout
    run(url, "export", str(tmp_path / "out.json"), "--format", "cirr")
    assert json.loads((tmp_path / "out.json").read_text())[0]["target_hard"] == "1"
    assert "No triplet" not in run(url, "hold-out", "--share", "0.9", "--json").stdout


def test_scored_candidates_are_reviewed_by_score(url: str, runtime: Runtime) -> None:
    for target in ("1", "2", "3"):
        say(runtime.database, "0", "is redder", target)
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.1):
            with runtime.database.read() as session:
                queued = session.scalars(
                    select(Job.id).where(Job.kind == "score", Job.state == "queued")
                ).all()
            for job_id in queued:
                execute(runtime, "score", score, job_id, threading.Event())

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert "3 candidates are scored." in run(url, "score").stdout
    finally:
        done.set()
        worker.join()
    scores = sorted(one.score for one in triplets(runtime.database).values())
    above = str(scores[1])
    accepted = json.loads(run(url, "accept", "--above", above, "--json").stdout)
    assert accepted == {"changed": 2, "left": 0}
    assert "1 triplets rejected." in run(url, "reject", "--below", above).stdout


def test_wrong_use_is_one_sentence(url: str, tmp_path: Path) -> None:
    for wrong, sentence in (
        (["accept"], "Name triplets by their ids, or give --above"),
        (["accept", "a", "--above", "0.5"], "Name triplets by their ids"),
        (["accept", ""], "One of the ids is no id"),
        (["import", str(tmp_path / "gone.json")], "There is no file at"),
        (["hold-out"], "No triplet is accepted yet"),
    ):
        result = run(url, *wrong, code=1)
        assert sentence in str(result.exception)
