"""`.env` for docker-compose.yml: the example with random secrets in it.

`python3 -m backend.environment_file` needs nothing but Python, since who runs Compose need not have
Akin installed; `akin env` does the same.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from pathlib import Path

from backend.errors import AkinError, Conflict, SetupError

EXAMPLE = ".env.example"
FILE = ".env"
_SECRET = re.compile(r"^(\w*(?:PASSWORD|SECRET|TOKEN|API_KEY|SECRET_KEY))=$", re.MULTILINE)
_BYTES = 24


def write_env(folder: Path) -> tuple[Path, list[str]]:
    """Write `.env` into a folder that holds the example; the file, and which secrets are in it.

    It can be read by its owner only. What is there already is never changed: the services know its
    secrets.

    Raises:
        Conflict: if there is a `.env` already.
        SetupError: if there is no example to fill in, or the folder cannot be written.
    """
    file = folder / FILE
    try:
        example = (folder / EXAMPLE).read_text(encoding="utf-8")
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        _write(file, descriptor, _SECRET.sub(_filled, example))
    except FileExistsError as error:
        raise Conflict(
            f"{file} is there already and was not changed: its secrets are those that the services "
            "know. Move it away first if all of this is to begin anew."
        ) from error
    except FileNotFoundError as error:
        raise SetupError(
            f"There is no {EXAMPLE} in {folder}: run this in the folder of docker-compose.yml."
        ) from error
    except OSError as error:
        raise SetupError(
            f"{file} cannot be written ({(error.strerror or str(error)).lower()}): look at the "
            "folder's permissions and disk."
        ) from error
    return file, _SECRET.findall(example)


def _write(file: Path, descriptor: int, text: str) -> None:
    """All of it, or no file: half of one would never be overwritten, and lacks secrets."""
    try:
        with open(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
    except OSError:
        file.unlink(missing_ok=True)
        raise


def told(file: Path, names: list[str]) -> str:
    """What is said of a new file; the secrets stand in it alone."""
    return (
        f"Wrote {file} with {len(names)} random secrets ({', '.join(names)}). Keep a copy of it "
        "where your backups are; then: docker compose up --build -d"
    )


def _filled(found: re.Match[str]) -> str:
    return f"{found.group(1)}={secrets.token_hex(_BYTES)}"


def main() -> None:
    """Write it into the current folder; a failure is one sentence."""
    try:
        sys.stdout.write(told(*write_env(Path())) + "\n")
    except AkinError as error:
        raise SystemExit(error.sentence) from error


if __name__ == "__main__":
    main()
