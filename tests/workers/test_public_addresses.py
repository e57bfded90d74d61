"""Which addresses may be asked: only those on the public internet, whatever a name says."""

from __future__ import annotations

import ipaddress
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidInput
from workers.public_addresses import in_time, is_public, public_address, resolve

CLOSED_V4 = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
]  # fmt: skip
CLOSED_V6 = [
    "::/128", "::1/128", "::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64",
    "2001:db8::/32", "2002::/16", "2001::/32", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
]  # fmt: skip


def within(networks):
    """Addresses of these networks."""
    return (
        st.sampled_from(networks)
        .map(ipaddress.ip_network)
        .flatmap(
            lambda network: st.integers(0, network.num_addresses - 1).map(lambda n: str(network[n]))
        )
    )


@given(within(CLOSED_V4) | within(CLOSED_V6))
def test_no_address_of_a_closed_network_is_public(address):
    assert not is_public(address)


@given(st.ip_addresses(v=4))
def test_of_the_others_python_s_own_word_counts(address):
    assert is_public(str(address)) == (address.is_global and not address.is_multicast)


@given(st.ip_addresses(v=4))
def test_no_ipv4_address_hides_in_one_of_the_sixth_version(address):
    number = int(address)
    for start in ("::ffff:0:0", "::", "64:ff9b::"):
        assert not is_public(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(start)) + number)))
    assert not is_public(str(ipaddress.IPv6Address((0x2002 << 112) + (number << 80))))


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111"])
def test_public_ones(address):
    assert is_public(address)


@pytest.mark.parametrize("address", ["fe80::1%eth0", "", "shop.example", "1.2.3", "127.1"])
def test_what_is_no_plain_address_is_not(address):
    assert not is_public(address)


def test_every_address_of_a_name_has_to_be_public():
    with pytest.raises(InvalidInput, match=r"shop\.example is no public address"):
        public_address("shop.example", 80, lambda *_: ["93.184.216.34", "169.254.169.254"])


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "0x7f.1", "2130706433", "0", "::1", "0.0.0.0"]
)
def test_this_machine_by_any_name_is_refused(host):
    with pytest.raises(InvalidInput):
        public_address(host, 80, resolve)


def test_an_address_under_which_a_cloud_answers_is_not_public():
    assert not is_public("168.63.129.16")
    assert is_public("168.63.129.17")


def test_a_name_server_that_says_nothing_is_given_up():
    said = threading.Event()

    def silent(host, port):
        said.wait(60)
        return ["93.184.216.34"]

    with pytest.raises(
        InvalidInput, match=r"nobody said in time what the address of shop\.example"
    ):
        public_address("shop.example", 80, in_time(silent, 0.01))
    said.set()
    assert public_address("shop.example", 80, in_time(silent, 60)) == "93.184.216.34"


def test_a_name_without_an_address():
    def unknown(host, port):
        raise OSError("no such name")

    with pytest.raises(InvalidInput, match="has no address"):
        public_address("shop.example", 80, unknown)
    with pytest.raises(InvalidInput, match="has no address"):
        public_address("shop.example", 80, lambda *_: [])
