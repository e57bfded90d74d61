"""JSON of strangers, bounded and checked: whatever is wrong is one sentence with file and row."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from backend.catalogue.json_lines import json_records
from backend.errors import InvalidInput, TooLarge

MAX_BYTES = 256 * 1024**2  # the largest published annotation file that is read here has 20 MB
MAX_LINE = 1_000_000
LONGEST_SHOWN = 60  # characters of a name or value in a sentence


@dataclass(frozen=True)
class Row:
    """One object of an annotation file, and where it stands: `what` is `cap.json, row 3`."""

    what: str
    values: Mapping[str, Any]

    def text(self, key: str) -> str:
        """The text under `key`, which may be empty."""
        value = self.values.get(key)
        if not isinstance(value, str):
            raise self.wrong(key, "a text")
        return self._encodable(key, value)

    def name(self, key: str) -> str:
        """The identifier under `key`: a text that is not empty, or a whole number as text."""
        value = self.values.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "a name or a number")
        return self._encodable(key, value)

    def names(self, key: str) -> tuple[str, ...]:
        """The list of identifiers under `key`."""
        return tuple(Row(self.what, {key: one}).name(key) for one in self.items(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts under `key`, at least one; a single text is taken as a list of it."""
        if isinstance(self.values.get(key), str):
            return (self.text(key),)
        items = self.items(key)
        if not items:
            raise self.wrong(key, "a list of texts, and not an empty one")
        return tuple(Row(self.what, {key: one}).text(key) for one in items)

    def numbers(self, key: str, many: int | None = None) -> tuple[float, ...]:
        """The finite numbers under `key`, `many` of them if that is given."""
        items = self.items(key)
        good = all(_is_number(one) for one in items) and many in (None, len(items))
        if not good:
            raise self.wrong(key, "a list of numbers" if many is None else f"{many} numbers")
        return tuple(float(one) for one in items)

    def number(self, key: str) -> float:
        """The finite number under `key`."""
        return Row(self.what, {key: [self.values.get(key)]}).numbers(key, 1)[0]

    def items(self, key: str) -> list[Any]:
        """The list under `key`, whatever is in it."""
        value = self.values.get(key)
        if not isinstance(value, list):
            raise self.wrong(key, "a list")
        return value

    def inner(self, key: str) -> Row:
        """The object under `key`."""
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "an object")
        return Row(f"{self.what}, {key}", value)

    def wrong(self, key: str, wanted: str) -> InvalidInput:
        """What to raise where the value under `key` is not what it has to be."""
        given = repr(self.values[key]) if key in self.values else "not there"
        return InvalidInput(
            f'{self.what}: "{key}" must be {wanted}, and is {short(given)}: correct it.'
        )

    def _encodable(self, key: str, value: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self.wrong(key, "text without half characters") from error
        return value


def short(shown: str) -> str:
    """As much of a name or value as a sentence has room for."""
    return shown if len(shown) <= LONGEST_SHOWN else f"{shown[: LONGEST_SHOWN - 3]}..."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15


def read_json(path: Path, most: int = MAX_BYTES) -> Any:
    """What a JSON file holds.

    Raises InvalidInput where it cannot be read, is cut short or is no JSON; TooLarge where it has
    more than `most` bytes.
    """
    data = read_bytes(path, most)
    try:
        return json.loads(data.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InvalidInput(
            f"{path} is cut short or damaged at line {error.lineno}, column {error.colno}: "
            "download it again."
        ) from error
    except UnicodeDecodeError as error:
        raise not_utf8(f"{path}, byte {error.start}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is no annotation file: download it again.") from error


def read_bytes(path: Path, most: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file; raises as `read_json` does."""
    try:
        if not path.is_file():
            raise InvalidInput(f"{path} is not there, or no file: bring it there.")
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise InvalidInput(f"{path} cannot be read ({reason}): look at its permissions.") from error
    if len(data) > most:
        raise TooLarge(f"{path} has over {most:,} bytes, too many for an annotation file.")
    return data


def read_rows(path: Path) -> list[Row]:
    """The objects of a JSON list; raises as `read_json` does, and where it is another thing."""
    return rows_of(read_json(path), str(path))


def rows_of(items: Any, what: str) -> list[Row]:
    """The objects of a list, counted from 0; InvalidInput where it holds another thing."""
    if not isinstance(items, list):
        raise InvalidInput(f"{what} must hold a JSON list, and holds {_kind(items)}: replace it.")
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise InvalidInput(
                f"{what}, row {number}: it must be a JSON object, and is {_kind(item)}: correct it."
            )
    return [Row(f"{what}, row {number}", item) for number, item in enumerate(items)]


def read_names(path: Path) -> list[str]:
    """A JSON list of names; raises as `read_json` does, and where it is another thing."""
    items = read_json(path)
    if not isinstance(items, list):
        raise InvalidInput(f"{path} must hold a JSON list, and holds {_kind(items)}: replace it.")
    return [Row(f"{path}, row {n}", {"name": one}).name("name") for n, one in enumerate(items)]


def read_table(path: Path) -> list[Row]:
    """The rows of a CSV file with a header, comma or tab between; raises as `read_json` does."""
    try:
        text = read_bytes(path).decode("utf-8-sig")
        delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
        lines = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter))
    except UnicodeDecodeError as error:
        raise not_utf8(f"{path}, byte {error.start}") from error
    except csv.Error as error:
        raise InvalidInput(f"{path} is no CSV file ({error}): save it again.") from error
    return [Row(f"{path}, row {number}", line) for number, line in enumerate(lines)]


def read_lines(path: Path) -> Iterator[str]:
    """Each line without its end, read as it is asked for.

    Raises InvalidInput where there is no such file, and as `placed_lines`.
    """
    if not path.is_file():
        raise InvalidInput(f"{path} is not there, or no file: bring it there.")
    for _, _, _, line in placed_lines(path):
        yield line.strip()


def placed_lines(path: Path) -> Iterator[tuple[int, int, int, str]]:
    """Number, first byte, byte after the last, and text of each line, its end included.

    Raises InvalidInput where a line is no UTF-8 or longer than a million bytes.
    """
    start = 0
    with path.open("rb") as file:
        for number in count(1):
            line = file.readline(MAX_LINE + 1)
            if not line:
                return
            if len(line) > MAX_LINE:
                raise InvalidInput(f"{path}, line {number}: over {MAX_LINE:,} bytes: shorten it.")
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                raise not_utf8(f"{path}, line {number}") from error
            yield number, start, start + len(line), text if start else text.removeprefix("\ufeff")
            start += len(line)


def read_json_lines(path: Path) -> Iterator[Row]:
    """The object on each line that is not blank; raises as `read_lines` does, and where a line
    holds another thing."""
    for number, values, problem in json_records(read_lines(path)):
        if problem is not None:
            raise InvalidInput(f"{path}, line {number}: {problem}")
        yield Row(f"{path}, line {number}", values)


def not_utf8(where: str) -> InvalidInput:
    """What to raise where bytes are no text."""
    return InvalidInput(f"{where}: it is not UTF-8: save it as that.")


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a yes or no"}
    return "nothing" if value is None else names.get(type(value), "a number")
