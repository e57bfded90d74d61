"""Metrics as the published codes take them: everything sorted, names compared with names.

What they have in common: the whole score matrix, a full sort of each row, a matrix of the images'
names in that order, and comparisons of strings with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

Features = NDArray[np.float32]
Names = Sequence[str]


def fashioniq(
    queries: Features, gallery: Features, names: Names, targets: Names
) -> dict[str, float]:
    """R@10 and R@50 in percent, the reference kept (Baldrati et al. 2022, CLIP4Cir, section 4.3).

    queries: (q, dim), gallery: (n, dim), unit. names: of the gallery; targets: of each query.
    """
    ranked = _ranked_names(queries, gallery, names)
    right = torch.tensor(ranked == _repeated(targets, ranked))
    _check_one_each(right)
    return {f"R@{k}": _percent(right[:, :k]) for k in (10, 50)}


def cirr(
    queries: Features,
    gallery: Features,
    names: Names,
    references: Names,
    targets: Names,
    members: Sequence[Names],
) -> dict[str, float]:
    """R@1, 5, 10, 50 without the reference and Rs@1, 2, 3 among the other members of its set, in
    percent (Liu et al. 2021, CIRR, section 5). members: six names a query, the reference among
    them."""
    ranked = _ranked_names(queries, gallery, names)
    others = ranked != _repeated(references, ranked)
    ranked = ranked[others].reshape(len(ranked), -1)
    right = torch.tensor(ranked == _repeated(targets, ranked))
    _check_one_each(right)
    in_set = (ranked[..., None] == np.array(members)[:, None, :]).any(axis=-1)
    of_set = right[torch.from_numpy(in_set)].reshape(len(ranked), -1)
    return {
        **{f"R@{k}": _percent(right[:, :k]) for k in (1, 5, 10, 50)},
        **{f"Rs@{k}": _percent(of_set[:, :k]) for k in (1, 2, 3)},
    }


def circo(
    queries: Features, gallery: Features, names: Names, answers: Sequence[Names]
) -> dict[str, float]:
    """mAP@5, 10, 25, 50 over several right answers, and R@k of the first, in percent (Baldrati et
    al. 2023, SEARLE, section 4): one query after another."""
    found: dict[str, list[float]] = {}
    listed = np.array(names)
    for query, right in zip(torch.from_numpy(queries), answers, strict=True):
        order = torch.argsort(torch.from_numpy(gallery) @ query, descending=True)
        ranked = listed[order.numpy()]
        hits = np.isin(ranked, right)
        precisions = np.cumsum(hits) * hits / np.arange(1, len(hits) + 1)
        for k in (5, 10, 25, 50):
            found.setdefault(f"mAP@{k}", []).append(precisions[:k].sum() / min(len(right), k))
            found.setdefault(f"R@{k}", []).append(float(right[0] in ranked[:k]))
    return {name: 100 * float(np.mean(values)) for name, values in found.items()}


def _ranked_names(queries: Features, gallery: Features, names: Names) -> NDArray[np.str_]:
    """(q, n) the gallery's names, nearest first."""
    distances = 1 - torch.from_numpy(queries) @ torch.from_numpy(gallery).T
    order = torch.argsort(distances, dim=-1).numpy()
    ranked: NDArray[np.str_] = np.array(names)[order]
    return ranked


def _repeated(names: Names, ranked: NDArray[np.str_]) -> NDArray[np.str_]:
    """Each query's name as often as there are images."""
    return np.repeat(np.array(names), ranked.shape[1]).reshape(ranked.shape)


def _check_one_each(right: torch.Tensor) -> None:
    if not torch.equal(right.sum(dim=-1), torch.ones(len(right), dtype=torch.int64)):
        raise ValueError("every target has to be in the gallery exactly once")


def _percent(right: torch.Tensor) -> float:
    return 100 * float(right.sum()) / len(right)
