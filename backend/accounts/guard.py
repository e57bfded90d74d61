"""Whether people have to log in here, and who it is that asks."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import cast

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from backend import clock
from backend.accounts import passwords, service, throttle, tokens
from backend.accounts.roles import A_LINK, Actor, Role, lower
from backend.accounts.schemas import LoggedIn
from backend.accounts.signing import Signer
from backend.accounts.tables import User
from backend.database import Database
from backend.errors import NotKnown, SetupError
from backend.settings import LOOPBACK, Settings

ASK_AGAIN = 5.0
"""Seconds after which a server without accounts looks whether another process added a user."""
FIRST_ADMIN = "akin users add NAME --role admin"


class Guard:
    """One process's view of the accounts; it holds nothing that another replica would not see."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self._database = database
        self._on = demanded(settings)
        self._asked = -ASK_AGAIN
        self._signer: Signer | None = None
        self._lock, self._looking = threading.Lock(), threading.Lock()

    @property
    def on(self) -> bool:
        """Whether they were on when last looked at; once on, they stay so."""
        return self._on

    @property
    def is_stale(self) -> bool:
        """Whether `look` would ask SQL."""
        return not self._on and clock.monotonic() - self._asked >= ASK_AGAIN

    def look(self) -> bool:
        """Whether accounts are on: demanded by the settings, or there is a user.

        Whoever comes while another looks waits for what that one finds: until SQL has answered,
        "off" is no answer but a guess, which would let strangers in as admins.
        """
        if self.is_stale:
            with self._looking:
                if self.is_stale:
                    with self._database.read() as session:
                        found = service.any_user(session)
                    self._on = self._on or found  # `turn_on` may have come in between
                    self._asked = clock.monotonic()
        return self._on

    def turn_on(self) -> None:
        """A user was just added."""
        self._on = True

    @property
    def signer(self) -> Signer | None:
        """What signs links, once it was loaded."""
        return self._signer

    def load_signer(self) -> Signer:
        """What signs links; the key comes from SQL once."""
        with self._lock:
            if self._signer is None:
                with self._database.write() as session:
                    self._signer = Signer(tokens.signing_key(session))
            return self._signer

    def actor_of_token(self, secret: str) -> Actor:
        """Who carries the token.

        Raises:
            NotKnown: if it is none of ours, is over, or its user is disabled.
        """
        with self._database.read() as session:
            found = tokens.actor_of(session, secret)
        if found is None:
            raise NotKnown("This login is over or was taken back: log in again (`akin login`).")
        actor, due = found
        if due and actor.token_id is not None:
            # Nobody should be refused because the disk is full or every connection is taken.
            with suppress(SQLAlchemyError), self._database.write() as session:
                tokens.note_use(session, actor.token_id)
        return actor

    def actor_of_link(self, path: str, query: str) -> Actor:
        """Who a signed link is for; a picture's is for anybody who has it.

        Raises:
            NotKnown: if it is not one that we signed, is over, or its user is disabled.
        """
        told = self.load_signer().check(path, query)
        if told is None:
            raise NotKnown("This link is over or was changed: open the page it was on again.")
        if "user" not in told:
            return A_LINK
        with self._database.read() as session:
            user = session.get(User, told["user"])
            if user is None or user.disabled:
                raise NotKnown("This link is of a user who may no longer come in: ask an admin.")
            role = lower(cast(Role, told["role"]), cast(Role, user.role))
            return Actor(user.name, role, user.id)

    def log_in(self, name: str, password: str, address: str) -> LoggedIn:
        """A token for a name and password.

        Raises:
            NotKnown: if they do not fit; which of them is not said.
            TooMany: after too many failures.
        """
        name = name.strip().lower()
        proven = self.check_password(name, password, address)
        with self._database.write() as session:
            user = service.confirmed(session, proven)
            role = cast(Role, user.role)
            token, secret = tokens.issue(session, user, "login", role, tokens.LOGIN_FOR)
            return LoggedIn(token=secret, name=user.name, role=role, expires_at=token.expires_at)

    def check_attempts(self, name: str, address: str) -> None:
        """Refuse who has to wait, at the cost of a look: before the turn for what costs more.

        Raises:
            TooMany: after too many failures.
        """
        with self._database.read() as session:
            throttle.check(session, name.strip().lower(), address)

    def check_password(self, name: str, password: str, address: str) -> service.Proven:
        """Whose password it is; raises as `log_in` does.

        That was so a moment ago: whoever acts on it asks `service.confirmed` where it acts.
        """
        with self._database.write() as session:
            throttle.count_attempt(session, name, address)
        with self._database.read() as session:
            user = service.by_name(session, name)
            known = None
            if user is not None and not user.disabled:
                known = service.Proven(user.id, user.password_hash)
        # Outside of any transaction: it takes a tenth of a second on purpose.
        if not passwords.fits(password, known and known.password_hash) or known is None:
            raise NotKnown(service.DO_NOT_FIT)
        with self._database.write() as session:
            throttle.succeeded(session, name, address)
        return known


def demanded(settings: Settings) -> bool:
    """Whether the settings ask for accounts, whatever SQL holds."""
    open_address = settings.host not in LOOPBACK and not settings.allow_open
    return settings.accounts == "on" or open_address


def check_door(settings: Settings, session: Session) -> None:
    """Refuse to serve where people have to log in and nobody can.

    Raises:
        SetupError: with the command to run.
    """
    if demanded(settings) and not service.any_admin(session):
        raise no_admin(settings)


def no_admin(settings: Settings) -> SetupError:
    """What to do where the settings ask for accounts and nobody could let others in."""
    if settings.host in LOOPBACK:
        return SetupError(
            "AKIN_ACCOUNTS=on asks for a login and there is no admin yet: add one with "
            f"`{FIRST_ADMIN}`, then start again."
        )
    return SetupError(
        f"Listening on {settings.host} would let anybody on the network in without a login, for "
        f"there is no admin yet: add one with `{FIRST_ADMIN}`, use --host 127.0.0.1, or set "
        "AKIN_ALLOW_OPEN=1 if the network is yours alone."
    )
