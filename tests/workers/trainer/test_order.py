"""Which examples come when depends on the seed and the step, and on nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import InvalidInput
from workers.trainer.order import Order


@given(count=st.integers(1, 60), data=st.data(), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_an_epoch_has_each_example_once_at_most(count, data, seed):
    order = Order(count, data.draw(st.integers(1, count)), seed)
    epoch = data.draw(st.integers(0, 5))
    numbers = range(epoch * order.per_epoch, (epoch + 1) * order.per_epoch)
    rows = [int(row) for number in numbers for row in order.rows(number)]
    assert {order.epoch(number) for number in numbers} == {epoch}
    assert len(set(rows)) == len(rows) == count // order.batch * order.batch
    assert set(rows) <= set(range(count))


def test_any_batch_can_be_had_without_those_before_it():
    one, other = Order(50, 7, seed=3), Order(50, 7, seed=3)
    in_turn = [one.rows(number).tolist() for number in range(40)]
    assert other.rows(33).tolist() == in_turn[33]
    assert Order(50, 7, seed=4).rows(33).tolist() != in_turn[33]


def test_what_one_epoch_leaves_over_comes_in_others():
    order = Order(10, 4, seed=0)
    seen = {int(row) for number in range(20) for row in order.rows(number)}
    assert seen == set(range(10))


def test_a_batch_belongs_to_who_got_it():
    order = Order(10, 4, seed=0)
    order.rows(0)[:] = -1
    assert (order.rows(0) >= 0).all()


def test_no_data_is_told():
    with pytest.raises(InvalidInput, match="nothing to train on: the data holds no examples"):
        Order(0, 4, seed=0)


def test_a_batch_larger_than_the_data_is_told():
    with pytest.raises(InvalidInput, match=r"batch of 4,096 .* holds 1,500 .* at most 1,500"):
        Order(1500, 4096, seed=0)
