"""What a process holds open is closed with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import TooLarge, Unavailable
from backend.runtime import QUERY_SECONDS, open_runtime
from backend.settings import Settings
from tests.backend.catalogue.stock import picture


def test_its_decoders_start_at_first_use_and_end_with_it(tmp_path: Path) -> None:
    runtime = open_runtime(Settings(home=tmp_path, max_image_bytes=500))
    assert runtime.decoder.children() == runtime.query_decoder.children() == []
    assert runtime.decoder.render(picture()).width == 30
    assert len(runtime.decoder.children()) == 1
    assert runtime.query_decoder.children() == []
    runtime.query_decoder.warm_up()
    with pytest.raises(TooLarge, match="and 500 are allowed"):
        runtime.decoder.render(bytes(501))
    runtime.close()
    assert runtime.decoder.children() == runtime.query_decoder.children() == []
    for decoder in (runtime.decoder, runtime.query_decoder):
        with pytest.raises(Unavailable, match="picture decoder is shut down"):
            decoder.render(picture())


def test_who_is_waited_for_gets_less_time(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert settings.decode_processes >= 2
    assert settings.decode_seconds > QUERY_SECONDS
