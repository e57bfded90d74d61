"""Which adapter a gallery URL means. Only the one that is needed is imported: both are slow."""

from __future__ import annotations

from pathlib import Path

from backend.errors import SetupError
from backend.gallery.layout import Access, Layout
from backend.gallery.port import GalleryStore


def open_store(
    url: str, folder: Path, layout: Layout | None = None, access: Access | None = None
) -> GalleryStore:
    """The galleries at `url`: `edge` (shards in `folder`), `:memory:`, or a Qdrant server's URL.

    They are laid out as `layout` says, those that are there too where the engine can change them.

    Raises `SetupError` for any other URL or a refused key, `Unavailable` if no server answers.
    """
    if url == "edge":
        from backend.gallery.edge_store import EdgeGalleryStore

        return EdgeGalleryStore(folder, layout=layout)
    if url == ":memory:" or url.startswith(("http://", "https://")):
        from backend.gallery.server_store import ServerGalleryStore

        return ServerGalleryStore(url, layout, access)
    raise SetupError(
        f"AKIN_GALLERY_URL is '{url}': write edge, :memory: or a Qdrant server's URL, "
        "such as http://localhost:6333."
    )
