"""Where the command line keeps the tokens of its logins: a file for the user alone, by server."""

from __future__ import annotations

import json
import os
from pathlib import Path

from platformdirs import user_config_path

from backend.errors import SetupError


def token_for(url: str) -> str | None:
    """What to show to this server: AKIN_TOKEN, else the token of the last login there."""
    return given() or kept(url)


def given() -> str | None:
    """The token that the environment says to show to any server."""
    return os.environ.get("AKIN_TOKEN") or None


def kept(url: str) -> str | None:
    """The token of the last login to this server."""
    return _read().get(url.rstrip("/"))


def keep(url: str, token: str | None) -> Path:
    """Keep the token for this server, or forget it; the file."""
    tokens = _read()
    if token is None:
        tokens.pop(url.rstrip("/"), None)
    else:
        tokens[url.rstrip("/")] = token
    path = _path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    aside = path.with_suffix(".new")
    aside.unlink(missing_ok=True)  # its mode is given at its birth only
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(tokens, file, indent=2)
    aside.replace(path)
    return path


def _path() -> Path:
    return user_config_path("akin") / "logins.json"


def _read() -> dict[str, str]:
    path = _path()
    try:
        found = json.loads(path.read_text())
        return {str(url): str(token) for url, token in found.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise SetupError(
            f"{path} holds no logins that can be read: delete it, and log in again with "
            "`akin login`."
        ) from error
