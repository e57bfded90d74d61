"""The health check of workers and beat."""

from __future__ import annotations

import os
import time

import pytest

from workers.liveness import FILE, STALE_SECONDS, is_alive, main, touch


def test_a_process_is_alive_for_a_minute_after_it_said_so(tmp_path):
    home = tmp_path / "home"
    assert not is_alive(home)
    touch(home)
    assert is_alive(home)
    long_ago = time.time() - STALE_SECONDS - 1
    os.utime(home / FILE, (long_ago, long_ago))
    assert not is_alive(home)
    touch(home)
    assert is_alive(home)


def test_the_check_is_an_exit_code_with_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("AKIN_HOME", str(tmp_path))
    with pytest.raises(SystemExit, match=r"Nothing touched .*alive within the last 60 seconds"):
        main()
    touch(tmp_path)
    main()
