"""All benchmarks by the names that the command line knows them by."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from backend.errors import InvalidInput
from workers.metrics import catalogue, circo, cirr, coco, fashioniq, genecis, imagenet, wardrobe
from workers.metrics.protocols import Benchmark

BENCHMARKS: Mapping[str, Benchmark] = MappingProxyType(
    {
        module.BENCHMARK.name: module.BENCHMARK
        for module in (fashioniq, cirr, circo, genecis, coco, imagenet, wardrobe, catalogue)
    }
)


def benchmark_named(name: str) -> Benchmark:
    """The benchmark of that name; InvalidInput lists those there are."""
    if name not in BENCHMARKS:
        raise InvalidInput(
            f'There is no benchmark "{name}": choose one of {", ".join(BENCHMARKS)}.'
        )
    return BENCHMARKS[name]
