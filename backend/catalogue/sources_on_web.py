"""Web addresses in a list's columns of pictures: told from names, and named like files."""

from __future__ import annotations

import re
from urllib.parse import unquote

ANYWHERE = "*"
"""Among the hosts that may be asked: every public one."""
_WEB = re.compile(r"https?://", re.IGNORECASE)
_AFTER_PATH = re.compile(r"[?#]")


def is_web(name: str) -> bool:
    """Whether a picture is named by a web address."""
    return _WEB.match(name) is not None


def local_name(name: str) -> str:
    """Of a web address the file's name; of another name the name, with plain slashes.

    By hand, since `urlsplit` refuses some hosts, and takes long to put others in order.
    """
    if web := _WEB.match(name):
        path = _AFTER_PATH.split(name[web.end() :], 1)[0].partition("/")[2]
        if file := unquote(path).rpartition("/")[2]:
            return file
    return name.replace("\\", "/")
