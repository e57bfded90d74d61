"""Tokens: opaque to who carries them, kept as a hash, over by themselves, revocable."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import cast
from uuid import uuid4

from sqlalchemy import delete, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from backend import clock
from backend.accounts.roles import Actor, Role, lower
from backend.accounts.schemas import KeyOut
from backend.accounts.tables import SigningKey, Token, User
from backend.audit.service import Subject, note
from backend.errors import Conflict, NotAllowed, NotFound
from backend.paging import Page, decode_place, encode_cursor

LOGIN_FOR = timedelta(days=7)
MOST_KEYS = 100
"""Of one user; whenever another is made those that are over are forgotten."""
USED_EVERY = timedelta(minutes=1)
"""How exactly the last use is known: not every request should have to write."""
_PREFIX = {"login": "akl_", "key": "akk_"}  # a leaked one can be recognised


def issue(
    session: Session, user: User, kind: str, role: Role, lasting: timedelta, label: str = ""
) -> tuple[Token, str]:
    """A new token of the user: its row, and the secret, which is not kept."""
    moment = clock.now()
    gone = (Token.user_id == user.id, Token.kind == "login", Token.expires_at <= moment)
    session.execute(delete(Token).where(*gone))
    secret = _PREFIX[kind] + secrets.token_urlsafe(32)
    token = Token(
        id=str(uuid4()),
        user_id=user.id,
        kind=kind,
        role=role,
        label=label,
        digest=_digest(secret),
        created_at=moment,
        expires_at=moment + lasting,
    )
    session.add(token)
    session.flush()
    return token, secret


def actor_of(session: Session, secret: str) -> tuple[Actor, bool] | None:
    """Who carries this token, and whether its use is to be noted; None if nobody may with it."""
    query = select(Token, User).join(User, User.id == Token.user_id)
    found = session.execute(query.where(Token.digest == _digest(secret))).one_or_none()
    if found is None:
        return None
    token, user = found
    moment = clock.now()
    if user.disabled or token.expires_at <= moment:
        return None
    is_key = token.kind == "key"
    role = lower(cast(Role, token.role), cast(Role, user.role)) if is_key else cast(Role, user.role)
    name = f"{user.name}/{token.label}"[:100] if is_key else user.name
    due = token.last_used_at is None or moment - token.last_used_at >= USED_EVERY
    return Actor(name, role, user.id, token.id, is_key), due


def note_use(session: Session, token_id: str) -> None:
    """It was used just now; nothing if it was revoked meanwhile."""
    session.execute(update(Token).where(Token.id == token_id).values(last_used_at=clock.now()))


def revoke(session: Session, token_id: str) -> None:
    """It is over: a logout."""
    session.execute(delete(Token).where(Token.id == token_id))


def revoke_logins(session: Session, user_id: str, but: str | None = None) -> None:
    """Log the user out everywhere, but where the token `but` is."""
    chosen = (Token.user_id == user_id, Token.kind == "login", Token.id != (but or ""))
    session.execute(delete(Token).where(*chosen))


def create_key(
    session: Session, user: User, label: str, role: Role, lasting: timedelta, actor: Actor
) -> tuple[KeyOut, str]:
    """A key for a machine of the user's, and its secret.

    Raises:
        NotAllowed: for a machine that asks, or a role above the user's.
        Conflict: if the user has `MOST_KEYS` already.
    """
    if actor.by_key:
        raise NotAllowed(
            "A key cannot make another key, or one that leaked could never be taken back: log in "
            "with a name and password."
        )
    if lower(role, cast(Role, user.role)) != role:
        raise NotAllowed(
            f"{user.name} is a {user.role} and cannot have a key with the role {role}: give the "
            "key a lesser role, or the user a higher one."
        )
    _make_room(session, user)
    token, secret = issue(session, user, "key", role, lasting, label)
    after = {"user": user.name, "role": role, "expires": token.expires_at.isoformat()}
    note(session, actor.name, "key.create", Subject("key", token.id, label), after=after)
    return _key_out(token, user), secret


def _make_room(session: Session, user: User) -> None:
    session.get_one(User, user.id, with_for_update=True)  # two at once are counted one by one
    mine = (Token.user_id == user.id, Token.kind == "key")
    session.execute(delete(Token).where(*mine, Token.expires_at <= clock.now()))
    if (session.scalar(select(func.count()).select_from(Token).where(*mine)) or 0) >= MOST_KEYS:
        raise Conflict(
            f"{user.name} has {MOST_KEYS} keys, which is as many as a user may have: revoke one "
            "first (`akin keys revoke ID`)."
        )


def delete_key(session: Session, key_id: str, actor: Actor) -> None:
    """Take a key back; it works no longer from this moment on.

    Raises:
        NotFound: if there is none with this id, or it is another's and the actor is no admin.
    """
    query = select(Token, User).join(User, User.id == Token.user_id)
    found = session.execute(query.where(Token.id == key_id, Token.kind == "key")).one_or_none()
    if found is None or not (actor.role == "admin" or found[1].id == actor.user_id):
        raise NotFound(f"There is no key {key_id[:100]}: see the list for the ids of yours.")
    token, user = found
    before = {"user": user.name, "role": token.role}
    note(session, actor.name, "key.revoke", Subject("key", token.id, token.label), before=before)
    session.delete(token)


def list_keys(
    session: Session, actor: Actor, *, cursor: str | None = None, limit: int = 50
) -> Page[KeyOut]:
    """One page of keys, newest first: an admin's of everybody, anybody else's own.

    Raises:
        InvalidInput: a cursor this list did not give out.
    """
    mine = [Token.kind == "key"]
    if actor.role != "admin":
        mine.append(Token.user_id == (actor.user_id or ""))
    total = session.scalar(select(func.count()).select_from(Token).where(*mine)) or 0
    query = select(Token, User).join(User, User.id == Token.user_id).where(*mine)
    if cursor is not None:
        # Its place and not only its id: the last key shown may be revoked before the next page.
        query = query.where(tuple_(Token.created_at, Token.id) < tuple_(*decode_place(cursor)))
    newest = query.order_by(Token.created_at.desc(), Token.id.desc()).limit(limit + 1)
    keys = [_key_out(token, user) for token, user in session.execute(newest)]
    return Page(items=keys[:limit], next_cursor=_further(keys, limit), total=total)


def _further(keys: list[KeyOut], limit: int) -> str | None:
    if len(keys) <= limit:
        return None
    last = keys[limit - 1]
    return encode_cursor([last.created_at.isoformat(), last.id])


def last_uses(session: Session, user_ids: list[str]) -> dict[str, object]:
    """When each user was last heard of, by id."""
    query = select(Token.user_id, func.max(Token.last_used_at)).where(Token.user_id.in_(user_ids))
    return {row[0]: row[1] for row in session.execute(query.group_by(Token.user_id))}


def signing_key(session: Session) -> bytes:
    """The key that all replicas sign with; made at random by whoever asks first."""
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    values = {"id": 1, "key": secrets.token_bytes(32), "created_at": clock.now()}
    session.execute(insert(SigningKey).values(values).on_conflict_do_nothing())
    row = session.get_one(SigningKey, 1)
    return row.key


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def _key_out(token: Token, user: User) -> KeyOut:
    return KeyOut(
        id=token.id,
        user=user.name,
        label=token.label,
        role=cast(Role, token.role),
        created_at=token.created_at,
        expires_at=token.expires_at,
        last_used_at=token.last_used_at,
    )
