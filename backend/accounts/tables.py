"""Who may come in: people, the tokens they and their machines carry, and failed logins."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from backend.database import Base, Moment

ROLES = "role IN ('shopper', 'manager', 'admin')"


class User(Base):
    """A person. Users are disabled and not deleted, so that the audit log's names keep meaning."""

    __tablename__ = "users"
    __table_args__ = (CheckConstraint(ROLES, name="role"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(60), unique=True)
    """In lower case: nobody can pass for Ann by being ann."""
    role: Mapped[str] = mapped_column(String(7))
    password_hash: Mapped[str] = mapped_column(String(200))
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Moment)


class Token(Base):
    """What a request shows: of a login, or a key of a machine. Revoked ones are deleted."""

    __tablename__ = "tokens"
    __table_args__ = (
        CheckConstraint(ROLES, name="role"),
        CheckConstraint("kind IN ('login', 'key')", name="kind"),
        Index(None, "user_id", "kind"),
        Index(None, "kind", "created_at", "id"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(String(5))
    role: Mapped[str] = mapped_column(String(7))
    """The most that it may do; never more than its user may today."""
    label: Mapped[str] = mapped_column(String(60))
    """What a key is for; empty for a login."""
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    """SHA-256 of the token: it has 256 random bits, so a slow hash would add nothing."""
    created_at: Mapped[datetime] = mapped_column(Moment)
    expires_at: Mapped[datetime] = mapped_column(Moment)
    last_used_at: Mapped[datetime | None] = mapped_column(Moment)


class LoginFailures(Base):
    """Failed logins under one name, from one address, or both; what slows guessing down."""

    __tablename__ = "login_failures"

    subject: Mapped[str] = mapped_column(String(64), primary_key=True)
    """A hash of the name or address, or half of each: what people type as a name may be their
    password."""
    failures: Mapped[int]
    last_at: Mapped[datetime] = mapped_column(Moment)


class SigningKey(Base):
    """The one random key that signs links for browsers, shared by all replicas."""

    __tablename__ = "signing_keys"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Moment)
