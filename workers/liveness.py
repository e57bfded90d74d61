"""Whether a worker or beat still does its rounds: a file that it touches, and the look at it.

`python -m workers.liveness` is the health check of their containers. It looks at a file rather
than asking over the broker, which would wake a whole worker's imports at every check.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from backend.settings import read_settings

FILE = "alive"
STALE_SECONDS = 60.0


def touch(home: Path) -> None:
    """Say that this process is alive."""
    home.mkdir(parents=True, exist_ok=True)
    (home / FILE).touch()


def is_alive(home: Path) -> bool:
    """Whether the process of this home folder said so within the last minute."""
    try:
        return time.time() - (home / FILE).stat().st_mtime < STALE_SECONDS
    except FileNotFoundError:
        return False


def main() -> None:
    """Exit with 0 if the process of AKIN_HOME is alive, else with 1 and a sentence."""
    home = read_settings().home
    if not is_alive(home):
        sys.exit(f"Nothing touched {home / FILE} within the last {STALE_SECONDS:.0f} seconds.")


if __name__ == "__main__":
    main()
