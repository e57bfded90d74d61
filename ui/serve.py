"""Runs the Streamlit UI as a child: it ends when its standard input closes, so never outlives
the process that started it, not even one that was killed."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from streamlit.web.cli import main as streamlit


def main() -> None:
    """Serve `ui/server.py` with the command line options given to this process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = ["streamlit", "run", str(Path(__file__).with_name("server.py")), *sys.argv[1:]]
    streamlit()


def _end_with_parent() -> None:
    # Unbuffered: a thread inside a buffered read makes the interpreter's own shutdown fail.
    while os.read(0, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
