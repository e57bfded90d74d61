"""A version's figures on held-out triplets as a picture: composed against today's version, the
picture alone and the words alone, each with its interval."""

from __future__ import annotations

import math
from html import escape
from typing import Any

from pydantic import BaseModel, ValidationError

METRIC = "R@10"
_WAYS = {
    "composed": "this version",
    "active": "the one that answered then",
    "image": "the picture alone",
    "text": "the words alone",
}
_STEP = 10


class HeldOut(BaseModel):
    """`figures["held_out"]`: of each way to ask, metrics in percent as value, low and high end."""

    triplets: int
    split: str = ""
    ways: dict[str, dict[str, tuple[float, float, float]]]


def held_out(figures: dict[str, Any]) -> HeldOut | None:
    """The figures of a version; None where it was not measured."""
    try:
        return HeldOut.model_validate(figures["held_out"])
    except (KeyError, ValidationError):
        return None


def chart(found: HeldOut, metric: str = METRIC) -> str:
    """The picture as HTML: a dot for the value, a line for its interval, on one scale."""
    told = {way: found.ways[way][metric] for way in _WAYS if metric in found.ways.get(way, {})}
    if not told:
        return ""
    low = math.floor(min(one[1] for one in told.values()) / _STEP) * _STEP
    high = max(math.ceil(max(one[2] for one in told.values()) / _STEP) * _STEP, low + _STEP)
    rows = "".join(_row(way, told[way], low, high) for way in told)
    where = f"{found.triplets:,} held-out triplets"
    where += f" of {found.split}" if found.split else ""
    return (
        f"<div class='akin-figures'><h4>{escape(metric)} <span>in percent, on {escape(where)}, "
        f"with 95 % intervals</span></h4>{rows}"
        f"<div><span></span><em><u>{low}</u><u>{high}</u></em><b></b></div></div>"
    )


def table(found: HeldOut) -> list[dict[str, str]]:
    """All metrics in words: a row for each way to ask."""
    return [
        {"asked with": label}
        | {name: f"{value:.1f}  ({low:.1f} to {high:.1f})" for name, (value, low, high) in told}
        for way, label in _WAYS.items()
        if (told := list(found.ways.get(way, {}).items()))
    ]


def _row(way: str, told: tuple[float, float, float], low: int, high: int) -> str:
    value, least, most = (100 * (number - low) / (high - low) for number in told)
    hint = f"{told[0]:.1f}, between {told[1]:.1f} and {told[2]:.1f}"
    return (
        f"<div class='akin-way-{way}' title='{hint}'><span>{_WAYS[way]}</span>"
        f"<i><s style='left:{least:.1f}%;width:{max(most - least, 0):.1f}%'></s>"
        f"<q style='left:{value:.1f}%'></q></i><b>{told[0]:.1f}</b></div>"
    )
