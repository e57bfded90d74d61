"""What becomes of FashionIQ's two captions, string by string."""

from __future__ import annotations

import pytest

from backend.errors import InvalidInput
from workers.metrics.captions import BY_COMPOSER, ZERO_FOR_OBJECTS, caption_rule

TWO = ("is Shiny and silver, ", ". Has shorter sleeves?")


@pytest.mark.parametrize(
    ("rule", "texts"),
    [
        ("as written", ("is Shiny and silver, ",)),
        ("second as written", (". Has shorter sleeves?",)),
        ("first and second", ("is Shiny and silver and Has shorter sleeves",)),
        ("second and first", ("Has shorter sleeves and is Shiny and silver",)),
        (
            "both orders averaged",
            (
                "is Shiny and silver and Has shorter sleeves",
                "Has shorter sleeves and is Shiny and silver",
            ),
        ),
        ("clip4cir", ("Is shiny and silver and Has shorter sleeves",)),
        ("spn4cir", ("is Shiny and silver and Has shorter sleeves",)),
        (
            "lincir",
            (
                "is Shiny and silver and Has shorter sleeves",
                "Has shorter sleeves and is Shiny and silver",
            ),
        ),
        ("pic2word", (". Has shorter sleeves? and is Shiny and silver, ",)),
    ],
)
def test_each_rule(rule, texts):
    assert caption_rule(rule, "sum", "fashioniq/dress/val").texts(TWO) == texts


def test_an_empty_caption_is_left_out_by_default_and_kept_as_published():
    one = ("", "is red.")
    assert caption_rule("first and second", "sum", "s").texts(one) == ("is red",)
    assert caption_rule("both orders averaged", "sum", "s").texts(one) == ("is red", "is red")
    assert caption_rule("clip4cir", "sum", "s").texts(one) == (" and is red",)
    assert caption_rule("first and second", "sum", "s").texts(("", " .")) == ("",)


@pytest.mark.parametrize(
    ("composer", "rule"),
    [
        ("combiner", "first and second"),
        ("sum", "first and second"),
        ("phi", "both orders averaged"),
        ("im2text", "second and first"),
    ],
)
def test_the_order_is_the_methods_own(composer, rule):
    assert caption_rule(BY_COMPOSER, composer, "fashioniq/dress/val").name == rule


def test_the_published_slip_asks_tasks_about_objects_with_a_zero():
    for split, texts in (("genecis/change_object", ("0",)), ("genecis/focus_attribute", ("hat",))):
        assert caption_rule(ZERO_FOR_OBJECTS, "phi", split).texts(("hat",)) == texts


def test_a_rule_for_two_captions_refuses_three():
    with pytest.raises(InvalidInput, match="3 captions and this protocol joins two"):
        caption_rule("lincir", "phi", "s").texts(("a", "b", "c"))
