"""Captions that were paid for once: kept on disk by picture, model and prompt."""

from __future__ import annotations

import json
from pathlib import Path

import platformdirs

from backend.errors import InvalidInput

Key = tuple[str, str, str]
"""SHA-256 of the picture's bytes, model, prompt."""


def default_path() -> Path:
    """Where all runs of one user share their captions."""
    return platformdirs.user_cache_path("akin") / "captions.jsonl"


class CaptionCache:
    """A file of JSON lines, one a caption, only ever appended to.

    A line that a kill cut short is left out, and asked for again. Raises InvalidInput where the
    file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a+b") as file:
                file.seek(0)
                data = file.read()
                if data and not data.endswith(b"\n"):
                    file.write(b"\n")
        except OSError as error:
            reason = (error.strerror or "unknown reason").lower()
            raise InvalidInput(
                f"The captions kept in {path} cannot be read or written ({reason}): name another "
                "folder for them."
            ) from error
        self._texts = dict(filter(None, map(_entry, data.splitlines())))

    def __len__(self) -> int:
        return len(self._texts)

    def get(self, key: Key) -> str | None:
        """The caption of that picture by that model for that prompt, if there is one."""
        return self._texts.get(key)

    def put(self, key: Key, text: str) -> None:
        """Keep a caption: on its way to the disk when this returns."""
        image, model, prompt = key
        line = json.dumps({"image": image, "model": model, "prompt": prompt, "caption": text})
        with self._path.open("ab") as file:
            file.write(line.encode() + b"\n")
        self._texts[key] = text


def _entry(line: bytes) -> tuple[Key, str] | None:
    try:
        row = json.loads(line)
        key = (str(row["image"]), str(row["model"]), str(row["prompt"]))
        return key, str(row["caption"])
    except (ValueError, TypeError, KeyError):
        return None
