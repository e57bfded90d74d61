"""Guessing passwords is slowed down, by name and by address, on both databases."""

from __future__ import annotations

import threading

import pytest

from backend.accounts import passwords
from backend.accounts.guard import Guard
from backend.errors import NotKnown, TooMany
from backend.settings import Settings
from tests.backend.accounts.site import HERE, PASSWORD, change
from tests.conftest import MovableClock
from tests.services import LONG_ON_POSTGRES


def fail(guard: Guard, name: str, address: str = HERE) -> int:
    """The seconds to wait; 0 where the password was looked at."""
    try:
        guard.log_in(name, "wrong", address)
    except TooMany as error:
        return error.seconds
    except NotKnown:
        return 0
    raise AssertionError("it let in")


@pytest.fixture
def quick(monkeypatch):
    """Passwords that cost nothing: what is counted is attempts."""
    monkeypatch.setattr(passwords, "fits", lambda given, known: bool(known) and given == PASSWORD)


@pytest.mark.usefixtures("quick")
def test_guessing_one_name_is_slowed_down_twice_as_much_each_time(guard, clock: MovableClock):
    assert [fail(guard, "mia") for _ in range(6)] == [0] * 5 + [1]
    waits = []
    for _ in range(10):
        waits.append(fail(guard, "mia"))
        clock.advance(waits[-1])
        assert fail(guard, "mia") == 0
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    with pytest.raises(TooMany, match=r"wait 300 seconds"):
        guard.log_in("mia", PASSWORD, HERE)
    guard.log_in("ann", PASSWORD, HERE)
    clock.advance(300)
    guard.log_in("mia", PASSWORD, HERE)
    assert fail(guard, "mia") == 0


@pytest.mark.usefixtures("quick", "clock")
def test_a_stranger_elsewhere_locks_nobody_out(guard):
    for _ in range(6):
        fail(guard, "mia", "198.51.100.1")
    assert fail(guard, "mia", "198.51.100.1") > 0
    guard.log_in("mia", PASSWORD, HERE)


@LONG_ON_POSTGRES
@pytest.mark.usefixtures("quick", "clock")
def test_guessing_one_name_from_many_addresses_is_slowed_down_much_later(guard):
    asked = [fail(guard, "mia", f"198.51.{n // 4}.1") for n in range(202)]
    assert asked == [0] * 200 + [1, 1]
    assert fail(guard, "ann", "203.0.113.1") == 0


@pytest.mark.usefixtures("quick", "clock")
def test_a_new_password_lets_in_who_had_to_wait(guard, people, password_hash):
    for name in ("mia", "sue"):
        for _ in range(5):
            fail(guard, name)
        assert fail(guard, name) == 1
    change(people, "mia", password_hash=password_hash)
    guard.log_in("mia", PASSWORD, HERE)
    assert fail(guard, "sue") == 1


@pytest.mark.usefixtures("quick", "clock")
def test_addresses_of_one_ipv6_network_are_one(guard):
    assert [fail(guard, f"name-{n}", f"2001:db8::{n:x}") for n in range(21)] == [0] * 20 + [1]
    assert fail(guard, "name-22", "2001:db8:0:1::1") == 0


@pytest.mark.usefixtures("quick", "clock")
def test_who_has_to_wait_is_told_without_counting(guard):
    guard.check_attempts("mia", HERE)
    for _ in range(5):
        fail(guard, "mia")
    for _ in range(3):
        with pytest.raises(TooMany, match="wait 1 seconds"):
            guard.check_attempts(" MIA ", HERE)
    guard.check_attempts("mia", "203.0.113.9")


@pytest.mark.usefixtures("quick")
def test_guessing_many_names_from_one_address_is_slowed_down(guard, clock: MovableClock):
    assert [fail(guard, f"name-{n}") for n in range(21)] == [0] * 20 + [1]
    assert fail(guard, "name-22", "203.0.113.9") == 0
    clock.advance(901)
    assert fail(guard, "name-23") == 0


@pytest.mark.usefixtures("quick", "clock")
def test_one_password_of_one_s_own_buys_no_guesses_of_others(guard):
    for n in range(19):
        assert fail(guard, f"name-{n}") == 0
        guard.log_in("sue", PASSWORD, HERE)
    assert fail(guard, "name-19") == 0
    assert fail(guard, "name-20") == 1


@pytest.mark.usefixtures("quick", "clock")
def test_replicas_count_together_and_at_the_same_time(people):
    guards = [Guard(Settings(), people) for _ in range(2)]
    looked_at: list[int] = []

    def guess(guard: Guard) -> None:
        looked_at.extend(fail(guard, "mia") for _ in range(5))

    threads = [threading.Thread(target=guess, args=(guard,)) for guard in guards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert looked_at.count(0) == 5
