"""What the table of costs says of a small gallery."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import scaling
from benchmarks.drawn_points import DIM

pytestmark = pytest.mark.long


def test_bytes_are_counted_by_what_files_hold(tmp_path: Path) -> None:
    scaling._filled(tmp_path, 1_000)
    sizes = scaling._on_disk(tmp_path, 1_000)
    assert 4 * DIM <= sizes["on disk, vectors, bytes a point"] < 12 * DIM
    assert sizes["on disk, codes, bytes a point"] == 0
    named = [size for name, size in sizes.items() if "all" not in name]
    assert sum(named) <= sizes["on disk, all, bytes a point"]


@pytest.mark.slow
def test_the_whole_of_it_runs_small(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = []
    monkeypatch.setattr(scaling, "write", lambda *told, **_: tables.append(told[2]))
    scaling.main(2_000)
    (table,) = tables
    rows = {str(row[0]): row[1:] for row in table.rows}
    assert rows["recall@10 of 500"][0] == 1
    assert min(float(str(share)) for share in rows["recall@10 of 500"]) > 0.9
    assert float(str(rows["on disk, codes, bytes a point"][2])) > 0
