"""How the UI writes prices, spans of time, and strings that come from data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ui.text import ago, amount, duration, money, plain


def test_a_price_is_written_as_in_a_shop() -> None:
    assert money(Decimal("1234.5"), "EUR") == "1,234.50 €"
    assert money(Decimal("8"), "SEK") == "8.00 SEK"
    assert money(Decimal("8"), None) == "8.00"
    assert money(None, "EUR") == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0.4 s"),
        (0, "0 s"),
        (0.01, "0.1 s"),
        (59, "59 s"),
        (200, "3 min 20 s"),
        (3900, "1 h 5 min"),
    ],
)
def test_a_span_of_time_shows_its_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_ago_takes_the_largest_unit_and_moments_without_a_zone_as_utc() -> None:
    now = datetime.now(UTC)
    assert ago(now) == "just now"
    assert ago(now - timedelta(minutes=1, seconds=5)) == "1 minute ago"
    assert ago(now.replace(tzinfo=None) - timedelta(days=3)) == "3 days ago"


def test_an_amount_is_in_the_singular_only_for_one() -> None:
    assert [amount(n, "product") for n in (0, 1, 1500)] == [
        "0 products",
        "1 product",
        "1,500 products",
    ]


def test_plain_leaves_nothing_for_markdown_to_do() -> None:
    assert plain("![x](http://evil)") == r"\!\[x\]\(http\:\/\/evil\)"
    assert plain("a\n# b") == r"a \# b"
    assert plain("T-shirt 6") == r"T\-shirt 6"
