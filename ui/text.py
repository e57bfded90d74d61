"""How the UI writes things down. Whatever comes from data passes `plain` or `html.escape`."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from decimal import Decimal

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&=^@/])")
_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}


def plain(text: object) -> str:
    """`text` so that Markdown shows it as it stands: no link, no image, no formatting."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))


def money(price: Decimal | None, currency: str | None) -> str:
    """A price as a shop writes it; empty where there is none."""
    if price is None:
        return ""
    symbol = _SYMBOLS.get(currency or "", currency or "")
    return f"{price:,.2f} {symbol}".strip()


def amount(count: int, noun: str) -> str:
    """`1 product`, `1,500 products`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def bytes_of(count: float) -> str:
    """A size as people read it: `640 bytes`, `1.2 MB`."""
    if count < 1000:
        return f"{count:.0f} bytes"
    power = min(int(math.log10(count)) // 3, 3)
    return f"{count / 1000**power:.1f} {('kB', 'MB', 'GB')[power - 1]}"


def duration(seconds: float) -> str:
    """A time span in its two largest units: `12 s`, `3 min 20 s`, `1 h 5 min`; `0.4 s` below
    two seconds, where whole ones would say nothing."""
    if 0 < seconds < 2:
        return f"{max(seconds, 0.1):.1f} s"
    whole = max(round(seconds), 0)  # a clock that was set back in between
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(moment: datetime) -> str:
    """How long ago a moment was, in its largest unit."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    seconds = (datetime.now(UTC) - aware).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return f"{amount(int(seconds // length), unit)} ago"
    return "just now"
