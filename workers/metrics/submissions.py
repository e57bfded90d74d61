"""The files that the test servers of CIRR and CIRCO take, checked by their rules before writing.

CIRR (https://cirr.cecs.anu.edu.au, Liu et al. 2021): one file of 50 names a query and one of 3
names of the query's set, without the reference. CIRCO (Baldrati et al. 2023): 50 image ids for
each of the queries "0" ... "799".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from backend.errors import InvalidInput, TooLarge
from backend.whole_files import write_whole
from workers.datasets.triplets import Triplet
from workers.metrics.ranking_files import VERSION, Lists, RankingFile

LISTED, SUBSET_LISTED = 50, 3
CIRR_BYTES = 5 * 1024**2
CIRCO_QUERIES = 800

Named = Mapping[str, bytes]
"""What a server takes: the file's name, and what is in it."""


def cirr_files(triplets: Sequence[Triplet], recall: Lists, subset: Lists) -> Named:
    """Two files, of the names best first by pair id.

    Raises InvalidInput where they break a rule of the server, TooLarge where one has over 5 MB.
    """
    whole, few = RankingFile("recall", recall), RankingFile("recall_subset", subset)
    for file, count in ((whole, LISTED), (few, SUBSET_LISTED)):
        file.check_queries([one.id for one in triplets])
        file.check_names(count, None)
        _check_length(file, count)
    for one in triplets:
        _check_cirr(one, recall[one.id], subset[one.id])
    return {
        f"cirr_{metric}.json": _bounded(metric, _encoded(metric_head(metric) | lists))
        for metric, lists in (("recall", dict(recall)), ("recall_subset", dict(subset)))
    }


def metric_head(metric: str) -> dict[str, Any]:
    """What a file of CIRR says of itself."""
    return {"version": VERSION, "metric": metric}


def circo_file(lists: Lists, queries: int = CIRCO_QUERIES) -> Named:
    """One file of image ids by query. Raises InvalidInput where it breaks a rule of the server."""
    file = RankingFile("circo", lists)
    file.check_queries([str(number) for number in range(queries)])
    file.check_names(LISTED, None)
    _check_length(file, LISTED)
    numbers = {str(n): _numbers(str(n), lists[str(n)]) for n in range(queries)}
    return {"circo.json": _encoded(numbers)}


def write_files(folder: Path, files: Named) -> list[Path]:
    """Each file aside, flushed, then in its place; the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    return [write_whole(folder / name, content) for name, content in files.items()]


def _check_length(file: RankingFile, count: int) -> None:
    for query, names in file.lists.items():
        if len(names) != count:
            raise InvalidInput(
                f"{file.source}, query {query}: {len(names)} images are listed and the server "
                f"takes exactly {count}: cut the list."
            )


def _check_cirr(triplet: Triplet, names: Sequence[str], subset: Sequence[str]) -> None:
    odd = next((name for name in (*names, *subset) if "/" in name or name.endswith(".png")), None)
    if odd is not None:
        raise InvalidInput(
            f"Query {triplet.id}: {odd} has a folder or an ending: the server takes plain names."
        )
    if triplet.reference in names or triplet.reference in subset:
        raise InvalidInput(
            f"Query {triplet.id}: its own reference {triplet.reference} is listed: leave it out."
        )
    strange = next((name for name in subset if name not in triplet.subset), None)
    if strange is not None:
        raise InvalidInput(
            f"Query {triplet.id}: {strange} is not one of the members of its set: list those alone."
        )


def _numbers(query: str, names: Sequence[str]) -> list[int]:
    odd = next((name for name in names if not (name.isascii() and name.isdigit())), None)
    if odd is not None:
        raise InvalidInput(f"Query {query}: {odd} is no image number: name images by number.")
    numbers = [int(name) for name in names]
    if len(set(numbers)) < len(numbers):
        raise InvalidInput(f"Query {query}: an image is listed twice: list each once.")
    return numbers


def _encoded(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _bounded(metric: str, content: bytes) -> bytes:
    if len(content) > CIRR_BYTES:
        raise TooLarge(
            f"The {metric} file has {len(content):,} bytes and the server takes {CIRR_BYTES:,}: "
            "shorten the names of the images."
        )
    return content
