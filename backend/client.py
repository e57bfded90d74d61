"""A typed client of Akin's HTTP API: the command line and the UI speak through it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx

from backend.audit.schemas import AuditFilter, AuditLineOut
from backend.client_accounts import AccountCalls
from backend.client_catalogue import CatalogueCalls
from backend.client_imports import ImportCalls
from backend.client_jobs import JobCalls
from backend.client_models import ModelCalls
from backend.client_transport import ApiError
from backend.client_triplets import TripletCalls
from backend.paging import Page
from backend.search.schemas import SearchRequest, SearchResponse

__all__ = ["AkinClient", "ApiError"]


class AkinClient(AccountCalls, CatalogueCalls, ImportCalls, JobCalls, ModelCalls, TripletCalls):
    """One connection to a running server.

    Every method raises `ApiError` for a refusal the server explains, and `Unavailable` when no
    server answers.
    """

    def audit(
        self, wanted: AuditFilter | None = None, *, cursor: str | None = None, limit: int = 50
    ) -> Page[AuditLineOut]:
        """One page of who changed what, newest first."""
        query = (wanted or AuditFilter()).query()
        return self._page(AuditLineOut, "/v1/audit", cursor=cursor, limit=limit, **query)

    def audit_table(self, wanted: AuditFilter | None = None) -> Iterator[bytes]:
        """The same as CSV, whole and streamed."""
        yield from self._chunks("/v1/audit.csv", **(wanted or AuditFilter()).query())

    def backup(self, expect: Callable[[int], object] = lambda _: None) -> Iterator[bytes]:
        """The whole installation as one file, streamed; `expect` is told about how large it is."""
        # Before the bytes of a large model come, its hash is compared.
        with self._stream("/v1/backup", {}, timeout=600) as answer:
            expect(int(answer.headers.get("X-Akin-Expected-Bytes", 0)))
            yield from answer.iter_bytes()

    def search(
        self, request: SearchRequest, *, image: bytes | None = None, name: str = "picture"
    ) -> SearchResponse:
        """Ask a composed query; `image` is a picture of one's own as reference."""
        return self._post_with_picture(SearchResponse, "/v1/search", request, image, name)

    def ready(self) -> bool:
        """Whether the server says it is ready."""
        try:
            return self._http.get("/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False
