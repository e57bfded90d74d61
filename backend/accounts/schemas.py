"""What the HTTP API says about users, logins and keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr, StringConstraints

from backend.accounts.roles import Role
from backend.whole_numbers import WholeNumber

MIN_PASSWORD, MAX_PASSWORD = 10, 200
KEY_DAYS = 365

UserName = Annotated[
    str,
    StringConstraints(
        to_lower=True,
        strip_whitespace=True,
        max_length=60,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]*$",
    ),
]
Password = Annotated[SecretStr, Field(min_length=MIN_PASSWORD, max_length=MAX_PASSWORD)]
AnyPassword = Annotated[SecretStr, Field(max_length=1000)]
Label = Annotated[
    str, StringConstraints(strip_whitespace=True, max_length=60, pattern=r"^[^\x00-\x1f/]+$")
]


def _example(value: dict[str, JsonValue]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


class Login(BaseModel):
    """Who wants to come in."""

    model_config = _example({"name": "ann", "password": "correct horse battery"})

    name: Annotated[str, StringConstraints(max_length=200)]
    password: AnyPassword


class LoggedIn(BaseModel):
    """The token to send as `Authorization: Bearer` from now on."""

    token: str
    name: str
    role: Role
    expires_at: datetime


class Me(BaseModel):
    """Who the server takes the sender for."""

    name: str
    role: Role
    accounts: bool = Field(description="Whether people have to log in here.")


class PasswordChange(BaseModel):
    """One's own password, anew."""

    model_config = _example({"old": "correct horse battery", "new": "staple correct horse"})

    old: AnyPassword
    new: Password


class UserCreate(BaseModel):
    """A new user."""

    model_config = _example({"name": "mia", "role": "manager", "password": "a long sentence"})

    name: UserName
    role: Role
    password: Password


class UserChange(BaseModel):
    """What is to be different; what is left away stays."""

    model_config = _example({"role": "manager"})

    role: Role | None = None
    disabled: bool | None = Field(None, strict=True)
    password: Password | None = None


class UserOut(BaseModel):
    """One user."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    role: Role
    disabled: bool
    created_at: datetime
    last_used_at: datetime | None = Field(None, description="By any login or key of today's.")


class KeyCreate(BaseModel):
    """A key for a machine; it acts for its user, with at most this role."""

    model_config = _example({"label": "till 3", "role": "shopper", "days": 365})

    label: Label
    role: Role | None = Field(None, description="The user's role unless given.")
    days: WholeNumber = Field(KEY_DAYS, ge=1, le=3650, description="How long it works.")
    user: UserName | None = Field(None, description="For admins: whose key it is.")


class KeyOut(BaseModel):
    """One key, without the secret."""

    id: str
    user: str
    label: str
    role: Role
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class NewKey(KeyOut):
    """The only answer that holds the secret itself."""

    token: str


class LinkWanted(BaseModel):
    """A download that a browser should be able to open."""

    model_config = _example({"path": "/v1/catalogue/export.zip"})

    path: Annotated[str, StringConstraints(max_length=2000, pattern=r"^/v1/[!-~]*$")]


class Link(BaseModel):
    """The same path, signed where accounts are on; it works for an hour."""

    path: str
