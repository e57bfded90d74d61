"""The learning rate at the steps that matter."""

from __future__ import annotations

import pytest

from workers.trainer.schedules import lr_factor


def test_a_constant_rate_is_constant_after_its_warm_up():
    factors = [lr_factor(step, 10, warmup=4, kind="constant") for step in range(10)]
    assert factors == [0.25, 0.5, 0.75, 1.0, *6 * [1.0]]


def test_a_cosine_rises_falls_by_half_in_the_middle_and_ends_at_zero():
    factors = [lr_factor(step, 110, warmup=10) for step in range(111)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[10] == max(factors) == 1.0
    assert factors[60] == pytest.approx(0.5)
    assert factors[35] == pytest.approx(0.5 + 0.5 * 0.5**0.5)
    assert factors[110] == pytest.approx(0.0)


def test_without_a_warm_up_it_starts_at_the_full_rate():
    assert lr_factor(0, 10, kind="constant") == lr_factor(0, 10, kind="cosine") == 1.0


def test_a_warm_up_longer_than_the_run_is_cut_off():
    assert [lr_factor(step, 2, warmup=10) for step in range(2)] == [0.1, 0.2]
