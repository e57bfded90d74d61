"""Runs the named measurements, or all of them."""

from __future__ import annotations

import sys
from importlib import import_module

NAMES = ("startup", "ingest", "search")


def main() -> None:
    """`python -m benchmarks [NAME...]`"""
    chosen = sys.argv[1:] or NAMES
    unknown = [name for name in chosen if name not in NAMES]
    if unknown:
        sys.exit(f"There is no measurement {unknown[0]}: choose {', '.join(NAMES)}.")
    for name in chosen:
        import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
