"""`python -m tests.qdrant_standin --port P --folder DIR [--api-key K] [--record FILE]
[--certificate FILE]`."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from tests.qdrant_standin.collections import Collections
from tests.qdrant_standin.server import make_server


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for a Qdrant server.")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--folder", type=Path, required=True, help="where the collections are kept")
    parser.add_argument("--api-key", help="without it anybody may ask")
    parser.add_argument("--record", type=Path, help="a file that gets every request")
    parser.add_argument("--certificate", type=Path, help="with its key, in PEM format: speak TLS")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    collections = Collections(given.folder)
    try:
        with make_server(
            collections, given.port, given.api_key, given.record, given.certificate
        ) as server:
            scheme = "https" if given.certificate else "http"
            sys.stdout.write(f"{scheme}://127.0.0.1:{server.server_port}\n")
            sys.stdout.flush()
            server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        collections.close()


if __name__ == "__main__":
    main()
