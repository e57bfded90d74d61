"""Asking for a measurement or a comparison: over both databases, over HTTP, by command."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from fastapi import FastAPI
from sqlalchemy import select
from typer.testing import CliRunner, Result

from backend.audit.schemas import AuditFilter
from backend.audit.service import all_lines
from backend.cli import app as akin
from backend.client import AkinClient, ApiError
from backend.jobs import lease
from backend.jobs.routes import router as job_router
from backend.jobs.schemas import JobOut
from backend.jobs.tables import Job
from backend.registry import lifecycle
from backend.registry.deployments import Active, active
from backend.registry.gate import judge
from backend.registry.routes import router as model_router
from backend.runtime import Runtime
from backend.training.measuring_routes import router
from backend.training.measuring_schemas import CompareRequest, Comparison
from tests.api import api_of, client_of, served
from tests.backend.registry.stock import add_version, figures

FIGURES = {"R@1": (20.0, 15.1, 25.2), "R@10": (80.0, 75.0, 85.0)}
FOUND = Comparison(
    a="sum", b="better", split="test", triplets=240, wins=61, losses=22, ties=157, p_value=2.2e-5,
    figures_a=FIGURES, figures_b=FIGURES, gains=[], drops=[],
)  # fmt: skip


@pytest.fixture
def now(runtime: Runtime) -> Active:
    with runtime.database.write() as session:
        found = active(session)
        add_version(session, found, "better")
        add_version(session, found, "unfinished", state="training")
    return found


@pytest.fixture
def app(runtime: Runtime, now: Active) -> FastAPI:
    return api_of(runtime, router, job_router, model_router)


@pytest.fixture
def client(app: FastAPI) -> AkinClient:
    return client_of(app)


def refusal(ask: Callable[..., object], *arguments: object) -> tuple[int, str]:
    with pytest.raises(ApiError) as refused:
        ask(*arguments)
    return refused.value.status, refused.value.sentence


def test_a_measurement_is_a_job_and_there_is_one_at_a_time(client: AkinClient) -> None:
    job = client.measure("id of better")
    assert (job.kind, job.state, job.parameters) == ("evaluate", "queued", {"version": "better"})
    assert client.measure("id of better").id == job.id
    client.cancel_job(job.id)
    assert client.measure("id of better").id != job.id


def test_a_comparison_is_a_job_of_an_ordered_pair(client: AkinClient, now: Active) -> None:
    forth = client.compare(CompareRequest(a=now.version_id, b="id of better"))
    assert forth.kind == "compare"
    assert forth.parameters["versions"] == [now.version, "better"]
    assert client.compare(CompareRequest(a=now.version_id, b="id of better")).id == forth.id
    assert client.compare(CompareRequest(a="id of better", b=now.version_id)).id != forth.id
    assert [one.id for one in client.jobs(kind="evaluate").items] == []
    assert client.jobs(kind="compare").total == 2


def test_what_cannot_be_measured_or_compared_is_told(client: AkinClient, now: Active) -> None:
    only = "only a version that is ready can be measured or compared."
    assert refusal(client.measure, "id of unfinished") == (409, f"unfinished is training: {only}")
    gone = (404, "There is no model version nobody: list them with `akin models list`.")
    assert refusal(client.measure, "nobody") == gone
    assert refusal(client.compare, CompareRequest(a="nobody", b="id of better")) == gone
    twice = CompareRequest(a="id of better", b="id of better")
    assert refusal(client.compare, twice) == (
        422,
        "better cannot be compared with itself: name two versions.",
    )


def test_the_documented_answers_are_jobs(client: AkinClient) -> None:
    paths = client._http.get("/openapi.json").json()["paths"]
    blank = dict.fromkeys(JobOut.model_fields)  # FastAPI leaves out what is null
    for path in ("/v1/models/{version_id}/measure", "/v1/models/compare"):
        told = paths[path]["post"]["responses"]["202"]["content"]["application/json"]
        JobOut.model_validate(blank | told["example"])


def test_what_was_measured_is_what_the_gate_goes_by(runtime: Runtime, now: Active) -> None:
    """Of a version that is ready, figures alone may change, whichever the database."""
    with runtime.database.write() as session:
        version = lifecycle.version_row(session, "id of better")
        assert not judge(version, now).passed
        told = figures(now, 90.0, 80.0)["held_out"] | {"split": "test"}
        lifecycle.measured(session, version.id, told, actor="ann")
        assert judge(version, now).passed
        later = figures(now, 70.0, 80.0, triplets=300)["held_out"] | {"split": "test"}
        lifecycle.measured(session, version.id, later, actor="bob")
        assert not judge(version, now).passed
    line = next(iter(all_lines(runtime.database, AuditFilter(action="model.measure"))))
    assert (line.actor, line.label) == ("bob", "better")
    assert line.before == {"triplets": 200, "R@10": 90.0}
    assert line.after == {"triplets": 300, "R@10": 70.0}


@pytest.mark.parametrize(
    ("wins", "losses", "p_value", "told"),
    [
        (0, 0, 1.0, "Both rank the target alike for all 240 triplets."),
        (61, 22, 2.2e-5, "better finds the right product sooner for 61 of 240 triplets and later "
         "for 22; chance alone would be as uneven in 0.0022 % of cases."),
        (5, 4, 1.0, "better finds the right product sooner for 5 of 240 triplets and later for 4; "
         "chance alone would be as uneven in 100 % of cases."),
        (200, 0, 1e-60, "better finds the right product sooner for 200 of 240 triplets and later "
         "for 0; chance alone would be as uneven in less than 0.001 % of cases."),
    ],
)  # fmt: skip
def test_a_comparison_in_one_sentence(wins: int, losses: int, p_value: float, told: str) -> None:
    change = {"wins": wins, "losses": losses, "p_value": p_value}
    assert FOUND.model_copy(update=change).sentence == told


@pytest.fixture
def url(app: FastAPI, runtime: Runtime, now: Active) -> Iterator[str]:
    """A server whose worker knows the results already."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(0.05):
            with runtime.database.write() as session:
                for job in session.scalars(select(Job).where(Job.state == "queued")):
                    lease.claim(session, job.id, "test")
                    if job.kind == "evaluate":
                        told = figures(now, 90.0, 80.0)["held_out"] | {"split": "test"}
                        lifecycle.measured(session, job.subject or "", told, actor=job.actor)
                    lease.finish(job, FOUND.model_dump(mode="json"))

    worker = threading.Thread(target=work)
    worker.start()
    with served(app) as url:
        yield url
    stop.set()
    worker.join()


def run(url: str, *words: str) -> Result:
    done = CliRunner().invoke(akin, ["models", *words, "--url", url])
    assert done.exit_code == 0, (done.output, done.exception)
    return done


def test_the_command_compares_and_says_what_it_means(url: str, now: Active) -> None:
    told = run(url, "compare", now.version, "better").stdout
    assert "240 held-out triplets" in told
    assert told.rstrip().endswith(FOUND.sentence)
    told = run(url, "compare", "better", now.version, "--json").stdout
    assert Comparison.model_validate_json(told) == FOUND


def test_the_command_measures(url: str, now: Active) -> None:
    assert "Follow it with: akin jobs watch" in run(url, "measure", "better").stdout
    told = run(url, "measure", "better", "--watch").stdout
    assert "200 held-out triplets" in told
    assert "90.0" in told
    version = json.loads(run(url, "measure", "better", "--watch", "--json").stdout)
    assert version["figures"]["held_out"]["triplets"] == 200
