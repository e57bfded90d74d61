"""What the table of quantization says of a small catalogue, where all is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import quantization
from benchmarks.quantization import Asked, _rows

pytestmark = pytest.mark.long


def test_recall_is_counted_against_exact_search(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(8, 64))
    vectors = (centres[np.arange(400) % 8] + 0.6 * rng.normal(size=(400, 64))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    targets = list(range(20))
    asked = Asked(vectors, vectors[targets], targets)  # each asks for itself
    (plain,) = _rows(tmp_path / "none", "none", asked)
    assert plain[2:5] == (1.0, 1.0, 1.0)
    bits = {str(row[1]): row for row in _rows(tmp_path / "binary", "binary", asked)}
    recalls = [float(str(row[2])) for row in bits.values()]
    assert recalls == sorted(recalls)  # each way finds at least as many as the one before
    assert recalls[0] < 0.9 < recalls[-1]
    assert 8 <= float(str(bits["rescored"][6])) < 256  # bytes of codes: a bit a number, and a rest


@pytest.mark.slow
def test_the_whole_of_it_runs_small() -> None:
    quantization.main(quick=True)
