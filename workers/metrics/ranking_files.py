"""Files of ranked lists, as CIRR's and CIRCO's servers and the FashionIQ challenge take them.

Read as a stranger's: whatever is wrong is one sentence with the file and the query.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import InvalidInput
from workers.datasets.annotations import read_bytes
from workers.datasets.triplets import shown_names

MAX_BYTES = 1024**3  # a challenge file ranks the whole gallery for every query
VERSION = "rc2"

Lists = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class RankingFile:
    """Ranked names by query, best first, and where they come from; `kind` is CIRR's metric."""

    source: str
    lists: Lists
    kind: str = "recall"

    def check_queries(self, wanted: Collection[str]) -> None:
        """Raises InvalidInput where a query has no list, or a list no query."""
        missing = [query for query in wanted if query not in self.lists]
        if missing:
            raise InvalidInput(
                f"{self.source}: {len(missing):,} of {len(wanted):,} queries have no list "
                f"({shown_names(missing)}): rank every query of the annotations."
            )
        known = set(wanted)
        strange = [query for query in self.lists if query not in known]
        if strange:
            raise InvalidInput(
                f"{self.source} ranks queries that the annotations do not have "
                f"({shown_names(strange)}): take those of the split that was ranked."
            )

    def check_names(self, least: int, known: Collection[str] | None) -> None:
        """Raises InvalidInput where a list has fewer than `least` names, one twice, or one that
        is not `known`."""
        for query, names in self.lists.items():
            what = f"{self.source}, query {query}"
            if len(names) < least:
                raise InvalidInput(
                    f"{what}: its list is too short ({len(names)}): rank the best {least}."
                )
            if len(set(names)) < len(names):
                raise InvalidInput(f'{what}: "{_twice(names)}" comes twice: name it once.')
            strange = next((n for n in names if known is not None and n not in known), None)
            if strange is not None:
                raise InvalidInput(
                    f'{what}: "{strange}" is none of the {len(known or ()):,} images: name them '
                    "as the annotations do."
                )


def _twice(names: Sequence[str]) -> str:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise ValueError("every name comes once")


def read_cirr(path: Path) -> RankingFile:
    """`{"version": "rc2", "metric": "recall" or "recall_subset", pairid: [names]}`."""
    told = _object(path)
    version, kind = told.pop("version", None), told.pop("metric", None)
    if version != VERSION or kind not in ("recall", "recall_subset"):
        raise InvalidInput(
            f'{path}: it must say "version": "{VERSION}" and "metric": "recall" or '
            f'"recall_subset", and says {version!r} and {kind!r}: add them.'
        )
    return RankingFile(str(path), _lists(path, told), str(kind))


def read_circo(path: Path) -> RankingFile:
    """`{query id: [image ids]}`; the ids are whole numbers, or texts of them."""
    lists = {query: _numbers(path, query, names) for query, names in _object(path).items()}
    return RankingFile(str(path), lists)


def read_fashioniq(path: Path, references: Sequence[str]) -> RankingFile:
    """Three layouts: the captions file with a list `ranking` in each row, as the challenge had it;
    a list of lists in the order of the captions file; an object of lists by the row's number.

    references: of each row of the captions file, which `candidate` must agree with.
    """
    told = _json(path)
    if isinstance(told, dict):
        return RankingFile(str(path), _lists(path, told))
    if not isinstance(told, list):
        raise InvalidInput(f"{path} must hold a JSON list or object of lists of names: correct it.")
    rows = {str(n): _ranking(path, n, row, references) for n, row in enumerate(told)}
    return RankingFile(str(path), _lists(path, rows))


def _ranking(path: Path, number: int, row: Any, references: Sequence[str]) -> Any:
    if not isinstance(row, dict):
        return row
    candidate = row.get("candidate")
    if number < len(references) and candidate not in (None, references[number]):
        raise InvalidInput(
            f"{path}, row {number}: its candidate is {candidate} and that of the annotations is "
            f"{references[number]}: keep the order of the captions file."
        )
    if "ranking" not in row:
        raise InvalidInput(f'{path}, row {number}: it has no "ranking": add the list of names.')
    return row["ranking"]


def _lists(path: Path, told: Mapping[str, Any]) -> dict[str, list[str]]:
    return {query: _texts(path, query, names) for query, names in told.items()}


def _texts(path: Path, query: str, names: Any) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InvalidInput(f"{path}, query {query}: it must be a list of names: correct it.")
    return names


def _numbers(path: Path, query: str, names: Any) -> list[str]:
    if not isinstance(names, list) or not all(map(_is_number, names)):
        raise InvalidInput(f"{path}, query {query}: it must be a list of image ids: correct it.")
    return [str(int(name)) for name in names]


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdigit() and len(value) < 20
    return isinstance(value, int) and not isinstance(value, bool)


def _object(path: Path) -> dict[str, Any]:
    told = _json(path)
    if not isinstance(told, dict):
        raise InvalidInput(f"{path} must hold a JSON object of lists by query: correct it.")
    return told


def _json(path: Path) -> Any:
    """The file's content; a query that comes twice would else lose its first list unseen."""

    def distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) < len(keys):
            raise InvalidInput(f"{path}: query {_twice(keys)} comes twice: give one list.")
        return dict(pairs)

    try:
        return json.loads(read_bytes(path, MAX_BYTES), object_pairs_hook=distinct)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is cut short, or no JSON: write it again.") from error
