"""Prices as shops and spreadsheets write them."""

from __future__ import annotations

import re

_SYMBOLS = {"€": "EUR", "£": "GBP"}
_AMBIGUOUS = "$¥"
_LONGEST = 40
"""Characters; a longer text is no price, and `_CODED` would take the square of its length."""
_CODED = re.compile(
    r"(?P<before>[A-Z]{3})?\s*(?P<amount>\d[\d.,' \u00a0\u202f]*?)\s*(?P<after>[A-Z]{3})?"
)
_SIMPLE = re.compile(r"\d+,\d{1,2}")
_GROUPED = re.compile(
    r"(?P<whole>\d{1,3}(?P<mark>[.,' \u00a0\u202f])\d{3}(?:(?P=mark)\d{3})*)"
    r"(?!(?P=mark))[.,](?P<cents>\d{1,2})"
)


def read_price(text: str) -> tuple[str, str | None]:
    """The amount with a decimal point, and the currency where the text names one.

    `19,90` and `19.90 EUR`, `€ 1.299,00` and `1,299.00` are read; what could be two amounts
    (`1,299`) stays as it is, for somebody to correct.
    """
    trimmed = text.strip()
    if len(trimmed) > _LONGEST:
        return text, None
    amount, currency = _parted(trimmed)
    if _SIMPLE.fullmatch(amount):
        return amount.replace(",", "."), currency
    if grouped := _GROUPED.fullmatch(amount):
        whole = grouped["whole"].replace(grouped["mark"], "")
        return f"{whole}.{grouped['cents']}", currency
    return amount, currency


def _parted(text: str) -> tuple[str, str | None]:
    words = text.upper()
    for symbol, code in _SYMBOLS.items():
        if words.startswith(symbol) or words.endswith(symbol):
            return text.strip(symbol + " \u00a0"), code
    if coded := _CODED.fullmatch(words):
        return coded["amount"], coded["before"] or coded["after"]
    return text.strip(_AMBIGUOUS + " \u00a0"), None
