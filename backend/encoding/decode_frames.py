"""How a decoding child and its parent speak: a JSON header, then bytes, both of stated length."""

from __future__ import annotations

import json
import struct
from typing import Any

HEAD = struct.Struct("!IQ")  # bytes of the header, bytes of the payload
MAX_HEADER = 1024 * 1024


def framed(header: dict[str, Any], payload: int) -> bytes:
    """What goes before a payload of so many bytes."""
    text = json.dumps(header).encode()
    return HEAD.pack(len(text), payload) + text
