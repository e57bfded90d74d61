"""Users and their passwords, on both databases."""

from __future__ import annotations

import threading

import pytest

from backend.accounts import service
from backend.audit.schemas import AuditFilter
from backend.audit.service import all_lines
from backend.errors import Conflict, InvalidInput, NotFound
from tests.backend.accounts.site import change


def test_the_first_user_is_an_admin(database, password_hash):
    with database.write() as session, pytest.raises(Conflict, match="add an admin first"):
        service.add(session, "mia", "manager", password_hash, "local")


def test_a_name_is_given_once_however_it_is_written(people, password_hash):
    with people.write() as session:
        with pytest.raises(Conflict, match="There is a user ann already"):
            service.add(session, "ann", "admin", password_hash, "local")
        assert service.named(session, " ANN ").name == "ann"
        with pytest.raises(Conflict, match="local stands for what no user did"):
            service.add(session, "local", "admin", password_hash, "local")
        with pytest.raises(NotFound, match="There is no user bob"):
            service.named(session, "bob")


def test_users_are_listed_by_name_page_by_page(people):
    with people.read() as session:
        first = service.list_users(session, limit=2)
        second = service.list_users(session, limit=2, cursor=first.next_cursor)
        with pytest.raises(InvalidInput, match="cursor"):
            service.list_users(session, cursor="what")
    assert [user.name for user in (*first.items, *second.items)] == ["ann", "mia", "sue"]
    assert (first.total, second.next_cursor) == (3, None)


@pytest.mark.parametrize("wanted", [{"role": "manager"}, {"disabled": True}])
def test_the_last_admin_stays(people, wanted):
    with pytest.raises(Conflict, match="ann is the last admin who can log in"):
        change(people, "ann", **wanted)
    change(people, "mia", role="admin")
    change(people, "ann", **wanted)
    with pytest.raises(Conflict, match="mia is the last admin"):
        change(people, "mia", **wanted)


def test_a_disabled_admin_does_not_count(people):
    change(people, "mia", role="admin", disabled=True)
    with pytest.raises(Conflict, match="last admin"):
        change(people, "ann", disabled=True)


def test_of_two_admins_who_put_out_each_other_one_stays(people):
    change(people, "mia", role="admin")
    barrier, refused = threading.Barrier(2), []

    def put_out(name: str) -> None:
        barrier.wait()
        try:
            change(people, name, disabled=True)
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=put_out, args=(name,)) for name in ("ann", "mia")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    with people.read() as session:
        assert service.any_admin(session)


def test_every_change_is_in_the_audit_log_without_the_password(people, password_hash):
    change(people, "mia", role="shopper", password_hash=password_hash)
    line = next(all_lines(people, AuditFilter()))
    assert (line.actor, line.action, line.label) == ("ann", "user.update", "mia")
    assert line.before == {"role": "manager", "password": "old"}
    assert line.after == {"role": "shopper", "password": "new"}
