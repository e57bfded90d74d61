"""What the client says about accounts: log in and out, users, keys, links for browsers."""

from __future__ import annotations

from backend.accounts.roles import Role
from backend.accounts.schemas import KeyOut, LoggedIn, Me, NewKey, UserOut
from backend.client_transport import Transport
from backend.paging import Page


class AccountCalls(Transport):
    """The part of the client that speaks about who one is."""

    def log_in(self, name: str, password: str) -> LoggedIn:
        """A token for a name and a password; it is not used by this client."""
        body = {"name": name, "password": password}
        return LoggedIn.model_validate(self._send("POST", "/v1/login", json=body))

    def log_out(self) -> None:
        """End the login of this client's token."""
        self._send("POST", "/v1/logout")

    def me(self) -> Me:
        """Who the server takes this client for."""
        return self._get(Me, "/v1/me")

    def change_password(self, old: str, new: str) -> None:
        """One's own password anew; ends all other logins."""
        self._send("POST", "/v1/me/password", json={"old": old, "new": new})

    def users(self, *, cursor: str | None = None, limit: int = 50) -> Page[UserOut]:
        """One page of the users, by name."""
        return self._page(UserOut, "/v1/users", cursor=cursor, limit=limit)

    def add_user(self, name: str, role: Role, password: str) -> UserOut:
        """Add a user."""
        body = {"name": name, "role": role, "password": password}
        return UserOut.model_validate(self._send("POST", "/v1/users", json=body))

    def change_user(
        self,
        name: str,
        *,
        role: Role | None = None,
        disabled: bool | None = None,
        password: str | None = None,
    ) -> UserOut:
        """Change what is given."""
        given = {"role": role, "disabled": disabled, "password": password}
        body = {field: value for field, value in given.items() if value is not None}
        return UserOut.model_validate(self._send("PATCH", f"/v1/users/{name}", json=body))

    def keys(self, *, cursor: str | None = None, limit: int = 50) -> Page[KeyOut]:
        """One page of keys, newest first."""
        return self._page(KeyOut, "/v1/keys", cursor=cursor, limit=limit)

    def add_key(
        self, label: str, *, role: Role | None = None, days: int = 365, user: str | None = None
    ) -> NewKey:
        """Make a key for a machine; only this answer holds it."""
        body = {"label": label, "role": role, "days": days, "user": user}
        return NewKey.model_validate(self._send("POST", "/v1/keys", json=body))

    def revoke_key(self, key_id: str) -> None:
        """Take a key back."""
        self._send("DELETE", f"/v1/keys/{key_id}")

    def link(self, path: str) -> str:
        """The path of a download, signed for a browser where accounts are on."""
        return str(self._send("POST", "/v1/links", json={"path": path})["path"])
