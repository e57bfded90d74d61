"""Every failure of a request is a problem document with a sentence, whatever was sent."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from backend import problems
from backend.app import create_app
from backend.database import Database
from backend.errors import AkinError, InvalidInput, NoSpace, Unavailable
from backend.migrating import upgrade
from backend.outages import BUSY, DAMAGED, NO_ANSWER, NO_SPACE, NOT_STORABLE, READ_ONLY, told
from backend.runtime import open_runtime
from backend.settings import Settings
from tests.services import LONG_ON_POSTGRES

LOCAL = "http://127.0.0.1:8000"
ODD = ["a\0b", "\ud800", "9" * 400, "../../etc/passwd"]
ODD_BODIES = [
    "[" * 100_000,
    '{"sku": "\\ud800", "title": "t"}',
    '{"\\ud800": [], "files": "\\ud800", "text": NaN}',
    "null",
    "",
]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FastAPI]:
    """The whole application, made once since that takes a second; it does not search."""
    runtime = open_runtime(Settings(home=tmp_path_factory.mktemp("home")))
    upgrade(runtime.database)
    yield create_app(runtime)
    runtime.close()


@pytest.fixture
def client(app: FastAPI) -> TestClient:
    return TestClient(app, base_url=LOCAL, raise_server_exceptions=False)


def assert_told(answer, *statuses: int) -> str:
    """It is a problem document; its sentence."""
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


def operations(client: TestClient) -> Iterator[tuple[str, str, list[str], bool]]:
    """Method, path, names of query parameters, and whether it takes JSON; of every operation."""
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            query = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
            body = operation.get("requestBody", {}).get("content", {})
            yield method.upper(), path, query, "application/json" in body


def filled(path: str, value: str) -> str:
    return re.sub(r"\{[^}]*\}", quote(value.encode(errors="surrogatepass"), safe=""), path)


# Odd requests


@LONG_ON_POSTGRES
def test_no_odd_text_in_a_path_or_query_is_our_mistake(
    app: FastAPI, client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.runtime, "database", database)
    for odd in ODD:
        encoded = quote(odd.encode(errors="surrogatepass"), safe="")
        for method, path, query, _ in operations(client):
            urls = [f"{filled(path, 'x')}?{name}={encoded}" for name in query]
            urls += [filled(path, odd)] if "{" in path else []
            for url in urls:
                answer = client.request(method, url)
                assert answer.status_code < 500 or answer.status_code == 503, (url, answer.text)


@LONG_ON_POSTGRES
def test_no_odd_body_is_our_mistake(
    app: FastAPI, client: TestClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.runtime, "database", database)
    for method, path, _, takes_json in operations(client):
        for kind in ("application/json", "text/plain", "multipart/form-data; boundary=x", "?"):
            for body in ODD_BODIES if takes_json else ():
                headers = {"content-type": kind}
                answer = client.request(method, filled(path, "x"), content=body, headers=headers)
                if answer.is_error:
                    assert_told(answer, 400, 404, 409, 413, 422, 503)


def test_half_a_character_is_told(client: TestClient) -> None:
    body = json.dumps({"sku": "A", "title": "\ud800"})
    answer = client.post("/v1/products", content=body, headers={"content-type": "application/json"})
    detail = assert_told(answer, 422)
    assert detail == NOT_STORABLE or "title" in detail


def test_json_that_is_cut_short_says_where(client: TestClient) -> None:
    body = '{"sku": "A", '
    answer = client.post("/v1/products", content=body, headers={"content-type": "application/json"})
    assert assert_told(answer, 422) == (
        "The request does not fit: the body is no JSON from character 13 on "
        "(expecting property name enclosed in double quotes)."
    )


def test_a_body_of_another_kind_is_told(client: TestClient) -> None:
    answer = client.post("/v1/products", content="a=b", headers={"content-type": "text/plain"})
    assert "The request does not fit: body: " in assert_told(answer, 422)


def test_json_nested_too_deep_is_told(client: TestClient) -> None:
    answer = client.post(
        "/v1/products", content="[" * 100_000, headers={"content-type": "application/json"}
    )
    assert assert_told(answer, 400, 422)


def test_a_thousand_mistakes_are_not_all_told(client: TestClient) -> None:
    answer = client.post("/v1/imports/x/files", json={"files": [{}] * 1000})
    detail = assert_told(answer, 422)
    assert detail.endswith("; and 2,995 more.")
    assert len(detail) < 300


def test_a_method_that_is_not_there(client: TestClient) -> None:
    answer = client.put("/v1/catalogue")
    assert assert_told(answer, 405) == (
        "/v1/catalogue does not take PUT: see /docs for what it takes."
    )
    assert answer.headers["allow"] == "GET"


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/v1/products", {"GET", "POST"}),
        ("/v1/products/x", {"DELETE", "GET", "PATCH"}),
        ("/v1/models/compare", {"POST"}),  # although a version could be called so
        ("/docs", {"GET", "HEAD"}),  # is in no description
    ],
)
def test_all_methods_that_a_path_takes_are_told(
    client: TestClient, path: str, methods: set[str]
) -> None:
    answer = client.put(path)
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == methods


def test_headers_beyond_all_measure_are_refused(client: TestClient) -> None:
    """By the server before us; here that ours do not mind what it lets through."""
    answer = client.get("/v1/products", headers={"x-large": "x" * 60_000, "cookie": ";" * 60_000})
    assert answer.status_code == 200


# Outages of disk and database


def outage_of(database: Database, *statements: str) -> DBAPIError:
    with pytest.raises(DBAPIError) as raised:
        _execute(database, statements)
    return raised.value


def _execute(database: Database, statements: tuple[str, ...]) -> None:
    with database.write() as session:
        for statement in statements:
            session.execute(text(statement))


def test_a_full_sqlite_database_is_told(sqlite_database: Database) -> None:
    full = outage_of(
        sqlite_database,
        "PRAGMA max_page_count = 1",
        "CREATE TABLE filling (a)",
        "INSERT INTO filling VALUES (zeroblob(10000000))",
    )
    assert_is(told(full), NoSpace, NO_SPACE)


def test_a_read_only_sqlite_database_is_told(sqlite_database: Database) -> None:
    refused = outage_of(sqlite_database, "PRAGMA query_only = 1", "DELETE FROM jobs")
    assert_is(told(refused), Unavailable, READ_ONLY)


def test_a_damaged_sqlite_database_is_told(tmp_path) -> None:
    (tmp_path / "no.sqlite3").write_bytes(b"not a database at all" * 1000)
    with pytest.raises(DBAPIError) as raised, Database(f"sqlite:///{tmp_path}/no.sqlite3").read():
        pass
    assert_is(told(raised.value), Unavailable, DAMAGED)


def test_a_sqlite_database_that_another_process_keeps_locked_is_told(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.database._BUSY_MS", 1)
    other = Database(sqlite_database.url)
    with sqlite_database.write():
        locked = outage_of(other, "DELETE FROM jobs")
    other.close()
    assert_is(told(locked), Unavailable, BUSY)


@pytest.mark.services
@pytest.mark.parametrize(
    ("state", "kind", "sentence"),
    [
        ("53100", NoSpace, NO_SPACE),  # disk_full
        ("25006", Unavailable, READ_ONLY),  # read_only_sql_transaction
        ("22021", InvalidInput, NOT_STORABLE),  # character_not_in_repertoire
        ("57P01", Unavailable, NO_ANSWER),  # admin_shutdown
        ("40P01", Unavailable, NO_ANSWER),  # deadlock_detected
    ],
)
def test_what_postgresql_reports_is_told(postgres_database, state, kind, sentence) -> None:
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"
    assert_is(told(outage_of(postgres_database, raising)), kind, sentence)


@pytest.mark.parametrize(
    ("number", "kind", "sentence"),
    [
        (errno.ENOSPC, NoSpace, NO_SPACE),
        (errno.EDQUOT, NoSpace, NO_SPACE),
        (errno.EROFS, Unavailable, READ_ONLY),
        (errno.EACCES, Unavailable, READ_ONLY),
        (
            errno.EIO,
            Unavailable,
            "A file of Akin's data could not be read or written (input/output error): look at its "
            "disk, then try again.",
        ),
    ],
)
def test_what_the_file_system_reports_is_told(number: int, kind, sentence: str) -> None:
    assert_is(told(OSError(number, os.strerror(number), "/secret/place")), kind, sentence)


def test_a_pool_without_a_free_connection_is_told() -> None:
    assert_is(told(PoolTimeout()), Unavailable, BUSY)


def test_a_mistake_of_ours_is_no_outage() -> None:
    assert told(ValueError("x")) is None
    assert told(DBAPIError("SELECT", {}, psycopg.ProgrammingError())) is None


def assert_is(failure: AkinError | None, kind: type[AkinError], sentence: str) -> None:
    assert failure is not None
    assert type(failure) is kind
    assert failure.sentence == sentence


@pytest.mark.parametrize(
    ("error", "status", "header"),
    [
        (OSError(errno.ENOSPC, "full"), 507, None),
        (OSError(errno.EROFS, "read-only"), 503, ("retry-after", "2")),
        (PoolTimeout(), 503, ("retry-after", "2")),
        (DBAPIError("SELECT", {}, psycopg.ProgrammingError()), 500, None),
    ],
)
def test_an_outage_in_a_request_is_a_problem(error: Exception, status: int, header) -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/")
    def failing() -> None:
        raise error

    answer = TestClient(app, raise_server_exceptions=False).get("/")
    assert_told(answer, status)
    if header:
        assert answer.headers[header[0]] == header[1]


def test_a_sentence_may_hold_half_a_character() -> None:
    """Names of files can: Python reads broken ones with `surrogateescape`."""
    assert b"\\\\udcff" in problems.problem(422, "caf\udcff", "invalid-input").body


def test_after_a_timeout_the_connection_is_closed() -> None:
    assert problems.problem(408, "x", "too-slow").headers["connection"] == "close"
