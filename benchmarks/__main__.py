"""Runs the named measurements, or those that need nothing and take ten minutes together."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.catalogue import PRODUCTS

BY_THEMSELVES = ("startup", "ingest", "search")
BY_NAME = ("gallery", "catalogue_sql", "reconcile", "main_job")  # those that take longer
LARGE, LARGE_PRODUCTS = "hundred_thousand", 100_000


def main() -> None:
    """`python -m benchmarks [NAME...] [--products N] [--home DIR] [--folder DIR]`"""
    asked = _arguments()
    for name in asked.names or BY_THEMSELVES:
        if name == LARGE:
            _named("search")(products=LARGE_PRODUCTS, home=asked.home, name=name)
        elif name == "search":
            _named(name)(products=asked.products, home=asked.home)
        elif name == "main_job":
            _named(name)(products=asked.products, folder=asked.folder, home=asked.home)
        else:
            _named(name)()


def _arguments() -> argparse.Namespace:
    names = (*BY_THEMSELVES, *BY_NAME, LARGE)
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument(
        "--products", type=int, default=PRODUCTS, help="how many to draw for the search"
    )
    parser.add_argument(
        "--home",
        type=Path,
        help="a filled data folder to search in (a copy is taken); for main_job the one to fill",
    )
    parser.add_argument("--folder", type=Path, help="a drawn catalogue for main_job to import")
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in names]
    if unknown:
        parser.error(f"there is no measurement {unknown[0]}: choose of {', '.join(names)}")
    return asked


def _named(name: str) -> Callable[..., None]:
    found: Callable[..., None] = import_module(f"benchmarks.{name}").main
    return found


if __name__ == "__main__":
    main()
