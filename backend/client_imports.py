"""The client's calls about imports: what they would do, their files, what came of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from backend.catalogue.preview_schemas import ManifestPreview, PicturePreview, PreviewRequest
from backend.catalogue.schemas import FileClaim, FileClaims, FilesWanted, ImportCreate, ProductOut
from backend.client_transport import Transport, read_in_chunks
from backend.jobs.schemas import JobOut
from backend.paging import Page


class ImportCalls(Transport):
    """An import from its preview to its products; raises as `AkinClient` says."""

    def open_import(self, request: ImportCreate) -> JobOut:
        """Begin an import: a job that collects files."""
        return self._post(JobOut, "/v1/imports", request)

    def preview_manifest(
        self, name: str, content: bytes | Path, request: PreviewRequest
    ) -> ManifestPreview:
        """What an import would make of a manifest; nothing is kept."""
        asked = request.model_copy(update={"name": name}).model_dump_json()
        with BytesIO(content) if isinstance(content, bytes) else content.open("rb") as file:
            # A form's field ends at a megabyte, which the names of many pictures exceed.
            files = {
                "manifest": ("manifest", file),
                "request": ("request.json", asked, "application/json"),
            }
            answer = self._send("POST", "/v1/imports/preview", files=files)
        return ManifestPreview.model_validate(answer)

    def preview_pictures(self, names: Sequence[str]) -> list[PicturePreview]:
        """The products that pictures would become, told by their names; at most a hundred."""
        body = {"names": list(names)}
        answer = self._send("POST", "/v1/imports/preview/pictures", json=body)
        return [PicturePreview.model_validate(one) for one in answer]

    def imported_products(
        self, job_id: str, *, cursor: str | None = None, limit: int = 50, offset: int = 0
    ) -> Page[ProductOut]:
        """One page of the products that an import made or changed."""
        query: dict[str, Any] = {"limit": limit, "offset": offset}
        query |= {"cursor": cursor} if cursor else {}
        answer = self._send("GET", f"/v1/imports/{job_id}/products", params=query)
        return Page[ProductOut].model_validate(answer)

    def claim_files(self, job_id: str, files: Sequence[FileClaim]) -> list[str]:
        """Tell the import which files there are; the SHA-256 of those it has no bytes of."""
        claims = FileClaims(files=list(files))
        return self._post(FilesWanted, f"/v1/imports/{job_id}/files", claims).missing

    def send_file(
        self,
        job_id: str,
        sha256: str,
        content: bytes | Path,
        sent: Callable[[int], object] = lambda _: None,
    ) -> None:
        """Upload the bytes of one claimed file; a path is streamed, and `sent` told of each part.

        Several threads may do so at the same time.
        """
        body = content if isinstance(content, bytes) else read_in_chunks(content, sent)
        self._send("PUT", f"/v1/imports/{job_id}/files/{sha256}", content=body)

    def start_import(self, job_id: str) -> JobOut:
        """Everything is sent: queue the import."""
        return JobOut.model_validate(self._send("POST", f"/v1/imports/{job_id}/start"))
