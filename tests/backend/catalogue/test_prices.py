from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize("text", [f"1{' ' * 4_000}!", f"1{' ' * 1_000_000}!", "1" * 41])
def test_a_text_too_long_for_a_price_is_none(text: str) -> None:
    assert read_price(text) == (text, None)


@given(st.text(alphabet="0123456789., '\u00a0EUR€$!-", max_size=60))
def test_the_limit_of_length_takes_no_price_away(text: str) -> None:
    amount, _ = read_price(text)
    if len(text.strip()) > 40:
        assert amount == text
    assert len(amount) <= len(text)
