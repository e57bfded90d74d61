"""Which address stands for a caller."""

from __future__ import annotations

import pytest

from backend.addresses import is_this_machine, network_of


@pytest.mark.parametrize(
    ("address", "counted_as"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("testclient", "testclient"),
        ("", ""),
    ],
)
def test_a_network_of_one_s_own_is_one_caller(address, counted_as):
    assert network_of(address) == counted_as


@pytest.mark.parametrize(
    ("address", "here"), [("127.0.0.9", True), ("::1", True), ("10.0.0.1", False), ("", False)]
)
def test_this_machine_is_known(address, here):
    assert is_this_machine(address) is here
