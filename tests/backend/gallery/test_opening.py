from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from backend.errors import SetupError
from backend.gallery.edge_store import EdgeGalleryStore
from backend.gallery.opening import open_store
from backend.gallery.server_store import ServerGalleryStore


@pytest.mark.parametrize(
    ("url", "kind"), [("edge", EdgeGalleryStore), (":memory:", ServerGalleryStore)]
)
def test_the_url_chooses_the_adapter(url, kind, tmp_path):
    store = open_store(url, tmp_path)
    assert isinstance(store, kind)
    store.close()


def test_another_url_is_told(tmp_path):
    with pytest.raises(SetupError, match="'localhost:6333': write edge, :memory: or a Qdrant"):
        open_store("localhost:6333", tmp_path)


def test_no_engine_is_imported_before_a_store_is_opened():
    script = (
        "import sys, backend.gallery.opening, backend.gallery.transfer;"
        "print([m for m in ('qdrant_client', 'qdrant_edge', 'torch') if m in sys.modules])"
    )
    child = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout.strip() == "[]"
