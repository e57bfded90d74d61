"""By which name the leases of this process are known."""

from __future__ import annotations

import os
import socket


def process_name() -> str:
    """The machine and the process on it."""
    return f"{socket.gethostname()}:{os.getpid()}"
