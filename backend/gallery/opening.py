"""Which adapter a gallery URL means. Only the one that is needed is imported: both are slow."""

from __future__ import annotations

from pathlib import Path

from backend.errors import SetupError
from backend.gallery.port import GalleryStore


def open_store(url: str, folder: Path, api_key: str | None = None) -> GalleryStore:
    """The galleries at `url`: `edge` (shards in `folder`), `:memory:`, or a Qdrant server's URL.

    Raises `SetupError` for any other URL or a refused key, `Unavailable` if no server answers.
    """
    if url == "edge":
        from backend.gallery.edge_store import EdgeGalleryStore

        return EdgeGalleryStore(folder)
    if url == ":memory:" or url.startswith(("http://", "https://")):
        from backend.gallery.server_store import ServerGalleryStore

        return ServerGalleryStore(url, api_key)
    raise SetupError(
        f"AKIN_GALLERY_URL is '{url}': write edge, :memory: or a Qdrant server's URL, "
        "such as http://localhost:6333."
    )
