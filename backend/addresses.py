"""Which address stands for a caller, where callers are counted."""

from __future__ import annotations

import ipaddress


def network_of(address: str) -> str:
    """Who counts as one caller: an IPv4 address, of IPv6 a /64, since a network of one's own has
    2**64 addresses. What is no address stands for itself."""
    try:
        one = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(one, ipaddress.IPv6Address):
        if one.ipv4_mapped is None:
            return str(ipaddress.ip_network((one, 64), strict=False))
        one = one.ipv4_mapped
    return str(one)


def is_this_machine(address: str) -> bool:
    """Whether it is loopback."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
