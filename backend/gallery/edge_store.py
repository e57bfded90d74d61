"""The galleries of an embedded installation: Qdrant Edge shards side by side in one folder."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from backend import disk_space
from backend.disk_space import check_room
from backend.errors import Conflict, NotFound
from backend.gallery.edge import EXACT_BELOW, EdgeGallery
from backend.gallery.edge_shard import CONFIG_FILE, make_shard
from backend.gallery.layout import Layout
from backend.gallery.port import check_name


class EdgeGalleryStore:
    """The shards in one folder. Methods as in `backend.gallery.port.GalleryStore`."""

    def __init__(
        self, folder: Path, exact_below: int = EXACT_BELOW, layout: Layout | None = None
    ) -> None:
        self._folder = folder
        self._layout = layout or Layout()
        self._exact_below = exact_below
        self._galleries: dict[str, EdgeGallery] = {}
        self._lock = threading.RLock()
        folder.mkdir(parents=True, exist_ok=True)

    def create(self, name: str, dim: int) -> EdgeGallery:
        check_name(name)
        with self._lock:
            path = self._folder / name
            if path.exists():
                raise Conflict(f"A gallery named '{name}' exists already: open or drop it.")
            check_room(self._folder, disk_space.GALLERY_RESERVE)
            # Made aside and renamed, so that a kill leaves no half-made gallery under its name.
            aside = self._folder / f".new-{name}"
            shutil.rmtree(aside, ignore_errors=True)
            make_shard(aside, dim, self._layout.quantization.kind or "none")
            aside.rename(path)
            return self.open(name)

    def open(self, name: str) -> EdgeGallery:
        check_name(name)
        with self._lock:
            gallery = self._galleries.get(name)
            if gallery is None or gallery.is_closed:
                if name not in self.names():
                    raise NotFound(f"There is no gallery named '{name}'.")
                gallery = EdgeGallery(self._folder / name, self._exact_below, self._layout)
                self._galleries[name] = gallery
            return gallery

    def drop(self, name: str) -> None:
        check_name(name)
        with self._lock:
            if gallery := self._galleries.pop(name, None):
                gallery.close()
            aside = self._folder / f".dropped-{name}"
            shutil.rmtree(aside, ignore_errors=True)
            if (self._folder / name).exists():
                (self._folder / name).rename(aside)
                shutil.rmtree(aside)

    def names(self) -> list[str]:
        found = (path.parent.name for path in self._folder.glob(f"*/{CONFIG_FILE}"))
        return sorted(name for name in found if not name.startswith("."))

    def close(self) -> None:
        with self._lock:
            for gallery in self._galleries.values():
                gallery.close()
            self._galleries.clear()
