"""The codes of a shard's vectors: which its segments hold, and how that fits the settings.

Tried with version 0.9: bits are written with every point, bytes only into segments that have a
graph; a shard loaded with another kind keeps what it has until `optimize`, which writes every
segment of the other kind anew, from the vectors.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from backend.gallery.layout import Laid, QuantizationKind


def codes_held(path: Path) -> set[QuantizationKind]:
    """The kinds of codes in the shard's segments, `none` for those without any."""
    return {_codes_of(found) for found in path.glob("segments/*/segment.json")}


def are_left(path: Path, wanted: QuantizationKind) -> bool:
    """Whether some segments hold codes of another kind than is wanted."""
    return bool(codes_held(path) - {"none", wanted})


def laid_out(path: Path, info: Any, wanted: QuantizationKind, exact_below: int) -> Laid:
    held = codes_held(path)
    kind: QuantizationKind = next((k for k in ("scalar", "binary") if k in held), "none")
    differs = None
    if held - {"none", wanted}:
        differs = f"the next start writes it anew, as AKIN_GALLERY_QUANTIZATION={wanted} says"
    elif wanted not in held:
        differs = (
            f"AKIN_GALLERY_QUANTIZATION={wanted} takes effect at the first start with "
            f"{exact_below:,} images"
        )
    return Laid(kind, in_graph=info.indexed_vectors_count, differs=differs)


def _codes_of(segment: Path) -> QuantizationKind:
    try:
        vectors = json.loads(segment.read_text())["config"]["vector_data"][""]
        codes = vectors["quantization_config"] or {}
    except (ValueError, LookupError, TypeError, OSError):  # such as one that is going away
        return "none"
    return "scalar" if "scalar" in codes else "binary" if "binary" in codes else "none"
