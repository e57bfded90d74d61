"""Decoders that many tests share: starting their children is most of what a small test costs."""

from __future__ import annotations

from backend.encoding.decode_pool import DecodePool
from backend.encoding.decoding import DecodeLimits
from backend.runtime import Runtime


class KeptDecoder(DecodePool):
    """A decoder that stays open when one of the runtimes that share it is closed."""

    def close(self) -> None:
        """Nothing; `end` closes it."""

    def end(self) -> None:
        """End its children."""
        super().close()


_kept: dict[DecodeLimits, KeptDecoder] = {}


def share_decoder(runtime: Runtime) -> Runtime:
    """Give a runtime that has decoded nothing yet the one decoder of its limits."""
    if runtime.limits not in _kept:
        _kept[runtime.limits] = KeptDecoder(2, runtime.limits)
    runtime.decoder = runtime.query_decoder = _kept[runtime.limits]
    return runtime


def end_decoders() -> None:
    """At the end of all tests."""
    while _kept:
        _kept.popitem()[1].end()
