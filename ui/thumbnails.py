"""A small picture of a visitor's own upload, to show it back.

The server draws it, in a child process with limits: whatever a stranger's bytes do to a decoder,
the page goes on.
"""

from __future__ import annotations

import base64

from backend.client import ApiError
from backend.errors import AkinError
from ui.connection import client


def data_uri(data: bytes) -> str:
    """A thumbnail of `data` as a data URI; empty where there is none."""
    try:
        return drawn(data)
    except AkinError:
        return ""


def drawn(data: bytes) -> str:
    """The same, so that it can be kept: empty is only what the server says is no picture.

    Raises:
        AkinError: if the server cannot tell just now.
    """
    try:
        small = client().thumbnail(data)
    except ApiError as error:
        if error.status >= 500:
            raise
        return ""  # a search or import with it says why
    return "data:image/webp;base64," + base64.b64encode(small).decode()
