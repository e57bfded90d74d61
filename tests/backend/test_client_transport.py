"""What every call of the client goes through."""

from __future__ import annotations

import ssl

import pytest

from backend.client import AkinClient


def test_certificates_are_read_only_for_what_is_encrypted(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []

    def noted(_context: ssl.SSLContext, *_: object, **__: object) -> None:
        read.append("authorities")

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", noted)
    AkinClient("http://127.0.0.1:8000").close()
    assert read == []
    AkinClient("https://shop.example").close()
    assert read
