"""Lines of the audit log: written with the change, found again newest first."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend import clock as backend_clock
from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.audit.service import Subject, all_lines, list_lines, note
from backend.audit.tables import AuditLine
from backend.database import Database
from backend.errors import InvalidInput
from backend.paging import encode_cursor
from tests.backend.catalogue.hundred_thousand import settle
from tests.backend.catalogue.plans import Statement, asked, read_whole
from tests.conftest import MovableClock
from tests.services import LONG_ON_POSTGRES

TEE = Subject("product", "p1", "TEE-1")
LINES = 8_000
"""So many of them held at once take over 20 MiB."""


def lines(database: Database, **wanted: object) -> list[AuditLineOut]:
    with database.read() as session:
        return list_lines(session, AuditFilter.model_validate(wanted)).items


def test_a_line_says_who_did_what_to_what(database: Database, clock: MovableClock) -> None:
    before = {"title": "Tee", "split": "train"}
    with database.write() as session:
        note(session, "ann", "product.update", TEE, before=before, after={**before, "split": "val"})
    (line,) = lines(database)
    assert (line.at, line.actor, line.action) == (clock.moment, "ann", "product.update")
    assert (line.subject_kind, line.subject_id, line.label) == TEE
    assert (line.before, line.after) == ({"split": "train"}, {"split": "val"})
    assert line.request_id is None


def test_what_comes_and_what_goes_has_one_side(database: Database) -> None:
    with database.write() as session:
        note(session, "ann", "product.create", TEE, after={"title": "Tee"})
        note(session, "ann", "product.delete", TEE, before={"title": "Tee"})
        note(session, "ann", "backup.made", TEE)
    assert [(line.before, line.after) for line in lines(database)] == [
        ({}, {}),
        ({"title": "Tee"}, {}),
        ({}, {"title": "Tee"}),
    ]


def test_two_states_that_are_alike_are_no_change(database: Database) -> None:
    with database.write() as session:
        note(session, "ann", "product.update", TEE, before={"title": "A"}, after={"title": "A"})
    assert lines(database) == []


def test_the_line_is_kept_with_the_change_or_not_at_all(database: Database) -> None:
    def fail() -> None:
        with database.write() as session:
            note(session, "ann", "product.create", TEE)
            session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert lines(database) == []


def test_whatever_names_are_it_fits(database: Database) -> None:
    odd = Subject("k" * 90, "i" * 900, "\ud800\0" + "l" * 900)
    with database.write() as session:
        note(session, "a\0" * 900, "x" * 90, odd, after={"t\0": "\0\ud800"})
    (line,) = lines(database)
    lengths = [len(line.actor), len(line.action), len(line.subject_kind), len(line.subject_id)]
    assert lengths == [100, 40, 40, 100]
    assert (len(line.label), line.label[:3]) == (200, "?\ufffdl")
    assert line.after == {"t\ufffd": "\ufffd?"}


def stock(database: Database, clock: MovableClock) -> None:
    """One line a minute."""
    for actor, action, subject in (
        ("ann", "product.create", TEE),
        ("ben", "product.update", TEE),
        ("ben", "products.bulk_edit", Subject("products", "", "many products")),
        ("ann", "model.promote", Subject("version", "p1", "combiner")),
    ):
        with database.write() as session:
            note(session, actor, action, subject)
        clock.advance(60)


def test_lines_are_found_by_whatever_is_known(database: Database, clock: MovableClock) -> None:
    begun = clock.moment
    stock(database, clock)

    def found(**wanted: object) -> list[str]:
        return [line.action for line in lines(database, **wanted)]

    everything = ["model.promote", "products.bulk_edit", "product.update", "product.create"]
    assert found() == everything
    assert found(actor="ben") == everything[1:3]
    assert found(actor="be") == []
    assert found(action="product.") == everything[2:]
    assert found(action="product") == everything[1:]
    assert found(action="model.promote") == everything[:1]
    assert found(subject_kind="product", subject_id="p1") == everything[2:]
    assert found(subject_id="p1", actor="ann") == ["model.promote", "product.create"]
    assert found(since=begun + timedelta(minutes=1)) == everything[:3]
    assert found(until=begun + timedelta(minutes=1)) == everything[3:]


def test_pages_hold_every_line_once_while_more_come(
    database: Database, clock: MovableClock
) -> None:
    stock(database, clock)
    stock(database, clock)
    seen, cursor = [], None
    while True:
        with database.read() as session:
            page = list_lines(session, AuditFilter(actor="ann"), cursor=cursor, limit=3)
        seen += [line.id for line in page.items]
        if (cursor := page.next_cursor) is None:
            break
        stock(database, clock)
    assert len(seen) == len(set(seen)) == 4
    assert seen == sorted(seen, reverse=True)
    assert page.total == 6


@pytest.mark.parametrize(
    "cursor",
    ["?", encode_cursor([7]), encode_cursor(["x"]), encode_cursor([10**17]), "WzFd" * 9],
)
def test_a_cursor_of_no_line_is_told(database: Database, cursor: str) -> None:
    with (
        database.read() as session,
        pytest.raises(InvalidInput, match="not one this list gave out"),
    ):
        list_lines(session, AuditFilter(), cursor=cursor)


def fill(database: Database, count: int) -> None:
    """Lines of a year; some of them of the same moment."""
    moment = backend_clock.now()
    actions = ("product.update", "products.bulk_edit", "import.end", "model.promote", "user.add")
    rows = [
        {
            "at": moment + timedelta(seconds=number // 3),
            "actor": f"user {number % 7}",
            "action": actions[min(number % 40, 4)],
            "subject_kind": "product",
            "subject_id": f"p{number % 1000}",
            "label": f"SKU-{number % 1000}",
            "before": {"title": "one"},
            "after": {"title": "another"},
        }
        for number in range(count)
    ]
    with database.write() as session:
        session.execute(insert(AuditLine), rows)
    settle(database)


def test_no_question_reads_the_log_whole(database: Database) -> None:
    fill(database, 3000)
    middle = backend_clock.now() + timedelta(seconds=500)

    def pages(**wanted: object) -> list[Statement]:
        def both(session: Session) -> None:
            wish = AuditFilter.model_validate(wanted)
            first = list_lines(session, wish, limit=5)
            list_lines(session, wish, cursor=first.next_cursor, limit=5)

        return asked(database, both)

    for wanted in (
        {"actor": "user 3"},
        {"action": "model."},
        {"action": "user.add", "actor": "user 3"},
        {"subject_kind": "product", "subject_id": "p7"},
        {"since": middle, "until": middle + timedelta(seconds=9)},
    ):
        assert read_whole(database, pages(**wanted)) == {}, wanted
    everything = pages()
    if not database.is_sqlite:
        assert read_whole(database, everything) == {}
        return
    with database.engine.connect() as connection:
        plans = [
            str(row[-1])
            for statement, parameters in everything
            if statement.startswith("SELECT")
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert not any("TEMP B-TREE" in plan for plan in plans), "sorted, where an index is in order"
    assert all("INDEX" in plan or "PRIMARY KEY" in plan for plan in plans), plans


@LONG_ON_POSTGRES
def test_many_lines_are_streamed_in_little_memory(database: Database) -> None:
    fill(database, LINES)
    tracemalloc.start()
    try:
        seen = sum(1 for _ in all_lines(database, AuditFilter()))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == LINES
    assert most < 4 * 2**20
    last = None
    for line in all_lines(database, AuditFilter(action="import.")):
        assert last is None or (line.at, line.id) < last
        last = (line.at, line.id)


@pytest.mark.parametrize("change", ["update", "delete"])
def test_a_line_that_is_there_stays_as_it_is(database: Database, change: str) -> None:
    with database.write() as session:
        note(session, "ann", "product.create", TEE)

    def tamper() -> None:
        with database.write() as session:
            line = session.scalars(select(AuditLine)).one()
            if change == "update":
                line.actor = "ben"
            else:
                session.delete(line)

    with pytest.raises(IntegrityError, match="the audit log is only added to"):
        tamper()
    with database.read() as session:
        assert session.scalar(select(func.count()).where(AuditLine.actor == "ann")) == 1
