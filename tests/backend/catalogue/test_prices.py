from __future__ import annotations

import pytest

from backend.catalogue.prices import read_price


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("19.90", "19.90", None),
        ("19,9", "19.9", None),
        ("19.90 EUR", "19.90", "EUR"),
        ("eur 19,90", "19.90", "EUR"),
        ("€ 1.299,00", "1299.00", "EUR"),
        ("1,299.00", "1299.00", None),
        ("1 299,50 €", "1299.50", "EUR"),
        ("1'299.00 CHF", "1299.00", "CHF"),
        ("1,234,567.89", "1234567.89", None),
        ("$5", "5", None),
        ("£5", "5", "GBP"),
    ],
)
def test_prices_as_shops_write_them(text: str, amount: str, currency: str | None) -> None:
    assert read_price(text) == (amount, currency)


@pytest.mark.parametrize("text", ["1,299", "1.299", "1.2.3", "cheap", "-1", "EUR", "", "1.299.00"])
def test_what_could_be_two_amounts_or_none_stays_for_somebody_to_correct(text: str) -> None:
    assert read_price(text) == (text, None)
