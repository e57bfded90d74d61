"""Runs the named measurements, or those that need nothing and take ten minutes together."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from benchmarks.catalogue import PRODUCTS

BY_THEMSELVES = ("startup", "ingest", "search")
BY_NAME = (
    "gallery",
    "catalogue_sql",
    "reconcile",
    "main_job",
    "composers",
    "methods",
    "feedback-score",
    "story",
    "towers",
    "replicas",
    "sharing",
    "quantization",
    "scaling",
    "costs",
)
LARGE, LARGE_PRODUCTS = "hundred_thousand", 100_000


def main() -> None:
    """`python -m benchmarks [NAME...] [--products N] [--home DIR] [--folder DIR] [--out DIR]`"""
    asked = _arguments()
    products = asked.products or PRODUCTS
    options = {
        LARGE: {"products": LARGE_PRODUCTS, "home": asked.home, "name": LARGE},
        "search": {"products": products, "home": asked.home},
        "main_job": {"products": products, "folder": asked.folder, "home": asked.home},
        "catalogue_sql": {"products": asked.products} if asked.products else {},
        "methods": {"quick": asked.quick},
        "feedback-score": {"quick": asked.quick},
        "story": {"quick": asked.quick},
        "towers": {"quick": asked.quick},
        "replicas": {"products": asked.products or PRODUCTS},
        "scaling": {"products": asked.products},
        "sharing": {"products": asked.products},
        "quantization": {"quick": asked.quick},
        "composers": {"folder": asked.folder, "out": asked.out, "quick": asked.quick},
    }
    for name in asked.names or BY_THEMSELVES:
        _named("search" if name == LARGE else name)(**options.get(name, {}))


def _arguments() -> argparse.Namespace:
    names = (*BY_THEMSELVES, *BY_NAME, LARGE)
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument(
        "--products",
        type=int,
        help="how many to draw for search, main_job, replicas and sharing, or to ask about in "
        "catalogue_sql and scaling",
    )
    parser.add_argument(
        "--home",
        type=Path,
        help="a filled data folder to search in (a copy is taken); for main_job the one to fill",
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="a drawn catalogue: for main_job to import, for composers to train and ask on",
    )
    parser.add_argument(
        "--out", type=Path, help="where composers keeps its trainings, and goes on from"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="composers, methods, feedback-score, story, towers, quantization: a few steps, to see "
        "that it works",
    )
    asked = parser.parse_args()
    unknown = [name for name in asked.names if name not in names]
    if unknown:
        parser.error(f"there is no measurement {unknown[0]}: choose of {', '.join(names)}")
    return asked


def _named(name: str) -> Callable[..., None]:
    found: Callable[..., None] = import_module(f"benchmarks.{name.replace('-', '_')}").main
    return found


if __name__ == "__main__":
    main()
