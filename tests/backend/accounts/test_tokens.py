"""Keys for machines, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from backend.accounts import service, tokens
from backend.accounts.roles import Actor, Role
from backend.audit.schemas import AuditFilter
from backend.audit.service import all_lines
from backend.database import Database
from backend.errors import InvalidInput, NotAllowed, NotFound, NotKnown
from backend.paging import encode_cursor
from tests.backend.accounts.site import HERE, PASSWORD, change
from tests.conftest import MovableClock

ANN = Actor("ann", "admin", "?")


def key(database: Database, name: str, role: Role, actor: Actor = ANN) -> tuple[str, str]:
    with database.write() as session:
        user = service.named(session, name)
        made, secret = tokens.create_key(
            session,
            user,
            "till",
            role,
            timedelta(days=1),
            actor,
        )
        return made.id, secret


def test_a_key_acts_for_its_user_with_at_most_its_role(guard, people):
    _, secret = key(people, "mia", "shopper")
    actor = guard.actor_of_token(secret)
    assert (actor.name, actor.role, actor.by_key) == ("mia/till", "shopper", True)
    change(people, "mia", disabled=True)
    with pytest.raises(NotKnown):
        guard.actor_of_token(secret)


def test_a_key_is_never_more_than_its_user(guard, people):
    with pytest.raises(NotAllowed, match="mia is a manager and cannot have a key with the role"):
        key(people, "mia", "admin")
    _, secret = key(people, "mia", "manager")
    change(people, "mia", role="shopper")
    assert guard.actor_of_token(secret).role == "shopper"


def test_a_key_makes_no_keys(people):
    with pytest.raises(NotAllowed, match="cannot make another key"):
        key(people, "mia", "shopper", Actor("mia/till", "manager", "?", by_key=True))


def test_a_revoked_key_is_over_and_only_its_user_or_an_admin_revokes_it(guard, people):
    key_id, secret = key(people, "mia", "shopper")
    sue = guard.actor_of_token(guard.log_in("sue", PASSWORD, HERE).token)
    mia = guard.actor_of_token(guard.log_in("mia", PASSWORD, HERE).token)
    with people.write() as session, pytest.raises(NotFound, match="There is no key"):
        tokens.delete_key(session, key_id, sue)
    with people.write() as session:
        tokens.delete_key(session, key_id, mia)
    with pytest.raises(NotKnown):
        guard.actor_of_token(secret)
    actions = [line.action for line in all_lines(people, AuditFilter(subject_kind="key"))]
    assert actions == ["key.revoke", "key.create"]


def test_one_sees_one_s_own_keys_and_an_admin_everybody_s(guard, people, clock: MovableClock):
    for name in ("mia", "sue", "mia"):
        clock.advance(1)
        key(people, name, "shopper")
    mia = guard.actor_of_token(guard.log_in("mia", PASSWORD, HERE).token)
    with people.read() as session:
        own = tokens.list_keys(session, mia)
        first = tokens.list_keys(session, ANN, limit=2)
        rest = tokens.list_keys(session, ANN, limit=2, cursor=first.next_cursor)
    assert [one.user for one in own.items] == ["mia", "mia"]
    assert [one.user for one in (*first.items, *rest.items)] == ["mia", "sue", "mia"]
    assert (first.total, rest.next_cursor) == (3, None)


def test_a_key_that_is_revoked_between_two_pages_does_not_end_the_list(people, clock: MovableClock):
    made = []
    for _ in range(4):
        clock.advance(0.25)
        made.append(key(people, "mia", "shopper")[0])
    with people.read() as session:
        first = tokens.list_keys(session, ANN, limit=2)
    with people.write() as session:
        tokens.delete_key(session, first.items[-1].id, ANN)
    with people.read() as session:
        rest = tokens.list_keys(session, ANN, limit=2, cursor=first.next_cursor)
    assert [one.id for one in (*first.items, *rest.items)] == made[::-1]


@pytest.mark.parametrize("place", [["soon", "id"], ["0001-01-01T00:00:00+14:00", "id"], ["id"]])
def test_a_cursor_of_another_list_is_told(people, place):
    with people.read() as session, pytest.raises(InvalidInput, match="not one this list gave out"):
        tokens.list_keys(session, ANN, cursor=encode_cursor(place))
