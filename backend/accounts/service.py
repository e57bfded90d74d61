"""Users: add, list, change, log in. There is always an enabled admin once there is anybody."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple, cast
from uuid import uuid4

from sqlalchemy import case, exists, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from backend import clock
from backend.accounts import throttle, tokens
from backend.accounts.roles import Role
from backend.accounts.schemas import UserOut
from backend.accounts.tables import User
from backend.audit.service import Subject, note
from backend.errors import Conflict, NotFound, NotKnown
from backend.paging import Page, decode_cursor, encode_cursor

RESERVED = frozenset({"local", "akin", "system"})
"""Names under which the audit log tells what no user did."""

DO_NOT_FIT = "Name and password do not fit: check both, or ask an admin."


class Proven(NamedTuple):
    """Whose password was right, and the hash that it fitted."""

    user_id: str
    password_hash: str


def any_user(session: Session) -> bool:
    """Whether there is one, disabled or not."""
    return bool(session.scalar(select(exists(select(User.id)))))


def any_admin(session: Session) -> bool:
    """Whether somebody can log in and add others."""
    query = select(User.id).where(User.role == "admin", User.disabled.is_(False))
    return bool(session.scalar(select(exists(query))))


def counts(session: Session) -> tuple[int, int]:
    """How many users there are, and how many admins among them who can log in."""
    admin = (User.role == "admin") & User.disabled.is_(False)
    found = session.execute(select(func.count(), func.count(case((admin, 1))))).one()
    return found[0], found[1]


def add(session: Session, name: str, role: Role, password_hash: str, actor: str) -> UserOut:
    """A new user, who can log in at once.

    name: in lower case.

    Raises:
        Conflict: if the name is taken, or the first user would be no admin.
    """
    if name in RESERVED:
        raise Conflict(f"The name {name} stands for what no user did: take another.")
    taken = Conflict(f"There is a user {name} already: take another name, or change that one.")
    if by_name(session, name) is not None:
        raise taken
    if role != "admin" and not any_admin(session):
        raise Conflict(
            f"With {name} as {role} nobody could add others: add an admin first, with "
            "`akin users add NAME --role admin`."
        )
    user = User(
        id=str(uuid4()),
        name=name,
        role=role,
        password_hash=password_hash,
        disabled=False,
        created_at=clock.now(),
    )
    session.add(user)
    try:
        session.flush()
    except IntegrityError as error:  # by somebody who adds them at this very moment
        raise taken from error
    note(session, actor, "user.create", _subject(user), after={"role": role})
    return _out(user, None)


def by_name(session: Session, name: str) -> User | None:
    """The user of this name, however it is written."""
    return session.scalar(select(User).where(User.name == name.strip().lower()))


def named(session: Session, name: str) -> User:
    """The same.

    Raises:
        NotFound: if there is none.
    """
    user = by_name(session, name)
    if user is None:
        raise NotFound(f"There is no user {name[:100]}: see the list of users for their names.")
    return user


def confirmed(session: Session, proven: Proven) -> User:
    """The user, held until the transaction ends: nobody changes them meanwhile.

    A password is looked at outside of any transaction, and whoever takes an account back at that
    very moment takes back what comes of it too.

    Raises:
        NotKnown: if the password is another since then, or the user disabled.
    """
    user = session.get(User, proven.user_id, with_for_update=True, populate_existing=True)
    if user is None or user.disabled or user.password_hash != proven.password_hash:
        raise NotKnown(DO_NOT_FIT)
    return user


def change(
    session: Session,
    name: str,
    actor: str,
    *,
    role: Role | None = None,
    disabled: bool | None = None,
    password_hash: str | None = None,
    keep: str | None = None,
    proven: Proven | None = None,
) -> UserOut:
    """Another role, in or out, another password: in one line of the audit log.

    A new password and being disabled end the user's logins, but that of the token `keep`. With a
    new password failed logins of the old one are forgotten. `proven` is whom the user is if the
    old password was what permits it.

    Raises:
        NotFound: if there is no such user.
        NotKnown: if what was proven holds no longer.
        Conflict: if no enabled admin would be left.
    """
    admins = _lock_admins(session)
    user = named(session, name)
    session.refresh(user, with_for_update=True)  # a login in flight is waited for, and ended
    if proven is not None:
        confirmed(session, proven)
    before = {"role": user.role, "disabled": user.disabled}
    user.role = role or user.role
    user.disabled = user.disabled if disabled is None else disabled
    if admins == {user.id} and (user.role != "admin" or user.disabled):
        raise Conflict(
            f"{user.name} is the last admin who can log in: make somebody else an admin first."
        )
    after = {"role": user.role, "disabled": user.disabled}
    if password_hash is not None:
        user.password_hash = password_hash
        throttle.forget(session, user.name)
        before, after = {**before, "password": "old"}, {**after, "password": "new"}
    if password_hash is not None or user.disabled:
        tokens.revoke_logins(session, user.id, keep)
    note(session, actor, "user.update", _subject(user), before=before, after=after)
    session.flush()
    return _out(user, _last_use(session, user))


def list_users(session: Session, *, cursor: str | None = None, limit: int = 50) -> Page[UserOut]:
    """One page of the users by name.

    Raises:
        InvalidInput: a cursor this list did not give out.
    """
    total = session.scalar(select(func.count()).select_from(User)) or 0
    query = select(User).order_by(User.name).limit(limit + 1)
    if cursor is not None:
        query = query.where(User.name > decode_cursor(cursor, 1)[0])
    users = list(session.scalars(query))
    further = encode_cursor([users[limit - 1].name]) if len(users) > limit else None
    shown = users[:limit]
    used = tokens.last_uses(session, [user.id for user in shown])
    items = [_out(user, cast("datetime | None", used.get(user.id))) for user in shown]
    return Page(items=items, next_cursor=further, total=total)


def _lock_admins(session: Session) -> set[str]:
    """Who the enabled admins are; nobody else changes them meanwhile."""
    query = select(User.id).where(User.role == "admin", User.disabled.is_(False))
    return set(session.scalars(query.order_by(User.id).with_for_update()))


def _last_use(session: Session, user: User) -> datetime | None:
    return cast("datetime | None", tokens.last_uses(session, [user.id]).get(user.id))


def _subject(user: User) -> Subject:
    return Subject("user", user.id, user.name)


def _out(user: User, last_used_at: datetime | None) -> UserOut:
    shown = UserOut.model_validate(user)
    return shown.model_copy(update={"last_used_at": last_used_at})
