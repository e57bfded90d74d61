"""A job's report as CSV: streamed, safe for spreadsheets, with refused rows as they were."""

from __future__ import annotations

import csv
import io

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from backend.accounts.actor import Actor, current_actor
from backend.catalogue.manifest_tables import read_table
from backend.database import Database
from backend.jobs import report_table as module
from backend.jobs import service
from backend.jobs.broker import Queue
from backend.jobs.report_table import report_table
from backend.jobs.routes import router
from backend.jobs.tables import JobItem
from backend.runtime import Runtime
from backend.spreadsheet import csv_line, safe
from tests.api import api_of


def job_with(database: Database, queue: Queue, *items: dict[str, object]) -> str:
    with database.write() as session:
        job = service.create(session, queue, kind="ingest", actor="ann")
        for position, item in enumerate(items):
            session.add(JobItem(job_id=job.id, position=position, **item))
        return job.id


def refused(name: str, reason: str, row: dict[str, str] | None = None) -> dict[str, object]:
    payload = {} if row is None else {"row": row}
    return {
        "name": name,
        "state": "failed",
        "outcome": "refused",
        "reason": reason,
        "payload": payload,
    }


def table(database: Database, job_id: str, state: str | None = "failed") -> list[list[str]]:
    text = "".join(report_table(database, job_id, state))
    assert text.startswith("\ufeff")
    return list(csv.reader(io.StringIO(text[1:], newline="")))


def test_refused_rows_stand_there_as_they_were(database: Database, queue: Queue) -> None:
    job_id = job_with(
        database,
        queue,
        {"name": "a.jpg", "state": "done", "outcome": "created", "payload": {"product": "p1"}},
        refused("p.csv, row 3 (B)", "No.", {"Farbe": "rot", "sku": "B", "image": "b.jpg"}),
        refused("x.jpg", "Not a picture."),
        refused("p.csv, row 4 (C)", "Not\nso.", {"sku": "C", "price": "x", "Größe": "ü"}),
    )
    head = ["akin_line", "akin_outcome", "akin_reason"]
    fields = ["sku", "image", "title", "category", "split", "price", "currency", "Farbe", "Größe"]
    assert table(database, job_id) == [
        [*head, *fields],
        ["p.csv, row 3 (B)", "refused", "No.", "B", "b.jpg", "", "", "", "", "", "rot", ""],
        ["x.jpg", "refused", "Not a picture.", *[""] * 9],
        ["p.csv, row 4 (C)", "refused", "Not\nso.", "C", "", "", "", "", "x", "", "", "ü"],
    ]


def test_the_whole_report_of_plain_files_has_no_columns_of_rows(
    database: Database, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    done: list[dict[str, object]] = [
        {"name": f"{n}.jpg", "state": "done", "outcome": "created", "payload": {}} for n in range(5)
    ]
    job_id = job_with(database, queue, *done, {"name": "z", "state": "pending", "payload": {}})
    rows = table(database, job_id, None)
    assert rows[0] == ["akin_line", "akin_outcome", "akin_reason"]
    assert [row[:2] for row in rows[1:]] == [
        *([f"{n}.jpg", "created"] for n in range(5)),
        ["z", "pending"],
    ]


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=cmd()", "'=cmd()"),
        ("+1", "'+1"),
        ("-7", "'-7"),
        ("@x", "'@x"),
        ("\tx", "'\tx"),
        ("'-8", "''-8"),
        ("'tis", "'tis"),
        ("a=b", "a=b"),
        ("", ""),
        ("x;=cmd()", "x;'=cmd()"),
        ('x;"=cmd()"', 'x;\'"=cmd()"'),
        ("x;'@y;-1", "x;''@y;'-1"),
        ("x\t+1", "x\t'+1"),
        ("x\r\n-1", "x\r\n'-1"),
        ("=1\n=2", "'=1\n'=2"),
        ("x; y;z,=1", "x; y;z,=1"),
    ],
)
def test_no_spreadsheet_runs_a_cell(cell: str, shown: str) -> None:
    assert safe(cell) == shown


def texts(alphabet: str) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=1, max_size=12).map(str.strip).filter(bool)


CELLS = texts("=+-@'\";,\t\r\n ax")


@given(st.lists(CELLS, min_size=2, max_size=2))
def test_wherever_a_spreadsheet_parts_a_report_no_cell_begins_as_a_formula(
    cells: list[str],
) -> None:
    """As where the list separator is a semicolon, a tab, or as it should be."""
    line = csv_line(["name", *cells])
    for separator in (";", "\t"):
        for row in csv.reader(io.StringIO(line, newline=""), delimiter=separator):
            assert [cell for cell in row if cell[:1] in set("=+-@")] == []


@given(st.lists(CELLS, min_size=1, max_size=3), texts("=+-@'\" ax"))
def test_what_a_report_guards_is_read_again_as_it_was(cells: list[str], column: str) -> None:
    lines = [
        csv_line(["sku", column]),
        *(csv_line([f"A{n}", cell]) for n, cell in enumerate(cells)),
    ]
    table = read_table("".join(lines).encode(), "refusals.csv")
    assert table.columns == ["sku", column]
    assert [record.values[column] for record in table.records()] == cells


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    return api_of(runtime, router)


def test_it_is_a_file_to_download(app: FastAPI, runtime: Runtime) -> None:
    job_id = job_with(runtime.database, runtime.queue, refused("=x.jpg", "Ünreadable."))
    answer = TestClient(app).get(f"/v1/jobs/{job_id}/items.csv?state=failed")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f'filename="akin-refusals-{job_id}.csv"' in answer.headers["content-disposition"]
    assert answer.content.startswith(b"\xef\xbb\xbfakin_line,")
    assert "'=x.jpg,refused,Ünreadable." in answer.text


def test_it_is_for_managers_and_of_jobs_that_are_there(app: FastAPI) -> None:
    client = TestClient(app)
    assert client.get("/v1/jobs/nope/items.csv").status_code == 404
    app.dependency_overrides[current_actor] = lambda: Actor("sam", "shopper")
    assert client.get("/v1/jobs/nope/items.csv").status_code == 403
