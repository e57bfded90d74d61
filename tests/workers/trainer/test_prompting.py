"""The prompt is what gets most on the choosing set."""

from __future__ import annotations

import pytest

from backend.encoding.prompts import Prompt
from backend.errors import InvalidInput
from workers.trainer.prompting import CANDIDATES, best_prompt, checked_prompt


def test_every_candidate_is_a_prompt_and_the_published_ones_are_among_them():
    parsed = [Prompt.parse(text) for text in CANDIDATES]
    assert all(prompt.order != "pseudo" for prompt in parsed)
    assert {"a photo of $ that {}", "a photo of $ , {}", "photo of a $ {}"} <= set(CANDIDATES)
    assert len(set(CANDIDATES)) == len(CANDIDATES)


def test_the_best_is_chosen_and_of_equal_ones_the_first():
    figures = {"$ {}": 3.0, "{} $": 7.0, "a {} $": 7.0}
    found = best_prompt(
        lambda prompt: prompt,  # type: ignore[arg-type, return-value]
        lambda model: {"R@1": figures[model.template]},  # type: ignore[attr-defined]
        "R@1",
        list(figures),
    )
    assert found.template == "{} $"
    assert {text: value["R@1"] for text, value in found.figures.items()} == figures


def test_auto_needs_something_to_choose_by():
    checked_prompt("auto", choosing=True)
    checked_prompt("a $ {}", choosing=False)
    with pytest.raises(InvalidInput, match="no validation triplets to choose the prompt by"):
        checked_prompt("auto", choosing=False)
    with pytest.raises(InvalidInput, match="no places for the picture"):
        checked_prompt("{}", choosing=True)
